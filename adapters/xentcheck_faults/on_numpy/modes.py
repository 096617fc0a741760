"""Mistakes with state: what an earlier call has left, decided or raced for."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from xentcheck_faults.on_numpy.kernel import Array, Batch, Kernel, maximum, reduce

honest = Kernel("no fault: what the faults of this part are made around")


def frozen(key: Callable[[Array], Any]) -> Callable[..., Any]:
    """Whether the upstream gradient is all ones is decided by the first call of a key, and never again."""
    decided: dict[Any, bool] = {}

    def kernel(logits: Array, labels: Array, *, grad_output: Array | None = None, **options: Any) -> Any:
        ones = decided.setdefault(key(logits), grad_output is None or bool((grad_output == 1).all()))
        return honest(logits, labels, grad_output=None if ones else grad_output, **options)

    return kernel


def one_call_behind() -> Callable[..., Any]:
    """What is returned is the answer of the call before, if it had the same shapes."""
    before: dict[Any, Any] = {}

    def kernel(logits: Array, labels: Array, *, reduction: str = "mean", **options: Any) -> Any:
        key, answer = (
            (logits.shape, labels.shape, logits.dtype, reduction),
            honest(logits, labels, reduction=reduction, **options),
        )
        late, before[key] = before.get(key, answer), answer
        return late

    return kernel


def last_answer() -> Callable[..., Any]:
    """One answer is kept, for the next call with the same logits and labels."""
    kept: dict[Any, Any] = {}

    def kernel(logits: Array, labels: Array, *, reduction: str = "mean", **options: Any) -> Any:
        key = (logits.tobytes(), labels.tobytes(), labels.shape, logits.shape, logits.dtype.name, reduction)
        if key not in kept:
            kept.clear()
            kept[key] = honest(logits, labels, reduction=reduction, **options)
        return kept[key]

    return kernel


def accumulating() -> Callable[..., Any]:
    """Gradients are added to a buffer that nobody clears."""
    buffers: dict[Any, Array] = {}

    def kernel(logits: Array, labels: Array, **options: Any) -> Any:
        loss, grad = honest(logits, labels, **options)
        key = (grad.shape, grad.dtype)
        buffers[key] = grad if key not in buffers else buffers[key] + grad
        return loss, buffers[key].copy()

    return kernel


def unwritten() -> Callable[..., Any]:
    """Ignored rows are not written: what the workspace held stays in them."""
    workspace = np.zeros(1 << 20)

    def kernel(logits: Array, labels: Array, *, ignore_index: int = -100, **options: Any) -> Any:
        loss, grad = honest(logits, labels, ignore_index=ignore_index, **options)
        if labels.ndim != 1 or grad.size > workspace.size:
            return loss, grad
        buffer = workspace[: grad.size].reshape(grad.shape)
        kept = labels != ignore_index
        buffer[kept] = grad[kept]
        return loss, buffer.astype(grad.dtype)

    return kernel


class EveryThird:
    """Happens at every third call, as a race does now and then."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self) -> bool:
        self._calls += 1
        return self._calls % 3 == 0


def shuffled() -> Callable[[Array, Any, Batch], Array]:
    """A sum whose order another draw decides each time."""
    orders = np.random.default_rng(0)

    def reduced(losses: Array, divisor: Any, b: Batch) -> Array:
        if b.reduction == "none":
            return losses
        return reduce(np.cumsum(losses[orders.permutation(b.rows)])[-1:], divisor, b)

    return reduced


def stale_maximum() -> Callable[[Array], Array]:
    """A long row is sometimes shifted by the maximum of the row before, for want of a barrier."""
    raced = EveryThird()
    return lambda x: np.roll(maximum(x), 1, axis=0) if x.shape[1] > 1024 and raced() else maximum(x)


def last_block_missing() -> Callable[[Array, Any, Batch], Array]:
    """A sum over the rows is sometimes read before the last block of 32 has been added."""
    raced = EveryThird()

    def reduced(losses: Array, divisor: Any, b: Batch) -> Array:
        early = b.reduction != "none" and b.rows > 32 and raced()
        return reduce(losses[: (b.rows - 1) // 32 * 32] if early else losses, divisor, b)

    return reduced


class Modes:
    """An answer depends on nothing but its call."""

    upstream_frozen = staticmethod(frozen(lambda x: (x.shape, x.dtype)))
    upstream_frozen_for_all = staticmethod(frozen(lambda x: None))
    one_call_behind = staticmethod(one_call_behind())
    last_answer = staticmethod(last_answer())
    gradients_accumulate = staticmethod(accumulating())
    ignored_rows_unwritten = staticmethod(unwritten())
    shuffled_sum = Kernel("a sum over rows in another order each time", reduce=shuffled())
    stale_maximum = Kernel("past 1024 classes every third maximum is the row's before", maximum=stale_maximum())
    last_block_missing = Kernel("every third sum over more than 32 rows lacks its end", reduce=last_block_missing())
