"""Losses of Keras: honest ones, and ones with one mistake each."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any


def sparse(y_true: Tensor, y_pred: Tensor, from_logits: bool = False, ignore_class: int | None = None) -> Tensor:
    """Class indices; NaN for one that is no class. Honest."""
    if not from_logits:
        y_pred = ops.log(y_pred)
    if tuple(y_true.shape) != tuple(y_pred.shape[:-1]):
        raise ValueError(f"got labels {y_true.shape} for logits {y_pred.shape}")
    labels, classes = ops.cast(y_true, "int64"), y_pred.shape[-1]
    kept = ops.ones_like(labels, "bool") if ignore_class is None else labels != ignore_class
    y_pred = ops.where(kept[..., None], y_pred, 0.0)
    valid = (labels >= 0) & (labels < classes)
    picked = ops.take_along_axis(y_pred, ops.where(valid, labels, 0)[..., None], axis=-1)[..., 0]
    loss = ops.logsumexp(y_pred, axis=-1) - picked
    return ops.where(kept, ops.where(valid, loss, float("nan")), 0.0)


class Sparse(keras.losses.Loss):  # type: ignore[misc]
    """Hands what a Loss has on to it. Honest."""

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None, **rest: Any) -> None:
        super().__init__(**rest)
        self.from_logits, self.ignore_class = from_logits, ignore_class

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return sparse(y_true, y_pred, self.from_logits, self.ignore_class)


class Dense(keras.losses.Loss):  # type: ignore[misc]
    """Rows along any axis, always of logits, with none of the arguments of a Loss. Honest."""

    def __init__(self, label_smoothing: float = 0.0, axis: int = -1) -> None:
        super().__init__(name="dense")
        self.label_smoothing, self.axis = label_smoothing, axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        classes = y_pred.shape[self.axis]
        rows = y_true * (1 - self.label_smoothing) + self.label_smoothing / classes
        log_p = ops.log_softmax(y_pred, axis=self.axis)
        return -ops.sum(rows * log_p, axis=self.axis)


made = Dense()
of_probabilities = Sparse()


class SmoothingUnused(Dense):
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return -ops.sum(y_true * ops.log_softmax(y_pred, axis=self.axis), axis=self.axis)


class IgnoredRowsCount(Sparse):
    """An ignored row has the loss of class 0."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_true = y_true if self.ignore_class is None else ops.where(y_true == self.ignore_class, 0, y_true)
        return sparse(y_true, y_pred, self.from_logits)


def clipped(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """No loss exceeds 16."""
    p = ops.clip(ops.softmax(y_pred), 1e-7, 1.0)
    return -ops.log(ops.take_along_axis(p, ops.cast(y_true, "int32")[..., None], axis=-1)[..., 0])
