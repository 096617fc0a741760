"""Functions with habits: what each makes of labels that the plain function refuses, or of rows that shall not count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xentcheck_adapters.numpy_cross_entropy import cross_entropy

Array = np.ndarray[Any, Any]
Answer = tuple[Array, Array]


def _seeing(read: Callable[[Array, Array], Array]) -> Callable[..., Answer]:
    """The plain function, given the labels that `read(labels, logits)` makes of them."""

    def function(
        logits: Array, labels: Array, *, reduction: str = "mean", grad_output: Array | None = None, **options: Any
    ) -> Answer:
        keywords: dict[str, Any] = {**options, "reduction": reduction, "grad_output": grad_output}
        return cross_entropy(logits, read(labels, logits), **keywords)

    return function


def _wrapped(labels: Array, logits: Array) -> Array:
    return np.where(labels == -1, logits.shape[1] - 1, labels)


def _compared(labels: Array, logits: Array) -> Array:
    """Rows of labels by comparison with every class, zero where none is met."""
    return (labels[:, None] == np.arange(logits.shape[1])).astype(np.float32) if labels.ndim == 1 else labels


def _broadcast(labels: Array, logits: Array) -> Array:
    rows = labels.dtype.kind == "f"
    return np.broadcast_to(labels, logits.shape if rows else logits.shape[:1])


def _without_ignored_rows(labels: Array, ignore_index: int) -> Array:
    if labels.ndim == 1:
        return labels
    return np.where((labels.argmax(1) == ignore_index)[:, None], 0, labels)


truncates = _seeing(lambda labels, logits: labels.astype(np.int64) if labels.ndim == 1 else labels)
rounds = _seeing(lambda labels, logits: np.minimum(np.rint(labels), logits.shape[1] - 1).astype(np.int64))
wraps = _seeing(_wrapped)
compares = _seeing(_compared)
flattens = _seeing(lambda labels, logits: labels.reshape(-1)[: len(logits)])
first_rows = _seeing(lambda labels, logits: labels[: len(logits)])
broadcasts = _seeing(_broadcast)
through_the_dtype = _seeing(lambda labels, logits: labels.astype(logits.dtype).astype(np.int64))
ignores_negatives = _seeing(lambda labels, logits: np.where(labels < 0, -100, labels))
arg_max = _seeing(lambda labels, logits: labels.argmax(1) if labels.ndim == 2 else labels)
indices_as_a_row = _seeing(lambda labels, logits: np.broadcast_to(labels.astype(np.float32), logits.shape))
whole_numbers_as_rows = _seeing(lambda labels, logits: labels.astype(np.float32) if labels.ndim == 2 else labels)


def wide_loss(logits: Array, labels: Array, **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels.astype(np.float64), **options)
    return loss.astype(np.float64), gradient


def a_loss_per_pair(logits: Array, labels: Array, **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels.reshape(-1)[: len(logits)], **options)
    return loss * np.ones((len(loss), 1), loss.dtype), gradient


def half_gradient_of_a_column(logits: Array, labels: Array, **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels.reshape(-1), **options)
    return loss, gradient / 2


def mean_of_nothing_is_zero(logits: Array, labels: Array, **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels, **options)
    return np.nan_to_num(loss), gradient


def masks_afterwards(logits: Array, labels: Array, *, ignore_index: int = -100, **options: Any) -> Answer:
    """Zero times the loss and the gradient of the row, as a mask does it."""
    kept = (labels != ignore_index).astype(logits.dtype)
    loss, gradient = cross_entropy(logits, np.where(labels == ignore_index, 0, labels), **options)
    return kept * loss, kept[:, None] * gradient


def selects_losses_afterwards(logits: Array, labels: Array, *, ignore_index: int = -100, **options: Any) -> Answer:
    """The loss is selected, and its gradient multiplied by zero, as differentiating a selection does it."""
    loss, gradient = masks_afterwards(logits, labels, ignore_index=ignore_index, **options)
    return np.where(labels == ignore_index, 0, loss), gradient


def ignores_rows_too(logits: Array, labels: Array, *, ignore_index: int = -100, **options: Any) -> Answer:
    read = _without_ignored_rows(labels, ignore_index)
    return cross_entropy(logits, read, ignore_index=ignore_index, **options)


def ignores_out_of_range_only(logits: Array, labels: Array, *, ignore_index: int = -100, **options: Any) -> Answer:
    inside = 0 <= ignore_index < logits.shape[1]
    return cross_entropy(logits, labels, ignore_index=-100 if inside else ignore_index, **options)


def ignores_minus_100_always(logits: Array, labels: Array, *, ignore_index: int = -100, **options: Any) -> Answer:
    read = np.where(labels == -100, ignore_index, labels)
    return cross_entropy(logits, read, ignore_index=ignore_index, **options)


def drops_rows_without_weight(
    logits: Array, labels: Array, *, sample_weight: Array | None = None, **options: Any
) -> Answer:
    if sample_weight is not None:
        labels = np.where(sample_weight == 0, -100, labels)
    return cross_entropy(logits, labels, sample_weight=sample_weight, **options)
