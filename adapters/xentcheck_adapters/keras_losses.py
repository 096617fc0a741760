"""Keras 3 losses on the TensorFlow, PyTorch, JAX and NumPy backends: loss objects from logits and from probabilities,
and the functions behind them. On NumPy there are no gradients.

The loss object gets the logits' dtype as its own: Keras' default would turn float64 into float32 and back.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, Callable

import numpy as np

from xentcheck_adapters import (
    jax_autodiff,
    jax_procedures,
    jax_recipe,
    tensorflow_autodiff,
    tensorflow_procedures,
    tensorflow_recipe,
    torch_autodiff,
    torch_procedures,
    torch_recipe,
)
from xentcheck_adapters.call import REDUCTIONS, WEIGHTED_MEAN, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES, dtype_name
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.recipe import Keywords, LossText, Recipe, is_bfloat16
from xentcheck_adapters.subject import ANY_AXIS, Precision, Subject

# By the name that this project has for each: the one in KERAS_BACKEND, and what its process and its derivatives need.
BACKENDS = {"tf": "tensorflow", "torch": "torch", "jax": "jax", "numpy": "numpy"}
ENVIRONMENT: dict[str, dict[str, str]] = {
    "tf": tensorflow_autodiff.ENVIRONMENT,
    "torch": {"OMP_NUM_THREADS": "1"},
    "jax": jax_autodiff.ENVIRONMENT,
    "numpy": {},
}
PROCEDURES: dict[str, frozenset[str]] = {
    "tf": frozenset(tensorflow_procedures.PROCEDURES),
    "torch": frozenset(torch_procedures.OF_EAGER),
    "jax": frozenset(jax_procedures.OP_BY_OP),
    "numpy": frozenset(),
}
_CLASS = {
    "scce": "SparseCategoricalCrossentropy",
    "cce": "CategoricalCrossentropy",
    "bce": "BinaryCrossentropy",
}
_FUNCTION = {
    "scce": "sparse_categorical_crossentropy",
    "cce": "categorical_crossentropy",
    "bce": "binary_crossentropy",
}
_LABELS = {"scce": "index", "cce": "dense", "bce": "multi-hot"}
_OPTION = {"scce": "ignore_index", "cce": "label_smoothing", "bce": "label_smoothing"}
_FORM_TWIN = {"scce": "cce", "cce": "scce"}
_REDUCTION = {
    "none": None,
    "sum": "sum",
    "mean": "sum_over_batch_size",
    WEIGHTED_MEAN: "mean_with_sample_weight",
}
_PROBABILITIES, _FUNCTIONAL = "-probs", "-functional"

Loss = Callable[[Any, Any], Any]


def _precision(backend: str, loss: str, from_logits: bool) -> dict[str, Precision]:
    if backend == "torch":
        # As F.cross_entropy, which Keras calls or rebuilds from log_softmax. The binary loss is formed as
        # (1 - y) x - log sigmoid(x), two numbers of the size of |x|.
        return {
            dtype: Precision("stored", "lane", 4 if dtype == "float64" else 8, offset=loss == "bce")
            for dtype in FLOAT_DTYPES
        }
    if backend == "jax":
        return {dtype: Precision("uniform", "pairwise") for dtype in FLOAT_DTYPES}
    if backend == "numpy":
        # NumPy adds its own dtypes pairwise, float16 in float32, and ml_dtypes' bfloat16 one by one in bfloat16.
        bfloat16 = Precision("uniform", "lane", 1, accumulator="bfloat16")
        return {dtype: bfloat16 if dtype == "bfloat16" else Precision("uniform", "pairwise") for dtype in FLOAT_DTYPES}
    # tf.nn's softmax losses compute float16 in float32, and bfloat16 in the dense form only; all else is one op a step.
    wide = {"scce": ("float16",), "cce": ("float16", "bfloat16"), "bce": ()}[loss] if from_logits else ()
    declared = {of: Precision(of, "block", 1024, underflow=tensorflow_autodiff.UNDERFLOW) for of in ("uniform", "wide")}
    return {dtype: declared["wide" if dtype in wide else "uniform"] for dtype in FLOAT_DTYPES}


def _api(loss: str, suffix: str) -> str:
    name = (_FUNCTION if suffix == _FUNCTIONAL else _CLASS)[loss]
    return f"keras.losses.{name}(from_logits={suffix != _PROBABILITIES})"


def _subject(backend: str, loss: str, suffix: str) -> Subject:
    functional, has_gradients = suffix == _FUNCTIONAL, backend != "numpy"
    return Subject(
        name=f"keras.{backend}.{loss}{suffix}",
        adapter="keras_losses",
        framework=f"keras-{BACKENDS[backend]}",
        api=_api(loss, suffix),
        mode="eager",
        # the NumPy backend imports JAX as well, for the shapes of its convolutions
        requires=("keras", "jax" if backend == "numpy" else BACKENDS[backend]),
        labels=(_LABELS[loss],),
        inputs="probabilities" if suffix == _PROBABILITIES else "logits",
        precision=_precision(backend, loss, from_logits=suffix != _PROBABILITIES),
        differentiable=has_gradients,
        options=frozenset(_options(backend, loss, suffix)),
        procedures=PROCEDURES[backend],
        reductions=("none",) if functional else (*REDUCTIONS, WEIGHTED_MEAN),
        label_dtypes=("int64", "int32"),
        devices=("cpu", "cuda") if has_gradients else ("cpu",),
        form_twin=f"keras.{backend}.{_FORM_TWIN[loss]}{suffix}" if loss in _FORM_TWIN else None,
        variant_of=f"keras.{backend}.{loss}" if functional else None,
        mean_divides_by={_LABELS[loss]: "kept" if loss == "scce" else "rows"},
        empty_mean=0.0,
        class_axes=ANY_AXIS,
        retraces=backend == "jax",
        environment={"KERAS_BACKEND": BACKENDS[backend], **ENVIRONMENT[backend]},
        dtype_environment=jax_autodiff.DTYPE_ENVIRONMENT if backend == "jax" else {},
    )


def _options(backend: str, loss: str, suffix: str) -> list[str]:
    """ignore_class of the sparse loss, label_smoothing of the others, sample weights of loss objects; all are ordinary
    code of their backend, which differentiates it twice."""
    options = [_OPTION[loss], *(() if suffix == _FUNCTIONAL else ("sample_weight",))]
    return options if backend == "numpy" else [*options, "hvp"]


SUBJECTS = tuple(
    _subject(backend, loss, suffix)
    for backend in BACKENDS
    for loss in _CLASS
    for suffix in ("", _PROBABILITIES, _FUNCTIONAL)
)


def offered_options(subject: str) -> list[str]:
    """What the loss takes as arguments, and second derivatives where there are first ones."""
    return _options(*_parts(subject))


def versions() -> dict[str, str]:
    """Versions of Keras and of its backend in the worker."""
    import importlib

    import keras

    backend = keras.config.backend()
    return {"keras": keras.__version__, backend: importlib.import_module(backend).__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "keras.BACKEND.LOSS[-probs|-functional]"; Unavailable without the device."""
    backend, loss, suffix = _parts(subject)
    make = _function if suffix == _FUNCTIONAL else loss_object

    def loss_of(call: Call) -> Loss:
        option = {"ignore_class": call.ignore_index} if loss == "scce" else {"label_smoothing": call.label_smoothing}
        shared = {"from_logits": suffix != _PROBABILITIES, **axis_argument(call)}
        return make(loss, call, {**shared, **option})

    return runner(backend, device, loss_of)


def axis_argument(call: Call) -> dict[str, int]:
    """The argument for another class axis than the last one; before 3.10 not every loss has it."""
    return {} if call.class_axis == -1 else {"axis": call.class_axis}


def found(subject: str, device: str) -> dict[str, list[int]]:
    """The last axis alone, where the installed version's loss has no argument for another one."""
    import keras

    _, loss, suffix = _parts(subject)
    loss_itself = getattr(keras.losses, (_FUNCTION if suffix == _FUNCTIONAL else _CLASS)[loss])
    return {} if "axis" in inspect.signature(loss_itself).parameters else {"class_axes": [-1]}


def runner(backend: str, device: str, loss_of: Callable[[Call], Loss]) -> Callable[[Call], Returned]:
    """A runner for the loss function that each call asks for; Unavailable without the device."""
    import keras

    evaluate = _evaluator(backend, device)
    place = {"cpu": "cpu:0", "cuda": "gpu:0"}[device]

    def run(call: Call) -> Returned:
        function = _activated(loss_of(call), call.activation)
        with keras.device(place):
            return evaluate(function, call)

    return run


def loss_object(loss: str, call: Call, arguments: dict[str, Any]) -> Loss:
    """The loss object of that name ("scce") with these arguments and the call's reduction, dtype, sample weights."""
    import keras

    made = getattr(keras.losses, _CLASS[loss])(
        **arguments, reduction=_REDUCTION[call.reduction], dtype=dtype_name(call.logits.dtype)
    )
    return lambda logits, labels: made(labels, logits, sample_weight=call.sample_weight)


def _function(loss: str, call: Call, arguments: dict[str, Any]) -> Loss:
    import keras

    function = getattr(keras.losses, _FUNCTION[loss])
    return lambda logits, labels: function(labels, logits, **arguments)


def _activated(function: Loss, activation: str | None) -> Loss:
    """The loss of what an activation of Keras makes of the logits, as a model ends with one: what else a tensor carries
    is left to Keras."""
    if activation is None:
        return function
    import keras

    name, multiplied, _ = activation.partition(", then times 1")

    def of_logits(logits: Any, labels: Any) -> Any:
        output = getattr(keras.activations, name)(logits)
        return function(keras.ops.multiply(output, 1) if multiplied else output, labels)

    return of_logits


def _parts(subject: str) -> tuple[str, str, str]:
    _, backend, loss = subject.split(".")
    name, dash, suffix = loss.partition("-")
    return backend, name, dash + suffix


def _evaluator(backend: str, device: str) -> Callable[[Loss, Call], Returned]:
    """How this backend evaluates a loss function and its gradients on a call."""
    if backend == "numpy":
        return _without_gradients(device)
    if backend == "torch":
        place = torch_autodiff.open_device(device)
        return lambda function, call: torch_autodiff.evaluate(function, call, place)
    autodiff = {"tf": tensorflow_autodiff, "jax": jax_autodiff}[backend]
    place = autodiff.open_device(device)
    return lambda function, call: autodiff.evaluate(autodiff.gradient_step(function), call, place)


def _without_gradients(device: str) -> Callable[[Loss, Call], Returned]:
    if device != "cpu":
        raise Unavailable(f"NumPy runs on cpu, got device {device!r}")

    def evaluate(function: Loss, call: Call) -> Returned:
        # Keras keeps strides, and along a strided axis NumPy adds float16 in float16: no precision covers that.
        logits, labels = (np.array(array, order="C") for array in (call.logits, call.labels))
        return Returned(np.asarray(function(logits, labels)))

    return evaluate


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "keras.BACKEND.LOSS[-probs|-functional]" as lines."""
    backend, loss, suffix = _parts(subject.name)
    option = (
        {"ignore_class": call.ignore_index} if loss == "scce" else {"label_smoothing": call.label_smoothing or None}
    )
    arguments = {
        "from_logits": suffix != _PROBABILITIES,
        "axis": None if call.class_axis == -1 else call.class_axis,
        **option,
    }
    output = "x"
    if call.activation:
        output = f"keras.activations.{call.activation.partition(',')[0]}(x)"
        output = f"keras.ops.multiply({output}, 1)" if call.activation.endswith("times 1") else output
    setup: tuple[str, ...]
    if suffix == _FUNCTIONAL:
        text, setup = f"keras.losses.{_FUNCTION[loss]}(y, {output}{Keywords(arguments)})", ()
    else:
        rows = Keywords({"sample_weight": None if call.sample_weight is None else "sample_weight"})
        text, setup = f"loss_of(y, {output}{rows})", (made(loss, call, arguments),)
    return in_backend(backend, LossText(text, call, setup))


def made(loss: str, call: Call, arguments: dict[str, Any]) -> str:
    """The line that makes the loss object `loss_of`."""
    reduction = {"reduction": repr(_REDUCTION[call.reduction]), "dtype": repr(dtype_name(call.logits.dtype))}
    given = str(Keywords({**arguments, **reduction}))
    return f"loss_of = keras.losses.{_CLASS[loss]}({given[2:]})"


def in_backend(backend: str, loss: LossText) -> Recipe:
    """A loss of Keras with the gradients of its backend."""
    keras = (f'import os; os.environ["KERAS_BACKEND"] = "{BACKENDS[backend]}"', "import keras")
    if backend == "numpy":
        x = "keras.ops.cast(logits, 'bfloat16')" if is_bfloat16(loss.call.logits) else "logits"
        text = re.sub(r"\bx\b", x, re.sub(r"\by\b", "labels", loss.text))
        return Recipe(keras, (*loss.setup, f"loss = {text}"))
    write = {"tf": tensorflow_recipe.taped, "torch": torch_recipe.autograd, "jax": jax_recipe.vjp}[backend]
    written = write(loss)
    return Recipe((*keras, *written.imports), written.lines)
