"""xentcheck_kernels.cross_entropy, loss and gradient in one call, by the rows of each instruction set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.numpy_callable import in_its_dtype
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.poison import poison_small_arrays
from xentcheck_adapters.recipe import Keywords, Recipe, is_bfloat16
from xentcheck_adapters.subject import Precision, Subject

_OPTIONS = ("weight", "ignore_index", "label_smoothing", "z_loss")
_VARIABLE = "XENTCHECK_KERNELS_ISA"

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
    )
    for name in _LANES
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
    import xentcheck_kernels

    name, there = subject.rpartition(".")[2], xentcheck_kernels.kernels()
    if name not in there:
        raise Unavailable(f"this processor, or its compiler, has no {name}; there is {', '.join(there)}")

    def run(call: Call) -> Returned:
        poison_small_arrays((1, len(call.logits), call.logits.size))  # of the results
        results = xentcheck_kernels.cross_entropy(call.logits, call.labels, grad=True, **arguments(call))
        return Returned(*results)

    return run


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


def forced(subject: Subject) -> tuple[str, ...]:
    """The lines that choose the subject's kernel before any other is."""
    return "import os", f'os.environ["{_VARIABLE}"] = "{subject.environment[_VARIABLE]}"'


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "kernels.NAME" as lines."""
    types = ("import ml_dtypes",) if is_bfloat16(call.logits) else ()
    imports = (*types, *forced(subject), "from xentcheck_kernels import cross_entropy")
    upstream = "" if call.upstream is None else f", grad_output={in_its_dtype('upstream', call)}"
    arrays = f"{in_its_dtype('logits', call)}, {in_its_dtype('labels', call)}"
    text = f"cross_entropy({arrays}{keywords(call, in_its_dtype)}, grad=True{upstream})"
    return Recipe(imports, (f"loss, grad = {text}",))
