"""torch.nn.functional.cross_entropy, eager and compiled, with class indices and with class probabilities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

from xentcheck_adapters import torch_autodiff, torch_procedures, torch_recipe, torch_timing
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Precision, Subject
from xentcheck_adapters.workload import Repeat, Workload

_FIXED = "fixed shapes"
_OPTIONS = ("weight", "ignore_index", "label_smoothing", "grad_labels", "hvp")

# SoftMaxKernel.cpp accumulates in SIMD lanes of float (double) and stores log-softmax in the logits' dtype.
EAGER = {dtype: Precision("stored", "lane", 4 if dtype == "float64" else 8) for dtype in FLOAT_DTYPES}
# Inductor forms the loss in float32 throughout, but its backward graph too reads a log-softmax stored in the dtype. And
# it vectorises the backward sum of a row's label gradients over the rows (TORCH_LOGS=output_code shows the loop), so
# each row has one running sum: 1025 equal terms of label smoothing err 1.1 times what eight lanes may.
_COMPILED = {dtype: Precision("stored", "lane", 1) for dtype in FLOAT_DTYPES}
ENVIRONMENT = {
    # A parallel kernel that meets a bad label kills its process, a serial one raises. Which of the two inductor makes
    # depends on the first shape it saw, in this run or in its cache on disk; so make all of them parallel.
    "OMP_NUM_THREADS": "2",
    "TORCHINDUCTOR_CPP_DYNAMIC_THREADS": "1",
    # Waiting threads sleep: where other workers hold the cores, a spinning one costs 30 ms a call.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Compile in the worker's own process: a pool of compilers costs its start and would outlive a crash.
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}


def _subject(mode: str, **details: Any) -> Subject:
    return Subject(
        name=f"torch.{mode}",
        adapter="torch_cross_entropy",
        framework="torch",
        api="torch.nn.functional.cross_entropy",
        mode=mode,
        requires=("torch",),
        labels=("index", "dense"),
        options=frozenset(_OPTIONS),
        reductions=REDUCTIONS,
        devices=("cpu", "cuda"),
        mean_divides_by={"index": "weights", "dense": "rows"},
        class_axes=(1,),
        timed=True,
        environment=ENVIRONMENT,
        **details,
    )


SUBJECTS = (
    # uint8 labels are taken as well, but not together with label_smoothing, where gather() refuses them
    _subject(
        "eager",
        label_dtypes=("int64",),
        precision=EAGER,
        procedures=frozenset(torch_procedures.OF_EAGER),
        other_threads={"OMP_NUM_THREADS": "1"},
    ),
    _subject(
        "compile",
        label_dtypes=("int64", "int32"),
        precision=_COMPILED,
        procedures=frozenset({*torch_procedures.OF_COMPILED, _FIXED}),
        mode_twin="torch.eager",
        retraces=True,
        slow_traces=True,
    ),
)


def offered_options(subject: str) -> list[str]:
    """The optional arguments of cross_entropy, and its derivatives."""
    return list(_OPTIONS)


def versions() -> dict[str, str]:
    """Version of torch in the worker."""
    import torch

    return {"torch": torch.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "torch.eager" or "torch.compile"; Unavailable without the device."""
    place = torch_autodiff.open_device(device)
    compiled = subject == "torch.compile"
    function, of_fixed_shapes = (_compiled(), _compiled(dynamic=False)) if compiled else (_eager(), _eager())

    def run(call: Call) -> Returned:
        given, asked = arguments(call, place), function
        if call.procedure == _FIXED:
            call, asked = replace(call, procedure="reverse"), of_fixed_shapes
        return torch_autodiff.evaluate(lambda logits, labels: asked(logits, labels, **given), call, place)

    return run


def timed(subject: str, workload: Workload) -> Repeat:
    """The same functions; the compiled one for the one shape that is timed, with as many threads as it is told."""
    if subject == "torch.eager":
        return torch_timing.timed(_eager(), workload)
    import torch._dynamo as dynamo
    import torch._inductor.config as inductor

    dynamo.reset()
    inductor.cpp.dynamic_threads = False
    return torch_timing.timed(_compiled(dynamic=False), workload)


def arguments(call: Call, device: Any) -> dict[str, Any]:
    """The keyword arguments of cross_entropy that a call asks for."""
    given: dict[str, Any] = {"reduction": call.reduction}
    if call.label_smoothing:
        given["label_smoothing"] = call.label_smoothing
    if call.weight is not None:
        given["weight"] = torch_autodiff.to_tensor(call.weight, device)
    if call.ignore_index is not None:
        given["ignore_index"] = call.ignore_index
    return given


def _eager() -> Any:
    import torch

    return torch.nn.functional.cross_entropy


def _compiled(*, dynamic: bool = True) -> Any:
    import torch
    import torch._dynamo as dynamo

    for name, limit in torch_autodiff.unlimited_recompilation().items():
        setattr(dynamo.config, name, limit)
    # A function that calls it: one of torch's own is refused by torch 2.6, and run uncompiled by 2.9, without a word.
    function = _eager()
    return torch.compile(lambda logits, labels, **given: function(logits, labels, **given), dynamic=dynamic)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "torch.eager" or "torch.compile" as lines."""
    is_compiled = subject.name == "torch.compile"
    setup = ("compiled = torch.compile(lambda *a, **k: F.cross_entropy(*a, **k), dynamic=True)",) if is_compiled else ()
    text = f"{'compiled' if is_compiled else 'F.cross_entropy'}(x, y{torch_recipe.keywords(call)})"
    return torch_recipe.autograd(LossText(text, call, setup, (torch_recipe.FUNCTIONAL,)))
