"""Keras 3 accuracy metrics on the TensorFlow, PyTorch, JAX and NumPy backends: what share of a batch they call right.

The share comes back as the loss of a call; there is no gradient.
"""

from __future__ import annotations

from typing import Callable

import numpy as np

from xentcheck_adapters import keras_losses
from xentcheck_adapters.call import Call
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.recipe import NoRecipe, Recipe
from xentcheck_adapters.subject import Precision, Subject

_BACKENDS = {"tf": "tensorflow", "torch": "torch", "jax": "jax", "numpy": "numpy"}
_CLASS = {"sparse-accuracy": "SparseCategoricalAccuracy", "accuracy": "CategoricalAccuracy"}
_LABELS = {"sparse-accuracy": "index", "accuracy": "dense"}


def _subject(backend: str, metric: str) -> Subject:
    same_worker = next(s for s in keras_losses.SUBJECTS if s.framework == f"keras-{_BACKENDS[backend]}")
    return Subject(
        name=f"keras.{backend}.{metric}",
        adapter="keras_metrics",
        framework=same_worker.framework,
        api=f"keras.metrics.{_CLASS[metric]}",
        mode="eager",
        requires=same_worker.requires,
        labels=(_LABELS[metric],),
        inputs="scores",
        reductions=("mean",),
        mean_divides_by={_LABELS[metric]: "rows"},
        empty_mean=0.0,
        dtypes=("float32",),
        differentiable=False,
        precision={"float32": Precision()},
        environment=same_worker.environment,
    )


SUBJECTS = tuple(_subject(backend, metric) for backend in _BACKENDS for metric in _CLASS)


def offered_options(subject: str) -> list[str]:
    """None of the options of a loss."""
    return []


def versions() -> dict[str, str]:
    """Versions of Keras and of its backend in the worker."""
    return keras_losses.versions()


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "keras.BACKEND.METRIC"."""
    import keras

    if device != "cpu":
        raise Unavailable(f"accuracy metrics are run on cpu, got device {device!r}")
    kind = getattr(keras.metrics, _CLASS[subject.rpartition(".")[2]])

    def run(call: Call) -> Returned:
        metric = kind()  # one that has counted nothing yet
        metric.update_state(call.labels, call.logits)
        return Returned(np.asarray(keras.ops.convert_to_numpy(metric.result())))

    return run


def recipe(subject: Subject, call: Call) -> Recipe:
    """None: what a metric is asked are choices, which no script can prove wrong."""
    raise NoRecipe("a metric is asked for its choices only")
