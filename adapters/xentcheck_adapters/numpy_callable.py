"""NumPy functions: the built-in one, and any callable of the same signature named `numpy:MODULE_OR_FILE:QUALNAME`.

    fn(logits, labels, *, weight=None, sample_weight=None, ignore_index=-100, label_smoothing=0.0, z_loss=0.0,
       softcap=None, reduction="mean", grad_output=None) -> (loss, grad_logits)

Keyword parameters that a function lacks are options it does not offer.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from xentcheck_adapters.call import REDUCTIONS, Array, Call
from xentcheck_adapters.callables import (
    OPTIONS,
    REDUCTION,
    Function,
    arguments,
    keywords,
    offered_of,
    parameters_of,
    signature_of,
    stranger,
)
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.loading import load
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.poison import poison_small_arrays
from xentcheck_adapters.recipe import Keywords, Recipe, imported, is_bfloat16
from xentcheck_adapters.subject import Precision, Subject
from xentcheck_adapters.workload import Repeat, Workload, repeated

BUILT_IN = "numpy"
_GRAD_OUTPUT = "grad_output"
_LABEL_DTYPES = ("int64", "int32")

SUBJECTS = (
    Subject(
        name=BUILT_IN,
        adapter="numpy_callable",
        framework="numpy",
        api="xentcheck_adapters.numpy_cross_entropy.cross_entropy",
        mode="eager",
        requires=("numpy", "ml_dtypes"),
        labels=("index", "dense"),
        precision={dtype: Precision("wide", "pairwise", row_sums="wide") for dtype in FLOAT_DTYPES},
        options=frozenset(OPTIONS),
        reductions=REDUCTIONS,
        label_dtypes=_LABEL_DTYPES,
        mean_divides_by={"index": "weights", "dense": "sample_weights"},
        zero_times_inf="zero",
    ),
)


def subject_from_spec(spec: str) -> Subject:
    """The subject of `numpy:MODULE_OR_FILE:QUALNAME`; ValueError if the spec has another form."""
    return stranger(
        spec,
        adapter="numpy_callable",
        framework="numpy",
        requires=("numpy",),
        dtype_requires={"bfloat16": ("ml_dtypes",)},
        options=frozenset(OPTIONS),  # a function that computes its gradient itself has no other derivatives
        label_dtypes=_LABEL_DTYPES,
    )


def load_function(subject: str) -> Function:
    """The function that a subject names; Unavailable, with what is there, if it is not found."""
    if subject == BUILT_IN:
        from xentcheck_adapters.numpy_cross_entropy import cross_entropy

        return cross_entropy
    return load(subject)  # type: ignore[no-any-return]


def _accepted(function: Function) -> frozenset[str]:
    return parameters_of(function, (*OPTIONS, REDUCTION, _GRAD_OUTPUT))


def offered_options(subject: str) -> list[str]:
    """The options among the signature's keyword parameters."""
    return offered_of(_accepted(load_function(subject)), derivatives=())


def found(subject: str, device: str) -> dict[str, list[str]]:
    """Which arguments it has that say how a call is read and its loss returned."""
    return {"signature": signature_of(_accepted(load_function(subject)), _GRAD_OUTPUT)}


def versions() -> dict[str, str]:
    """Version of NumPy in the worker."""
    return {"numpy": np.__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for the named function."""
    if device != "cpu":
        raise Unavailable(f"NumPy runs on cpu, got device {device!r}")
    function = load_function(subject)
    accepted = _accepted(function)
    missing = sorted({REDUCTION, _GRAD_OUTPUT} - accepted)
    if missing:
        raise Unavailable(f"{subject} must take the keyword arguments {', '.join(missing)}; others are optional")

    def run(call: Call) -> Returned:
        given = arguments(call, accepted, np.asarray)
        poison_small_arrays((1, len(call.logits), call.logits.size))  # of the results
        return Returned(*_loss_and_gradient(function(call.logits, call.labels, grad_output=call.upstream, **given)))

    return run


def timed(subject: str, workload: Workload) -> Repeat:
    """The named function, which makes loss and gradient whatever is asked for."""
    function, (logits, labels) = load_function(subject), workload.arrays()
    return repeated(lambda: function(logits, labels, reduction="mean", grad_output=None))


def _loss_and_gradient(answer: Any) -> tuple[Array, Array]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise TypeError(f"the function must return (loss, grad_logits), got {type(answer).__name__}")
    loss, gradient = answer
    return np.asarray(loss), np.asarray(gradient)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of the named function as lines."""
    api = subject.api if ":" in subject.api else ":".join(subject.api.rsplit(".", 1))
    imports, function = imported(api)
    given = {
        **keywords(subject, call, in_its_dtype),
        REDUCTION: repr(call.reduction),
        _GRAD_OUTPUT: None if call.upstream is None else in_its_dtype("upstream", call),
    }
    if is_bfloat16(call.logits):
        imports = ("import ml_dtypes", *imports)
    text = f"{function}({in_its_dtype('logits', call)}, {in_its_dtype('labels', call)}{Keywords(given)})"
    return Recipe(imports, (f"loss, grad = {text}",))


def in_its_dtype(name: str, call: Call) -> str:
    """The call's array of that name, in its dtype."""
    return f"{name}.astype(ml_dtypes.bfloat16)" if is_bfloat16(getattr(call, name)) else name
