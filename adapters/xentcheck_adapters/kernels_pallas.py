"""The Pallas kernels of xentcheck-kernels: on a GPU, and on the CPU as Pallas interprets them."""

from __future__ import annotations

import functools
from typing import Any, Callable

from xentcheck_adapters import jax_autodiff, jax_recipe
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import Keywords, LossText, Recipe
from xentcheck_adapters.subject import Precision, Subject

_OPTIONS = ("weight", "ignore_index", "label_smoothing", "z_loss", "hvp")

SUBJECTS = (
    Subject(
        name="kernels.pallas",
        adapter="kernels_pallas",
        framework="pallas",
        api="xentcheck_kernels.pallas_loss.cross_entropy",
        mode="eager",
        requires=("jax", "xentcheck_kernels"),
        labels=("index",),
        # All in float32 (float64 for itself), rounded once; lanes add up blocks, and a tree the lanes
        precision={dtype: Precision("wide", "pairwise", row_sums="wide") for dtype in FLOAT_DTYPES},
        options=frozenset(_OPTIONS),
        procedures=frozenset({"twice", "no-grad", "jvp", "reverse-over-reverse"}),
        reductions=REDUCTIONS,
        label_dtypes=("int32", "int64"),
        devices=("cpu", "cuda"),
        mean_divides_by={"index": "weights"},
        largest_rows=4097,
        largest_classes=50257,
        retraces=True,
        slow_traces=True,
        environment=jax_autodiff.ENVIRONMENT,
        dtype_environment=jax_autodiff.DTYPE_ENVIRONMENT,
    ),
)


def offered_options(subject: str) -> list[str]:
    """The optional arguments of cross_entropy; its gradient refuses to be differentiated."""
    return list(_OPTIONS)


def versions() -> dict[str, str]:
    """Version of jax in the worker."""
    import jax

    return {"jax": jax.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "kernels.pallas"; Unavailable without the device."""
    from xentcheck_kernels.pallas_loss import cross_entropy

    place = jax_autodiff.open_device(device)

    def run(call: Call) -> Returned:
        loss = functools.partial(cross_entropy, **_arguments(call, place))
        return jax_autodiff.evaluate(jax_autodiff.gradient_step(loss), call, place)

    return run


def _arguments(call: Call, device: Any) -> dict[str, Any]:
    import jax

    given: dict[str, Any] = {
        "reduction": call.reduction,
        "label_smoothing": call.label_smoothing,
        "z_loss": call.z_loss,
    }
    if call.weight is not None:
        given["weight"] = jax.device_put(call.weight, device)
    if call.ignore_index is not None:
        given["ignore_index"] = call.ignore_index
    return given


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "kernels.pallas" as lines."""
    given = Keywords(
        {
            "weight": None if call.weight is None else jax_recipe.array("weight", call),
            "ignore_index": call.ignore_index,
            "label_smoothing": call.label_smoothing or None,
            "z_loss": call.z_loss or None,
            "reduction": f'"{call.reduction}"',
        }
    )
    imports = ("from xentcheck_kernels.pallas_loss import cross_entropy",)
    return jax_recipe.vjp(LossText(f"cross_entropy(x, y{given})", call, imports=imports))
