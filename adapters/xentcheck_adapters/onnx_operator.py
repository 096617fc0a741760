"""The ONNX operator SoftmaxCrossEntropyLoss, evaluated by ONNX' own reference and by ONNX Runtime; it has no
gradient."""

from __future__ import annotations

import functools
from typing import Callable

import numpy as np

from xentcheck_adapters.call import REDUCTIONS, Array, Call
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.recipe import Recipe
from xentcheck_adapters.subject import Precision, Subject

# The oldest ones that have the operator as it is: a runtime refuses newer ones than its own
_OPSET, _IR_VERSION = 13, 7
_OPTIONS = ("weight", "ignore_index")
_TYPES = {"float32": "float", "float64": "double"}  # where ONNX does not say as NumPy does
_NAMES = {"x": "logits", "y": "labels", "w": "weight"}

Model = Callable[[dict[str, Array]], Array]


def _subject(name: str, api: str, requires: tuple[str, ...], precision: dict[str, Precision]) -> Subject:
    return Subject(
        name=name,
        adapter="onnx_operator",
        framework=name,
        api=api,
        mode="eager",
        requires=requires,
        labels=("index",),
        precision=precision,
        dtypes=tuple(precision),
        options=frozenset(_OPTIONS),
        reductions=REDUCTIONS,
        label_dtypes=("int64", "int32"),
        differentiable=False,
        mean_divides_by={"index": "weights"},
        class_axes=(1,),
    )


SUBJECTS = (
    _subject(
        "onnx",
        "onnx.reference.ReferenceEvaluator: SoftmaxCrossEntropyLoss",
        ("onnx",),
        # NumPy in the dtype. float16 is left out: the logarithm is taken of a softmax (see the ledger), which has lost
        # digits of float16 from a loss of 10 on.
        {dtype: Precision("uniform", "pairwise") for dtype in ("float32", "float64")},
    ),
    _subject(
        "onnxruntime",
        "onnxruntime.InferenceSession: SoftmaxCrossEntropyLoss",
        ("onnx", "onnxruntime"),
        {dtype: Precision("wide", "lane", 4) for dtype in ("float32", "float64")},
    ),
)


def offered_options(subject: str) -> list[str]:
    """The operator's third input, and its attribute."""
    return list(_OPTIONS)


def versions() -> dict[str, str]:
    """Versions of onnx, and of onnxruntime where it is installed."""
    import importlib.metadata
    import importlib.util

    packages = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name)]
    return {name: importlib.metadata.version(name) for name in packages}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "onnx" or "onnxruntime"."""
    if device != "cpu":
        raise Unavailable(f"this adapter runs {subject} on cpu, got device {device!r}")
    evaluate = functools.cache({"onnx": _reference, "onnxruntime": _runtime}[subject])
    return lambda call: Returned(np.asarray(evaluate(_model(call))(_inputs(call))))


def _inputs(call: Call) -> dict[str, Array]:
    weight = {} if call.weight is None else {"w": call.weight}
    return {"x": call.logits, "y": call.labels, **weight}


def _model(call: Call) -> str:
    """A graph of the one operator, for inputs of any sizes, in ONNX' own notation; the loss has the logits' dtype."""
    inputs = {name: _tensor(name, array.dtype.name, array.ndim) for name, array in _inputs(call).items()}
    loss = _tensor("loss", call.logits.dtype.name, call.labels.ndim if call.reduction == "none" else 0)
    ignored = "" if call.ignore_index is None else f", ignore_index = {call.ignore_index}"
    node = f'SoftmaxCrossEntropyLoss <reduction = "{call.reduction}"{ignored}> ({", ".join(inputs)})'
    head = f'<ir_version: {_IR_VERSION}, opset_import: ["" : {_OPSET}]>'
    return f"{head} g ({', '.join(inputs.values())}) => ({loss}) {{ loss = {node} }}"


def _tensor(name: str, dtype: str, dimensions: int) -> str:
    sizes = ", ".join(f"{name}{axis}" for axis in range(dimensions))
    return f"{_TYPES.get(dtype, dtype)}{f'[{sizes}]' if sizes else ''} {name}"


def _reference(model: str) -> Model:
    from onnx import parser
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(parser.parse_model(model))
    return lambda arrays: evaluator.run(None, arrays)[0]


def _runtime(model: str) -> Model:
    import onnxruntime
    from onnx import parser

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it refuses is raised as well
    options.intra_op_num_threads = 1  # lest bits depend on the machine's cores
    text = parser.parse_model(model).SerializeToString()
    session = onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])
    return lambda arrays: session.run(None, arrays)[0]


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "onnx" or "onnxruntime" as lines."""
    given = ", ".join(f"{short!r}: {name}" for short, name in _NAMES.items() if short in _inputs(call))
    model = f"model = parser.parse_model({_model(call)!r})"
    evaluator, imported = "ReferenceEvaluator(model)", "from onnx.reference import ReferenceEvaluator"
    if subject.name == "onnxruntime":
        evaluator, imported = "onnxruntime.InferenceSession(model.SerializeToString())", "import onnxruntime"
    return Recipe(("from onnx import parser", imported), (model, f"(loss,) = {evaluator}.run(None, {{{given}}})"))
