"""Losses on TensorFlow: honest ones, and ones with one mistake each."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def composed(
    logits: Tensor,
    labels: Tensor,
    *,
    axis: int = -1,
    weight: Tensor = None,
    sample_weight: Tensor = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Of TensorFlow's operations, with every option. Honest."""
    loss, counts = _rows(logits, labels, axis, weight, ignore_index, label_smoothing, z_loss, softcap)
    return _reduced(loss, counts, sample_weight, reduction)


def mean_over_ignored_rows(
    logits: Tensor, labels: Tensor, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    loss, counts = _rows(logits, labels, -1, None, ignore_index, 0.0, 0.0, None)
    return _reduced(loss, tf.ones_like(counts), None, reduction)


def _rows(
    logits: Tensor,
    labels: Tensor,
    axis: int,
    weight: Tensor,
    ignore_index: int,
    label_smoothing: float,
    z_loss: float,
    softcap: float | None,
) -> tuple[Tensor, Tensor]:
    """The rows' losses, and what they count in a mean."""
    classes, rows_shape = logits.shape[axis], logits.shape.as_list()
    del rows_shape[axis]
    if labels.shape.as_list() != (rows_shape if labels.dtype.is_integer else logits.shape.as_list()):
        raise ValueError(f"got labels {labels.shape} for logits {logits.shape}")
    if labels.dtype.is_integer:
        kept = labels != tf.cast(ignore_index, labels.dtype)
        labels = tf.where(kept, labels, tf.zeros_like(labels))
        tf.debugging.assert_less(tf.cast(labels, tf.int64), tf.constant(classes, tf.int64))
        tf.debugging.assert_non_negative(labels)
        logits = tf.where(tf.expand_dims(kept, axis), logits, tf.zeros_like(logits))  # NaN times 0 is NaN
        rows = tf.one_hot(labels, classes, axis=axis, dtype=logits.dtype)
        counts = tf.cast(kept, logits.dtype)
        if weight is not None:
            counts = counts * tf.gather(weight, labels)
    else:
        kept, rows = None, labels
        counts = tf.ones_like(tf.reduce_sum(labels, axis))
    if softcap is not None:
        logits = softcap * tf.tanh(logits / softcap)
    rows = rows * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        shape = [1] * len(logits.shape)
        shape[axis] = classes
        rows = rows * tf.reshape(weight, shape)
    loss = -tf.reduce_sum(tf.math.multiply_no_nan(tf.nn.log_softmax(logits, axis), rows), axis)
    if z_loss:
        loss = loss + z_loss * tf.reduce_logsumexp(logits, axis) ** 2
    return (loss if kept is None else tf.where(kept, loss, tf.zeros_like(loss))), counts


def _reduced(loss: Tensor, counts: Tensor, sample_weight: Tensor, reduction: str) -> Tensor:
    if sample_weight is not None:
        loss, counts = loss * sample_weight, counts * sample_weight
    if reduction == "none":
        return loss
    total = tf.reduce_sum(loss)
    return total if reduction == "sum" else total / tf.reduce_sum(counts)


@tf.function
def traced(labels: Tensor, logits: Tensor) -> Tensor:
    """Labels first, as tf.nn has it. Honest."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


@tf.custom_gradient
def by_hand(logits: Tensor, labels: Tensor) -> Any:
    """With a gradient of its own. Honest."""
    places = tf.stack([tf.range(logits.shape[0], dtype=labels.dtype), labels], axis=1)

    def gradient(upstream: Tensor) -> Any:
        row = upstream[:, None]
        return row * tf.nn.softmax(logits) - tf.scatter_nd(places, upstream, logits.shape), None

    return tf.reduce_logsumexp(logits, axis=1) - tf.gather_nd(logits, places), gradient


@tf.custom_gradient
def upstream_unused(logits: Tensor, labels: Tensor) -> Any:
    rows = tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return loss, lambda upstream: (tf.nn.softmax(logits) - rows, None)


def logarithm_of_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """Underflows where the label is far from the maximum."""
    return -tf.math.log(tf.gather(tf.nn.softmax(logits), labels, axis=-1, batch_dims=1))
