"""Losses that answer one policy in another way than the built-in function does."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from xentcheck_adapters.numpy_cross_entropy import cross_entropy

Array = np.ndarray[Any, Any]
Answer = tuple[Array, Array]

honest = cross_entropy


def _mean(logits: Array, labels: Array, by: float, options: dict[str, Any]) -> Answer:
    """The mean that divides by a number of one's own."""
    loss, gradient = cross_entropy(logits, labels, **{**options, "reduction": "sum"})
    return (loss / by).astype(loss.dtype), (gradient / by).astype(gradient.dtype)


def divides_by_rows(
    logits: Array, labels: Array, *, weight: Array | None = None, reduction: str = "mean", **options: Any
) -> Answer:
    if reduction == "mean":
        return _mean(logits, labels, len(logits), {"weight": weight, **options})
    return cross_entropy(logits, labels, weight=weight, reduction=reduction, **options)


def divides_by_smoothed_weights(
    logits: Array, labels: Array, *, weight: Array | None = None, reduction: str = "mean", **options: Any
) -> Answer:
    if reduction == "mean" and weight is not None and labels.ndim == 1:
        kept, epsilon = labels[labels >= 0], options.get("label_smoothing", 0.0)
        wide = weight.astype(np.float64)
        by = float((1 - epsilon) * wide[kept].sum() + epsilon * len(kept) * wide.mean())
        return _mean(logits, labels, by, {"weight": weight, **options})
    return cross_entropy(logits, labels, weight=weight, reduction=reduction, **options)


def divides_the_loss_only(logits: Array, labels: Array, *, reduction: str = "mean", **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels, reduction=reduction, **options)
    return loss, (2 * gradient if reduction == "mean" else gradient).astype(gradient.dtype)


def zero_for_nothing(logits: Array, labels: Array, *, reduction: str = "mean", **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels, reduction=reduction, **options)
    return (np.nan_to_num(loss) if reduction == "mean" else loss), gradient


def clamps_infinity(logits: Array, labels: Array, **options: Any) -> Answer:
    largest = np.finfo(np.float32).max
    return cross_entropy(np.clip(logits, -largest, largest).astype(logits.dtype), labels, **options)


def zero_times_infinity(logits: Array, labels: Array, **options: Any) -> Answer:
    """The loss of rows of labels as -sum(y log softmax), masked classes and all."""
    loss, gradient = cross_entropy(logits, labels, **options)
    if labels.ndim == 2:
        loss = np.where(((labels == 0) & np.isneginf(logits)).any(axis=1), np.nan, loss).astype(loss.dtype)
    return loss, gradient


def without_a_sign(logits: Array, labels: Array, **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels, **options)
    return loss + 0, gradient


def flushes(logits: Array, labels: Array, **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels, **options)
    tiny = np.finfo(gradient.dtype).tiny
    return loss, np.where(np.abs(gradient) < tiny, 0, gradient).astype(gradient.dtype)


def keeps_small_losses(logits: Array, labels: Array, **options: Any) -> Answer:
    wide, gradient = cross_entropy(logits.astype(np.float64), labels, **options)
    return wide.astype(logits.dtype), gradient.astype(logits.dtype)


def refuses_wide_smoothing(logits: Array, labels: Array, *, label_smoothing: float = 0.0, **options: Any) -> Answer:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be in [0, 1], got {label_smoothing}")
    return cross_entropy(logits, labels, label_smoothing=label_smoothing, **options)


def no_negative_smoothing(logits: Array, labels: Array, *, label_smoothing: float = 0.0, **options: Any) -> Answer:
    return cross_entropy(logits, labels, label_smoothing=max(label_smoothing, 0.0), **options)


def float32_inside(logits: Array, labels: Array, **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels, **options)
    return loss.astype(np.float32), gradient


def float16_mean(logits: Array, labels: Array, *, reduction: str = "mean", grad_output: Array | None = None) -> Answer:
    if reduction != "mean":
        return cross_entropy(logits, labels, reduction=reduction, grad_output=grad_output)
    losses, _ = cross_entropy(logits, labels, reduction="none")
    with np.errstate(over="ignore", invalid="ignore"):
        total = losses.dtype.type(losses.astype(np.float32).sum())
        mean = np.asarray(total / losses.dtype.type(len(losses)))
    return mean, cross_entropy(logits, labels, reduction="mean", grad_output=grad_output)[1]


def broadcasts(logits: Array, labels: Array, **options: Any) -> Answer:
    rows = max(len(logits), len(labels))
    if labels.ndim == 2:
        logits, labels = (np.broadcast_to(array, (rows, array.shape[1])) for array in (logits, labels))
    options["grad_output"] = None
    return cross_entropy(logits, labels, **options)


def sums_in_the_order_of_the_batch(logits: Array, labels: Array, **options: Any) -> Answer:
    """Another last bit in a batch than alone."""
    loss, gradient = cross_entropy(logits, labels, **options)
    return (np.nextafter(loss, loss.dtype.type(0)) if len(logits) > 1 else loss), gradient


def classes_last(logits: Array, labels: Array, **options: Any) -> Answer:
    """Logits of any dimensions, their classes in the last one."""
    shape = logits.shape
    rows = labels.reshape(-1, shape[-1]) if labels.ndim == logits.ndim else labels.reshape(shape[:-1]).reshape(-1)
    loss, gradient = cross_entropy(logits.reshape(-1, shape[-1]), rows, reduction="none", grad_output=None)
    return loss.reshape(shape[:-1]), gradient.reshape(shape)


def classes_second(logits: Array, labels: Array, **options: Any) -> Answer:
    rows = np.moveaxis(labels, 1, -1) if labels.ndim == logits.ndim else labels
    loss, gradient = classes_last(np.moveaxis(logits, 1, -1), rows)
    return loss, np.moveaxis(gradient, -1, 1)


def adds_by_threads(logits: Array, labels: Array, **options: Any) -> Answer:
    """As a reduction that is shared out: another last digit for another number of threads."""
    loss, gradient = cross_entropy(logits, labels, **options)
    return (np.nextafter(loss, loss.dtype.type(9)) if os.environ.get("OMP_NUM_THREADS") == "2" else loss), gradient
