"""TensorFlow callables named `tf:MODULE_OR_FILE:QUALNAME`.

    fn(logits, labels, *, axis=-1, weight=None, sample_weight=None, ignore_index=-100, label_smoothing=0.0, z_loss=0.0,
       softcap=None, reduction="mean") -> loss                      # a GradientTape differentiates it

Keyword parameters that a signature lacks are options it does not offer; without `reduction` it returns a loss per row.
A function with a parameter `labels` before one `logits` is given the labels first, as those of tf.nn are. It is called
as it is written: a tf.function stays one, and nothing is made one.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import Any, Callable

from xentcheck_adapters import callables, tensorflow_autodiff, tensorflow_nn, tensorflow_procedures, tensorflow_recipe
from xentcheck_adapters.call import Call
from xentcheck_adapters.callables import (
    OPTIONS,
    REDUCTION,
    arguments,
    keywords,
    offered_of,
    parameters_of,
    signature_of,
    stranger,
)
from xentcheck_adapters.loading import load
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import Keywords, LossText, Recipe, imported
from xentcheck_adapters.subject import TENSORFLOW_AXES, Subject

PRECISION = {
    dtype: replace(precision, underflow=tensorflow_autodiff.UNDERFLOW)
    for dtype, precision in callables.PRECISION.items()
}
_LABELS_FIRST = "labels first"  # in a signature


def subject_from_spec(spec: str) -> Subject:
    """The subject of `tf:MODULE_OR_FILE:QUALNAME`; ValueError if the spec has another form."""
    return stranger(
        spec,
        adapter="tensorflow_callable",
        framework="tensorflow",
        requires=("tensorflow",),
        precision=PRECISION,
        procedures=frozenset(tensorflow_procedures.OF_STRANGERS),
        label_dtypes=("int64", "int32"),
        devices=("cpu", "cuda"),
        class_axes=TENSORFLOW_AXES,
        environment=tensorflow_autodiff.ENVIRONMENT,
    )


versions = tensorflow_nn.versions


def offered_options(subject: str) -> list[str]:
    """The options among the signature's parameters, and the derivatives that a tape can be asked for."""
    return offered_of(_accepted(subject))


def found(subject: str, device: str) -> dict[str, list[str]]:
    """Which arguments it has that say how a call is read and its loss returned."""
    return {"signature": [*signature_of(_accepted(subject)), *([_LABELS_FIRST] if _has_labels_first(subject) else [])]}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for the named function; Unavailable without the device, or if it is not found."""
    place = tensorflow_autodiff.open_device(device)
    load(subject)

    def run(call: Call) -> Returned:
        step = tensorflow_autodiff.gradient_step(_loss(subject, call))
        return tensorflow_autodiff.evaluate(step, call, place)

    return run


def _accepted(subject: str) -> frozenset[str]:
    return parameters_of(load(subject), (*OPTIONS, REDUCTION))


def _loss(subject: str, call: Call) -> Callable[[Any, Any], Any]:
    """The function of (logits, labels) that a call's options make."""
    import tensorflow as tf

    function = functools.partial(load(subject), **arguments(call, _accepted(subject), tf.constant))
    # By position: to what it is given by name, a tf.custom_gradient has the gradient of the operations inside.
    return (lambda logits, labels: function(labels, logits)) if _has_labels_first(subject) else function


def _has_labels_first(subject: str) -> bool:
    names = list(inspect.signature(load(subject)).parameters)
    return {"labels", "logits"} <= {*names} and names.index("labels") < names.index("logits")


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of the named function as lines."""
    imports, target = imported(subject.api)
    given = Keywords(keywords(subject, call, tensorflow_recipe.constant))
    operands = "y, x" if _LABELS_FIRST in subject.signature else "x, y"
    return tensorflow_recipe.taped(LossText(f"{target}({operands}{given})", call, imports=imports))
