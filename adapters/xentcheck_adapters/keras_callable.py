"""Keras losses named `keras:MODULE_OR_FILE:QUALNAME`, called the Keras way, labels first:

    fn(y_true, y_pred, *, from_logits=False, ignore_class=None, label_smoothing=0.0, axis=-1, sample_weight=None,
       reduction="sum_over_batch_size") -> loss
    Loss(the same options)(y_true, y_pred, sample_weight=None) -> loss    # a subclass of keras.losses.Loss, or one made

Keyword parameters that a signature lacks are options it does not offer; `weight`, `z_loss` and `softcap`, for which
Keras has no words, go by ours. What has `from_logits` is given True; what was made without it is Unavailable, for it
would read logits as probabilities; what does not know it is given logits. A Loss reduces and weights the rows that its
`call` returns, so it offers every reduction, and sample weights.

Judged in float32, the dtype in which Keras computes losses: a Loss turns what it is given into it.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, Callable

import numpy as np

from xentcheck_adapters import keras_losses, tensorflow_callable, tensorflow_procedures
from xentcheck_adapters.call import Call
from xentcheck_adapters.callables import (
    AXIS,
    CLASS,
    DERIVATIVES,
    OPTIONS,
    PRECISION,
    REDUCTION,
    Function,
    arguments,
    keywords,
    offered_of,
    parameters_of,
    signature_of,
    stranger,
)
from xentcheck_adapters.loading import load
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.procedures import LOSS_ALONE
from xentcheck_adapters.recipe import Keywords, LossText, Recipe, imported
from xentcheck_adapters.subject import TENSORFLOW_AXES, Subject

_FROM_LOGITS = "from_logits"
_ATTRIBUTE = "reduction, an attribute"  # in a signature: of a Loss that was not made with one as an argument
_SAMPLE_WEIGHT = "sample_weight"
_WORDS = {"ignore_index": "ignore_class"}
_OURS = {word: name for name, word in _WORDS.items()}
_REDUCTIONS = {"none": "none", "sum": "sum", "mean": "sum_over_batch_size"}
# What a function hands on that takes any keyword: what all of Keras' own functions have.
_ANY_KEYWORD = (_FROM_LOGITS, AXIS)


def subject_from_spec(spec: str) -> Subject:
    """The subject of `keras:MODULE_OR_FILE:QUALNAME` on KERAS_BACKEND, or else on the first installed backend;
    ValueError if the spec has another form, or the backend is none that is known."""
    backend = _backend()
    has_gradients, on_tensorflow = backend != "numpy", backend == "tf"
    procedures = {*tensorflow_procedures.OF_STRANGERS} if on_tensorflow else keras_losses.PROCEDURES[backend]
    return stranger(
        spec,
        adapter="keras_callable",
        framework=f"keras-{keras_losses.BACKENDS[backend]}",
        requires=("keras", "jax" if backend == "numpy" else keras_losses.BACKENDS[backend]),
        differentiable=has_gradients,
        options=frozenset(OPTIONS if backend == "numpy" else {*OPTIONS, *DERIVATIVES}),
        precision=tensorflow_callable.PRECISION if on_tensorflow else PRECISION,
        procedures=frozenset({*procedures, LOSS_ALONE}),
        label_dtypes=("int32", "int64"),
        dtypes=("float32",),
        devices=("cpu", "cuda") if has_gradients else ("cpu",),
        mean_divides_by={"index": "kept", "dense": "rows"},
        class_axes=TENSORFLOW_AXES,
        keras_customs=True,
        retraces=backend == "jax",
        environment={"KERAS_BACKEND": keras_losses.BACKENDS[backend], **keras_losses.ENVIRONMENT[backend]},
    )


def _backend() -> str:
    """This project's name of the backend that a person's environment names, or of the first one that is installed."""
    named = os.environ.get("KERAS_BACKEND")
    known = keras_losses.BACKENDS
    if named:
        if named not in known.values():
            raise ValueError(f"KERAS_BACKEND={named} is none of the known: {', '.join(known.values())}")
        return _named_by_us(named)
    installed = [name for name, module in known.items() if name != "numpy" and find_spec(module)]
    return installed[0] if installed else next(iter(known))


def _named_by_us(module: str) -> str:
    return next(name for name, of in keras_losses.BACKENDS.items() if of == module)


versions = keras_losses.versions


def offered_options(subject: str) -> list[str]:
    """The options among the signature's parameters, sample weights of a Loss, and the derivatives of the backend."""
    return offered_of(_accepted(subject))


def found(subject: str, device: str) -> dict[str, list[str]]:
    """Which arguments it has that say how a call is read and its loss returned, and what is made or set first."""
    target = load(subject)
    further = [CLASS] if inspect.isclass(target) else []
    if _is_loss(target) and REDUCTION not in _made_with(target):
        further.append(_ATTRIBUTE)
    return {"signature": [*signature_of(_accepted(subject), _FROM_LOGITS), *further]}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for the named function, class or object; Unavailable without the device, if it is not found, or if it
    takes probabilities."""
    target = load(subject)
    if inspect.isclass(target) and not _is_loss(target):
        raise Unavailable(f"{subject}: got a class, expected a function or a subclass of keras.losses.Loss")
    loss_of = _of_function
    if _is_loss(target):
        loss_of = _of_object
        if not getattr(_made(target, Call(np.zeros((1, 2)), np.zeros(1, np.int64))), _FROM_LOGITS, True):
            raise Unavailable(f"{subject} is made with from_logits=False: it takes probabilities, expected logits")
    return keras_losses.runner(_backend(), device, functools.partial(loss_of, target))


def _is_loss(target: Any) -> bool:
    import keras

    cls = target if inspect.isclass(target) else type(target)
    return issubclass(cls, keras.losses.Loss)


def _accepted(subject: str) -> frozenset[str]:
    """The arguments by our names."""
    target = load(subject)
    if not _is_loss(target):
        return _ours(parameters_of(target, _ANY_KEYWORD))
    cls = target if inspect.isclass(target) else type(target)
    called_with = parameters_of(cls.__call__, ()) & {_SAMPLE_WEIGHT}
    return (_made_with(target) - {_SAMPLE_WEIGHT}) | {REDUCTION} | called_with


def _made_with(target: Any) -> frozenset[str]:
    """The arguments of a class, and of those above it that it hands any keyword on to; none of an object."""
    names: set[str] = set()
    for cls in target.__mro__ if inspect.isclass(target) else ():
        if "__init__" in vars(cls):
            parameters = inspect.signature(vars(cls)["__init__"]).parameters
            names.update(parameters)
            if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values()):
                break
    return _ours(names)


def _ours(names: Iterable[str]) -> frozenset[str]:
    return frozenset(_OURS.get(name, name) for name in names)


def _made(target: Any, call: Call) -> Any:
    """The object to call: one of the class, or the object that is named."""
    return target(**_keywords(call, _made_with(target) - {_SAMPLE_WEIGHT})) if inspect.isclass(target) else target


def _of_object(target: Any, call: Call) -> keras_losses.Loss:
    made = _made(target, call)
    weights = {} if call.sample_weight is None else {_SAMPLE_WEIGHT: call.sample_weight}

    def loss(logits: Any, labels: Any) -> Any:
        before = made.reduction
        if REDUCTION not in _made_with(target):
            made.reduction = _REDUCTIONS[call.reduction]
        try:
            return made(labels, logits, **weights)
        finally:
            made.reduction = before  # of an object that is named, others may know

    return loss


def _of_function(target: Function, call: Call) -> keras_losses.Loss:
    accepted = _ours(parameters_of(target, _ANY_KEYWORD))
    return lambda logits, labels: target(labels, logits, **_keywords(call, accepted))


def _keywords(call: Call, accepted: frozenset[str]) -> dict[str, Any]:
    """The call's arguments among the accepted ones, in Keras' words."""
    import keras

    given = arguments(call, accepted, keras.ops.convert_to_tensor)
    words = {_WORDS.get(name, name): value for name, value in given.items()}
    if REDUCTION in words:
        words[REDUCTION] = _REDUCTIONS[call.reduction]
    return {**words, _FROM_LOGITS: True} if _FROM_LOGITS in accepted else words


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of the named function, class or object as lines."""
    imports, target = imported(subject.api)
    named = subject.signature
    written = keywords(
        subject, call, lambda name, _: name if name == _SAMPLE_WEIGHT else f"keras.ops.convert_to_tensor({name})"
    )
    weights = {_SAMPLE_WEIGHT: written.pop(_SAMPLE_WEIGHT, None)}
    reduction = repr(_REDUCTIONS[call.reduction])
    given = {
        _FROM_LOGITS: True if _FROM_LOGITS in named else None,
        **{_WORDS.get(name, name): text for name, text in written.items()},
        REDUCTION: reduction if REDUCTION in named and _ATTRIBUTE not in named else None,
    }
    setup: tuple[str, ...] = ()
    if CLASS in named or _ATTRIBUTE in named:
        made = f"{target}({str(Keywords(given))[2:]})" if CLASS in named else target
        setup = (f"loss_of = {made}",)
        if _ATTRIBUTE in named:
            setup += (f"loss_of.reduction = {reduction}",)
        text = f"loss_of(y, x{Keywords(weights)})"
    else:
        text = f"{target}(y, x{Keywords({**given, **weights})})"
    return keras_losses.in_backend(
        _named_by_us(subject.framework.partition("-")[2]), LossText(text, call, setup, imports)
    )
