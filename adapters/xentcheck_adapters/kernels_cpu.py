"""xentcheck_kernels.cross_entropy, loss and gradient in one call, by the rows of each instruction set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable

import numpy as np

from xentcheck_adapters import callables
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

_VECTOR_BYTES = {"avx512": 64, "avx2": 32, "portable": 16}
# Running sums of float64 that a kernel keeps of a row of labels, the smallest number of them.
_LANES = {"avx512": 16, "avx2": 8, "portable": 4}


def _precision(kernel: str) -> dict[str, Precision]:
    """Arithmetic in float32, few values at a time added up in it, and those in float64; 16 bits are rounded once."""
    widened = {dtype: Precision("wide", "pairwise", row_sums="wide") for dtype in FLOAT_DTYPES}
    return {**widened, "float64": Precision("wide", "lane", _LANES[kernel])}


def described(name: str, adapter: str, kernel: str, environment: Mapping[str, str], **details: Any) -> Subject:
    """The subject of a door to a kernel: what they all have in common, and what its adapter says of it."""
    return Subject(
        name=f"kernels.{name}",
        adapter=adapter,
        framework="kernels",
        mode="eager",
        labels=("index", "dense"),
        precision=_precision(kernel),
        reductions=REDUCTIONS,
        label_dtypes=("int64", "int32"),
        environment={**environment, _VARIABLE: kernel},
        options=frozenset(_OPTIONS),
        mean_divides_by={"index": "weights", "dense": "rows"},
        zero_times_inf="zero",
        **details,
    )


SUBJECTS = tuple(
    described(
        name,
        "kernels_cpu",
        name,
        {},
        api="xentcheck_kernels.cross_entropy",
        requires=("numpy", "ml_dtypes", "xentcheck_kernels", "xentcheck_kernels._cpu"),
        timed=True,
        vector_bytes=width,
    )
    for name, width in _VECTOR_BYTES.items()
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


def choose_freely() -> None:
    """Have the kernels take the fastest rows that there are, whatever those are that the subject is judged on."""
    os.environ.pop(_VARIABLE, None)


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


def keywords(subject: Subject, call: Call, write: Callable[[str, Call], str]) -> Keywords:
    """The options that a call asks for, as text; `write` gives the text of the call's array of a name."""
    return Keywords({**callables.keywords(subject, call, write), callables.REDUCTION: repr(call.reduction)})


def forced(subject: Subject) -> tuple[str, ...]:
    """The lines that choose the subject's kernel before any other is."""
    return "import os", f'os.environ["{_VARIABLE}"] = "{subject.environment[_VARIABLE]}"'


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "kernels.NAME" as lines."""
    types = ("import ml_dtypes",) if is_bfloat16(call.logits) else ()
    imports = (*types, *forced(subject), "from xentcheck_kernels import cross_entropy")
    upstream = "" if call.upstream is None else f", grad_output={in_its_dtype('upstream', call)}"
    arrays = f"{in_its_dtype('logits', call)}, {in_its_dtype('labels', call)}"
    text = f"cross_entropy({arrays}{keywords(subject, call, in_its_dtype)}, grad=True{upstream})"
    return Recipe(imports, (f"loss, grad = {text}",))
