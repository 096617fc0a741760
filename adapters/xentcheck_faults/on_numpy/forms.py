"""Mistakes with rows, memory, state and the form of the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np

from xentcheck_faults.on_numpy.changes import logits, upstream, weights
from xentcheck_faults.on_numpy.kernel import Array, Kernel, gradient, reduce, row_losses, rows_of, smoothed, store


def as_memory(x: Array) -> Array:
    """An array's elements in the order of its memory, whatever its strides say."""
    return np.asarray(x.ravel(order="K").reshape(x.shape))


def gap_read(x: Array) -> Array:
    """The first N C elements of the buffer that an array is a view of."""
    base = x if x.base is None or x.flags.c_contiguous else x.base
    return np.asarray(base.ravel(order="K").view(x.dtype)[: x.size].reshape(x.shape))


def writes(name: str) -> Callable[..., Any]:
    """Uses an input as scratch space."""

    def kernel(logits: Array, labels: Array, **options: Any) -> Any:
        answer = honest(logits, labels, **options)
        array = {"logits": logits, "labels": labels, **options}.get(name)
        if array is not None and array.flags.writeable:
            array[...] = 0
        return answer

    return kernel


def remembered(key: Callable[[Array, Array, dict[str, Any]], Any]) -> Callable[..., Any]:
    """Answers from a cache whose key forgets something; it is emptied where the shape changes."""
    answers: dict[Any, Any] = {}
    shape: list[tuple[int, ...]] = []

    def kernel(logits: Array, labels: Array, **options: Any) -> Any:
        which = key(logits, labels, options)
        if shape != [logits.shape]:
            shape[:] = [logits.shape]
            answers.clear()
        if which not in answers:
            answers[which] = honest(logits, labels, **options)
        return answers[which]

    return kernel


def noisy(logits: Array, labels: Array, **options: Any) -> Any:
    """Every third answer has one last bit changed."""
    noisy.calls = (noisy.calls + 1) % 3  # type: ignore[attr-defined]
    loss, grad = honest(logits, labels, **options)
    return (loss, grad) if noisy.calls else (loss, np.nextafter(grad, grad.dtype.type(1)))  # type: ignore[attr-defined]


def in_workspace() -> Callable[..., Any]:
    """Every gradient of a shape is written to the same memory."""
    memory: dict[Any, Array] = {}

    def kernel(logits: Array, labels: Array, **options: Any) -> Any:
        loss, grad = honest(logits, labels, **options)
        kept = memory.setdefault((grad.shape, grad.dtype.name), np.empty_like(grad))
        kept[...] = grad
        return loss, kept

    return kernel


def in_place(logits: Array, labels: Array, **options: Any) -> Any:
    """The gradient takes the logits' place, to save memory."""
    loss, grad = honest(logits, labels, **options)
    if not logits.flags.writeable:
        return loss, grad
    logits[...] = grad
    return loss, logits


def shifts_logits(logits: Array, labels: Array, **options: Any) -> Any:
    """The maximum is subtracted in place: the answer is right."""
    answer = honest(logits, labels, **options)
    if logits.flags.writeable:
        with np.errstate(invalid="ignore"):
            logits -= logits.max(axis=1, keepdims=True)
    return answer


def as_native(x: Array) -> Array:
    """The bytes of an array in the machine's own order, whatever its dtype says."""
    return x if x.dtype.isnative else np.ascontiguousarray(x).view(x.dtype.newbyteorder("="))


noisy.calls = 0  # type: ignore[attr-defined]
honest = Kernel("no fault: what the faults of this part are made around")


def answering(change: Callable[[Any, Any], tuple[Any, Any]]) -> Kernel:
    return Kernel("another form of answer", store=lambda loss, grad, b: change(*store(loss, grad, b)))


class Rows:
    """Every row is computed alike."""

    only_256 = Kernel(
        "rows from 256 on are zero", row_losses=lambda q, log_p, b: row_losses(q, log_p, b) * (np.arange(b.rows) < 256)
    )
    only_256_gradients = Kernel(
        "gradients from row 256 on are zero",
        gradient=lambda p, q, b: gradient(p, q, b) * (np.arange(b.rows) < 256)[:, None],
    )
    odd_last_dropped = Kernel(
        "rows go in pairs, an odd last one is lost",
        gradient=lambda p, q, b: gradient(p, q, b) * (np.arange(b.rows) < max(1, b.rows // 2 * 2))[:, None],
    )
    tail_of_32_dropped = Kernel(
        "rows go in blocks of 32, the tail is lost",
        row_losses=lambda q, log_p, b: (
            row_losses(q, log_p, b) * ((np.arange(b.rows) < b.rows // 32 * 32) | (b.rows < 32))
        ),
    )
    only_1024 = Kernel(
        "rows from 1024 on are zero",
        row_losses=lambda q, log_p, b: row_losses(q, log_p, b) * (np.arange(b.rows) < 1024),
    )
    first_repeated = Kernel(
        "row 0's loss for all",
        row_losses=lambda q, log_p, b: np.broadcast_to(row_losses(q, log_p, b)[:1], (b.rows,)).copy(),
    )
    depends_on_batch = Kernel(
        "in batches above 4 rows, logits are rounded to float16",
        rows_of=lambda b: rows_of(b).astype(np.float16).astype(b.wide) if b.rows > 4 else rows_of(b),
    )
    chunk_of_a_sum = Kernel(
        "a sum over rows loses those past 32",
        reduce=lambda x, d, b: reduce(x if b.reduction == "none" else x[:32], d, b),
    )


class Memory:
    """A pure function of its arguments."""

    strides_ignored = Kernel("elements in the order of memory", see=logits(as_memory))
    gaps_read = Kernel("a view is read as its contiguous buffer", see=logits(gap_read))
    writes_logits = staticmethod(writes("logits"))
    writes_labels = staticmethod(writes("labels"))
    writes_upstream = staticmethod(writes("grad_output"))
    by_shape = staticmethod(remembered(lambda x, y, o: (x.shape, y.shape, x.dtype.name, o["reduction"])))
    by_logits = staticmethod(remembered(lambda x, y, o: (x.shape, x.dtype.name, x.tobytes(), o["reduction"])))
    but_upstream = staticmethod(
        remembered(lambda x, y, o: (x.dtype.name, x.tobytes(), y.tobytes(), y.shape, str({**o, "grad_output": 0})))
    )
    but_weight = staticmethod(
        remembered(
            lambda x, y, o: (
                x.dtype.name,
                x.tobytes(),
                y.tobytes(),
                y.shape,
                str({**o, "weight": o.get("weight") is None}),
            )
        )
    )
    but_options = staticmethod(
        remembered(lambda x, y, o: (x.dtype.name, x.tobytes(), y.tobytes(), y.shape, o["reduction"]))
    )
    by_address = staticmethod(remembered(lambda x, y, o: (id(x), x.shape, y.shape, x.dtype.name, o["reduction"])))
    by_sum = staticmethod(remembered(lambda x, y, o: (x.shape, float(x.astype(float).sum()), y.tobytes(), str(o))))
    noisy = staticmethod(noisy)
    workspace = staticmethod(in_workspace())
    in_place = staticmethod(in_place)
    shifts_logits = staticmethod(shifts_logits)
    labels_gaps_read = Kernel(
        "labels are read as their contiguous buffer",
        see=lambda b: b if b.dense else replace(b, labels=gap_read(b.labels)),
    )
    upstream_gaps_read = Kernel("the upstream gradient is read as its contiguous buffer", see=upstream(gap_read))
    weight_gaps_read = Kernel("class weights are read as their contiguous buffer", see=weights(gap_read))
    foreign_bytes = Kernel("a foreign byte order is read as the machine's own", see=logits(as_native))
    foreign_in_single = Kernel(
        "float64 of a foreign byte order is not recognised",
        wide=lambda dtype: np.float64 if dtype == np.float64 else np.float32,
    )


class Form:
    """loss (N,) or (), gradient (N, C), in the logits' dtype or a wider one."""

    single = Kernel(
        "float32 for everything", store=lambda loss, grad, b: (loss.astype(np.float32), grad.astype(np.float32))
    )
    half = Kernel(
        "float16 for everything", store=lambda loss, grad, b: (loss.astype(np.float16), grad.astype(np.float16))
    )
    column = answering(lambda loss, grad: (loss.reshape(-1, 1), grad))
    one_element = answering(lambda loss, grad: (np.atleast_1d(loss), grad))
    squeezed = answering(lambda loss, grad: (np.squeeze(loss), np.squeeze(grad)))
    transposed = answering(lambda loss, grad: (loss, grad.T))
    constant = answering(lambda loss, grad: (np.ones_like(loss), np.zeros_like(grad)))
    summed = answering(lambda loss, grad: (loss.sum(), grad))
    loss_only = answering(lambda loss, grad: (loss, None))
    swapped = answering(lambda loss, grad: (grad, loss))
    python_float = answering(lambda loss, grad: (float(loss.flat[0]), grad))
    half_more = Kernel(
        "every loss is 0.5 too large", row_losses=lambda q, log_p, b: row_losses(q, log_p, b) + b.wide(0.5) * b.kept
    )
    gradient_in_bfloat16 = answering(lambda loss, grad: (loss, grad.astype(ml_dtypes.bfloat16)))
    whole = answering(lambda loss, grad: (np.rint(loss.astype(np.float64)).astype(np.int64), grad))
    ignores_reduction = Kernel("always one loss per row", reduce=lambda x, d, b: x)
    mean_for_none = Kernel("always a mean", reduce=lambda x, d, b: reduce(x, d, replace(b, reduction="mean")))
    base_two = Kernel("in bits, not nats", row_losses=lambda q, log_p, b: row_losses(q, log_p / b.wide(np.log(2)), b))
    smoothed_loss_sign = Kernel("the loss is negative", row_losses=lambda q, log_p, b: -row_losses(q, log_p, b))
    confident_negative = Kernel(
        "a confident row has a loss of -1e-3",
        row_losses=lambda q, log_p, b: (
            row_losses(q, log_p, b) - b.wide(1e-3) * (row_losses(smoothed(b), log_p, b) == 0) * b.kept
        ),
    )
