"""mlx.nn.losses.cross_entropy, with class indices and with class probabilities."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from xentcheck_adapters.call import REDUCTIONS, Array, Call
from xentcheck_adapters.dtypes import BFLOAT16
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.recipe import Keywords, Recipe, is_bfloat16, refuse_procedures
from xentcheck_adapters.subject import ANY_AXIS, Precision, Subject

_OPTIONS = ("sample_weight", "label_smoothing", "grad_labels", "hvp")
# Its documentation: "the CPU reduces in the dtype of the logits"; where there is no vector unit that MLX knows, and it
# knows Apple's only, one element after another (simd::max_size in mlx/backend/cpu/simd/base_simd.h).
# float64 is left out: exp of it is computed in float32, with that one's range (a finding).
_PRECISION = {dtype: Precision("uniform", "lane", 1) for dtype in ("float16", "bfloat16", "float32")}

SUBJECTS = (
    Subject(
        name="mlx",
        adapter="mlx_losses",
        framework="mlx",
        api="mlx.nn.losses.cross_entropy",
        mode="eager",
        requires=("mlx",),
        labels=("index", "dense"),
        precision=_PRECISION,
        dtypes=tuple(_PRECISION),
        options=frozenset(_OPTIONS),
        reductions=REDUCTIONS,
        label_dtypes=("int64", "int32"),
        mean_divides_by={"index": "rows", "dense": "rows"},
        class_axes=ANY_AXIS,
    ),
)


def offered_options(subject: str) -> list[str]:
    """Its arguments, and its derivatives."""
    return list(_OPTIONS)


def versions() -> dict[str, str]:
    """Version of MLX in the worker."""
    import mlx.core as mx

    return {"mlx": mx.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "mlx"."""
    import mlx.core as mx
    from mlx.nn.losses import cross_entropy

    if device != "cpu":
        raise Unavailable(f"this adapter runs MLX on cpu, got device {device!r}")
    mx.set_default_device(mx.cpu)

    def run(call: Call) -> Returned:
        weights = None if call.sample_weight is None else _to_mlx(call.sample_weight)
        given = {"axis": call.class_axis, "label_smoothing": call.label_smoothing, "reduction": call.reduction}

        def loss_of(logits: Any, labels: Any) -> Any:
            return cross_entropy(logits, labels, weights, **given)

        return _evaluate(loss_of, call)

    return run


def _evaluate(loss_of: Callable[[Any, Any], Any], call: Call) -> Returned:
    import mlx.core as mx

    logits, labels, cotangent = (_to_mlx(array) for array in (call.logits, call.labels, call.cotangent()))

    def once(x: Any) -> Any:
        losses, gradients = mx.vjp(lambda x: loss_of(x, labels), [x], [cotangent])
        return losses[0], gradients[0]

    loss, gradient = once(logits)
    results = {"loss": loss, "grad_logits": gradient}
    if call.want_grad_labels:
        results["grad_labels"] = mx.vjp(lambda y: loss_of(logits, y), [labels], [cotangent])[1][0]
    if call.vector is not None:
        results["hvp"] = mx.vjp(lambda x: once(x)[1], [logits], [_to_mlx(call.vector)])[1][0]
    mx.eval(*results.values())
    arrays: dict[str, Any] = {name: _to_numpy(result) for name, result in results.items()}
    return Returned(**arrays)


def _to_mlx(array: Array) -> Any:
    import mlx.core as mx

    array = array.copy()  # it is copied anyhow, and MLX would copy what lies between far rows as well
    if array.dtype == BFLOAT16:
        return mx.array(array.view(np.uint16)).view(mx.bfloat16)
    return mx.array(array, dtype=getattr(mx, array.dtype.name))  # float64 would become float32


def _to_numpy(array: Any) -> Array:
    import mlx.core as mx

    if array.dtype == mx.bfloat16:
        return np.array(array.view(mx.uint16)).view(BFLOAT16)
    return np.array(array)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "mlx" as lines."""
    refuse_procedures(call)
    weights = None if call.sample_weight is None else _text("sample_weight", call)
    axis = None if call.class_axis == -1 else call.class_axis
    given = {"axis": axis, "label_smoothing": call.label_smoothing or None, "reduction": repr(call.reduction)}
    upstream = "mx.ones_like(f(x))" if call.upstream is None else _text("upstream", call)
    lines = [
        f"x, y = {_text('logits', call)}, {_text('labels', call)}",
        f"f = lambda x: cross_entropy(x, y{Keywords({'weights': weights, **given})})",
        f"u = {upstream}",
        "(loss,), (grad,) = mx.vjp(f, [x], [u])",
    ]
    if call.want_grad_labels:
        lines.append(f"g = lambda y: cross_entropy(x, y{Keywords({'weights': weights, **given})})")
        lines.append("grad_labels = mx.vjp(g, [y], [u])[1][0]")
    if call.vector is not None:
        lines.append(f"hvp = mx.vjp(lambda x: mx.vjp(f, [x], [u])[1][0], [x], [{_text('vector', call)}])[1][0]")
    return Recipe(("import mlx.core as mx", "from mlx.nn.losses import cross_entropy"), tuple(lines))


def _text(name: str, call: Call) -> str:
    array = getattr(call, name)
    dtype = "bfloat16" if is_bfloat16(array) else array.dtype.name
    return f"mx.array({name}, mx.{dtype})"
