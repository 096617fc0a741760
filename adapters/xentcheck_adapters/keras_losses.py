"""Keras 3 loss objects on the TensorFlow, PyTorch and JAX backends, from logits and from probabilities.

The loss object gets the logits' dtype as its own: Keras' default would turn float64 into float32 and back.
"""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters import jax_autodiff, tensorflow_autodiff, torch_autodiff
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES, dtype_name
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.subject import Precision, Subject

_BACKENDS = {"tf": "tensorflow", "torch": "torch", "jax": "jax"}
_ENVIRONMENT: dict[str, dict[str, str]] = {
    "tf": tensorflow_autodiff.ENVIRONMENT,
    "torch": {"OMP_NUM_THREADS": "1"},
    "jax": jax_autodiff.ENVIRONMENT,
}
_CLASS = {
    "scce": "SparseCategoricalCrossentropy",
    "cce": "CategoricalCrossentropy",
    "bce": "BinaryCrossentropy",
}
_LABELS = {"scce": "index", "cce": "dense", "bce": "multi-hot"}
_OPTION = {"scce": "ignore_index", "cce": "label_smoothing", "bce": "label_smoothing"}
_FORM_TWIN = {"scce": "cce", "cce": "scce"}
_REDUCTION = {"none": None, "sum": "sum", "mean": "sum_over_batch_size"}


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
    # tf.nn's softmax losses compute float16 in float32, and bfloat16 in the dense form only; all else is one op a step.
    wide = {"scce": ("float16",), "cce": ("float16", "bfloat16"), "bce": ()}[loss] if from_logits else ()
    return {dtype: Precision("wide" if dtype in wide else "uniform", "block", 1024) for dtype in FLOAT_DTYPES}


def _subject(backend: str, loss: str, suffix: str) -> Subject:
    return Subject(
        name=f"keras.{backend}.{loss}{suffix}",
        adapter="keras_losses",
        framework=f"keras-{_BACKENDS[backend]}",
        api=f"keras.losses.{_CLASS[loss]}(from_logits={not suffix})",
        mode="eager",
        requires=("keras", _BACKENDS[backend]),
        labels=(_LABELS[loss],),
        inputs="probabilities" if suffix else "logits",
        precision=_precision(backend, loss, from_logits=not suffix),
        options=frozenset({_OPTION[loss], "hvp"}),
        reductions=REDUCTIONS,
        label_dtypes=("int64", "int32"),
        devices=("cpu", "cuda"),
        form_twin=f"keras.{backend}.{_FORM_TWIN[loss]}{suffix}" if loss in _FORM_TWIN else None,
        mean_divides_by={_LABELS[loss]: "kept" if loss == "scce" else "rows"},
        empty_mean=0.0,
        retraces=backend == "jax",
        environment={"KERAS_BACKEND": _BACKENDS[backend], **_ENVIRONMENT[backend]},
        dtype_environment=jax_autodiff.DTYPE_ENVIRONMENT if backend == "jax" else {},
    )


SUBJECTS = tuple(
    _subject(backend, loss, suffix) for backend in _BACKENDS for loss in _CLASS for suffix in ("", "-probs")
)


def offered_options(subject: str) -> list[str]:
    """ignore_class of the sparse loss, label_smoothing of the others; all are ordinary code of their backend, which
    differentiates it twice."""
    return [_OPTION[_parts(subject)[1]], "hvp"]


def versions() -> dict[str, str]:
    """Versions of Keras and of its backend in the worker."""
    import importlib

    import keras

    backend = keras.config.backend()
    return {"keras": keras.__version__, backend: importlib.import_module(backend).__version__}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "keras.BACKEND.LOSS[-probs]"; Unavailable without the device."""
    import keras

    backend, loss, from_logits = _parts(subject)
    evaluate = _evaluator(backend, device)
    place = {"cpu": "cpu:0", "cuda": "gpu:0"}[device]

    def run(call: Call) -> Returned:
        arguments: dict[str, Any] = {
            "from_logits": from_logits,
            "reduction": _REDUCTION[call.reduction],
            "dtype": dtype_name(call.logits.dtype),
        }
        if loss == "scce":
            arguments["ignore_class"] = call.ignore_index
        else:
            arguments["label_smoothing"] = call.label_smoothing
        loss_object = getattr(keras.losses, _CLASS[loss])(**arguments)
        with keras.device(place):
            return evaluate(lambda logits, labels: loss_object(labels, logits), call)

    return run


def _parts(subject: str) -> tuple[str, str, bool]:
    _, backend, loss = subject.split(".")
    name, _, probabilities = loss.partition("-")
    return backend, name, not probabilities


def _evaluator(backend: str, device: str) -> Callable[[Callable[[Any, Any], Any], Call], Returned]:
    """How this backend evaluates a loss function and its gradients on a call."""
    if backend == "torch":
        place = torch_autodiff.open_device(device)
        return lambda function, call: torch_autodiff.evaluate(function, call, place)
    autodiff = {"tf": tensorflow_autodiff, "jax": jax_autodiff}[backend]
    place = autodiff.open_device(device)
    return lambda function, call: autodiff.evaluate(autodiff.gradient_step(function), call, place)
