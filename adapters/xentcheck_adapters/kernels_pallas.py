"""The Pallas kernels of xentcheck-kernels: on a GPU, and on the CPU as Pallas interprets them."""

from __future__ import annotations

from typing import Callable

from xentcheck_adapters import jax_autodiff, kernels_jax
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import Recipe
from xentcheck_adapters.subject import Precision, Subject

_OPTIONS = ("weight", "ignore_index", "label_smoothing", "z_loss", "hvp")

SUBJECTS = (
    Subject(
        name="kernels.pallas",
        adapter="kernels_pallas",
        framework="jax",
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


versions = kernels_jax.versions


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "kernels.pallas"; Unavailable without the device."""
    from xentcheck_kernels.pallas_loss import cross_entropy

    return kernels_jax.runner(cross_entropy, device)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "kernels.pallas" as lines."""
    return kernels_jax.written(subject, call, ("from xentcheck_kernels.pallas_loss import cross_entropy",))
