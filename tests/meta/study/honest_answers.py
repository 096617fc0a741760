"""Honest answers for the study: the variants of `xentcheck_faults` and whichever frameworks can be imported here, each
with the precision it declares. Frameworks run in this process: nothing here can crash, and it is faster."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xentcheck_adapters import Call, Precision, Returned
from xentcheck_adapters.registry import adapter_module, built_in_subjects
from xentcheck_faults.on_numpy import honest

Run = Callable[[Call], Returned]
NUMPY = built_in_subjects()["numpy"]
UNKNOWN: Mapping[str, Precision] = adapter_module("numpy_callable").subject_from_spec("numpy:nobody:knows").precision


@dataclass(frozen=True)
class Honest:
    """Who answers, with which precision, and to which kinds of batches."""

    name: str
    precision: Precision
    run: Run
    kinds: tuple[str, ...]
    framework: bool = False


def numpy_run(function: Callable[..., Any]) -> Run:
    """A runner for a NumPy function of the usual signature."""

    def run(call: Call) -> Returned:
        options: dict[str, Any] = {"label_smoothing": call.label_smoothing, "reduction": "none"}
        if call.z_loss:
            options["z_loss"] = call.z_loss
        return Returned(*function(call.logits, call.labels, **options))

    return run


_PAIRWISE = Precision("wide", "pairwise")
_SEQUENTIAL = Precision("wide", "lane", 1)
_ROUNDED = Precision("uniform", "pairwise")
_VARIANTS = {
    "wide": _PAIRWISE,
    "sequential_sum": _SEQUENTIAL,
    "every_operation_rounded": _ROUNDED,
    "double_inside": _PAIRWISE,
    "softmax_by_reciprocal": _PAIRWISE,
    "exp_of_log_softmax": _PAIRWISE,
    "exp2_log2": _PAIRWISE,
    "online_128": _SEQUENTIAL,
}
# The options' own roundings are the same in all variants.
_WITH_OPTIONS = ("wide", "sequential_sum", "every_operation_rounded")
_FRAMEWORKS = (
    ("torch", "torch.eager", ("index", "smoothed", "mass")),
    ("tensorflow", "tf.sparse.eager", ("index",)),
    ("tensorflow", "tf.dense.eager", ("soft",)),
    ("optax", "optax.dense.jit", ("soft", "mass")),
)


def honest_answers(dtype: str, frameworks: bool = True) -> list[Honest]:
    """All that can run here."""
    narrow = dtype in ("float16", "bfloat16")
    variants = [
        Honest(name, precision, numpy_run(getattr(honest, name)), _kinds(name))
        for name, precision in _VARIANTS.items()
        if narrow or precision is not _ROUNDED  # in wider dtypes it is the plain kernel
    ]
    return [*variants, *(_frameworks(dtype) if frameworks else ())]


def _kinds(name: str) -> tuple[str, ...]:
    return ("index", "smoothed", "mass", "z-loss") if name in _WITH_OPTIONS else ("index",)


def _frameworks(dtype: str) -> Iterator[Honest]:
    subjects = built_in_subjects()
    for module, name, kinds in _FRAMEWORKS:
        if importlib.util.find_spec(module):
            subject = subjects[name]
            os.environ |= {**subject.environment, **subject.dtype_environment.get("float64", {})}
            run = adapter_module(subject.adapter).open_subject(name, "cpu")
            yield Honest(name, subject.precision[dtype], run, kinds, framework=True)
