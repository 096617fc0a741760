"""xentcheck_kernels.cross_entropy, loss and gradient in one call, by the rows of each instruction set."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.numpy_callable import in_its_dtype
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.poison import poison_small_arrays
from xentcheck_adapters.recipe import Keywords, Recipe, is_bfloat16
from xentcheck_adapters.subject import Precision, Subject
from xentcheck_adapters.workload import Repeat, Workload, repeated

_OPTIONS = ("weight", "ignore_index", "label_smoothing", "z_loss")
_VARIABLE = "XENTCHECK_KERNELS_ISA"

# Arithmetic in float32, sums of few values in it and of those in float64; the loss of 16-bit logits stays float32.
PRECISION = {dtype: Precision("wide", "pairwise", row_sums="wide") for dtype in FLOAT_DTYPES}


def described(name: str, adapter: str, **details: Any) -> Subject:
    """The subject of a door to the kernels: what they all have in common, and what its adapter says of it."""
    return Subject(
        name=f"kernels.{name}",
        adapter=adapter,
        framework="kernels",
        mode="eager",
        labels=("index", "dense"),
        precision=PRECISION,
        reductions=REDUCTIONS,
        label_dtypes=("int64", "int32"),
        mean_divides_by={"index": "weights", "dense": "rows"},
        zero_times_inf="zero",
        **{"options": frozenset(_OPTIONS), **details},
    )


SUBJECTS = tuple(
    described(
        name,
        "kernels_cpu",
        api="xentcheck_kernels.cross_entropy",
        requires=("numpy", "ml_dtypes", "xentcheck_kernels", "xentcheck_kernels._cpu"),
        environment={_VARIABLE: name},
        timed=True,
        vector_bytes=width,
    )
    for name, width in (("avx512", 64), ("avx2", 32), ("portable", 16))
)


def offered_options(subject: str) -> list[str]:
    """The arguments of cross_entropy."""
    return list(_OPTIONS)


def versions() -> dict[str, str]:
    """Version of the kernels."""
    import xentcheck_kernels

    return {"xentcheck_kernels": xentcheck_kernels.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "kernels.NAME"; Unavailable where the processor lacks the instructions."""
    cross_entropy = _loaded(subject)

    def run(call: Call) -> Returned:
        poison_small_arrays((1, len(call.logits), call.logits.size))  # of the results
        results = cross_entropy(call.logits, call.labels, grad=True, **arguments(call))
        return Returned(*results)

    return run


def _loaded(subject: str) -> Callable[..., Any]:
    """The function, of the kernel that the environment asks for; Unavailable where the processor lacks it."""
    import xentcheck_kernels

    name, there = subject.rpartition(".")[2], xentcheck_kernels.kernels()
    if name not in there:
        raise Unavailable(f"this processor, or its compiler, has no {name}; there is {', '.join(there)}")
    return xentcheck_kernels.cross_entropy


def timed(subject: str, workload: Workload) -> Repeat:
    """The loss, or loss and gradient in one call; warm results go where the caller has a place for them."""
    cross_entropy = _loaded(subject)
    logits, labels = workload.arrays()
    results: dict[str, Any] = {"grad": True} if workload.gradient else {}
    if workload.warm:
        results = {name: np.empty_like(logits) for name in results}
        results["out"] = np.empty((), np.float64 if workload.dtype == "float64" else np.float32)
    return repeated(lambda: cross_entropy(logits, labels, threads=workload.threads, **results))


def arguments(call: Call) -> dict[str, Any]:
    """The keyword arguments that a call asks for."""
    given: dict[str, Any] = {name: getattr(call, name) for name in ("label_smoothing", "z_loss", "reduction")}
    if call.ignore_index is not None:
        given["ignore_index"] = call.ignore_index
    return {**given, "weight": call.weight, "grad_output": call.upstream}


def keywords(call: Call, write: Callable[[str, Call], str]) -> Keywords:
    """The options that a call asks for, as text; `write` gives the text of the call's array of a name."""
    return Keywords(
        {
            "weight": None if call.weight is None else write("weight", call),
            "ignore_index": call.ignore_index,
            "label_smoothing": call.label_smoothing or None,
            "z_loss": call.z_loss or None,
            "reduction": repr(call.reduction),
        }
    )


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "kernels.NAME" as lines."""
    forced = ("import os", f'os.environ["{_VARIABLE}"] = "{subject.environment[_VARIABLE]}"')
    types = ("import ml_dtypes",) if is_bfloat16(call.logits) else ()
    imports = (*types, *forced, "from xentcheck_kernels import cross_entropy")
    upstream = "" if call.upstream is None else f", grad_output={in_its_dtype('upstream', call)}"
    arrays = f"{in_its_dtype('logits', call)}, {in_its_dtype('labels', call)}"
    text = f"cross_entropy({arrays}{keywords(call, in_its_dtype)}, grad=True{upstream})"
    return Recipe(imports, (f"loss, grad = {text}",))
