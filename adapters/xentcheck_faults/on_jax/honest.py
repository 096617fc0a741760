"""Honest JAX functions: a composition with every option and any class axis, and a gradient by hand. None may be
accused. A label outside [0, C) poisons its row: a function that can be jitted cannot raise for a value."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

Array = Any


def composed(
    logits: Array,
    labels: Array,
    *,
    axis: int = -1,
    weight: Array | None = None,
    sample_weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
    reduction: str = "mean",
) -> Array:
    """The contract in JAX' own operations, 16-bit logits in float32."""
    dense = jnp.issubdtype(labels.dtype, jnp.floating)
    if dense and labels.shape != logits.shape:
        raise ValueError(f"labels: got {labels.shape}, expected rows {logits.shape} or class indices")
    logits = jnp.moveaxis(logits, axis, -1)
    wide = widened(logits)
    if dense:
        kept, rows = jnp.ones(logits.shape[:-1], bool), jnp.moveaxis(labels, axis, -1).astype(wide.dtype)
    else:
        kept = labels != ignore_index
        rows = one_hot(labels, kept, wide)
    wide = jnp.where(kept[..., None], wide, 0)  # ignored rows may be NaN, and 0 times NaN is NaN
    capped = wide if softcap is None else softcap * jnp.tanh(wide / softcap)
    log_softmax = jax.nn.log_softmax(capped)
    q = (1 - label_smoothing) * rows + label_smoothing / wide.shape[-1] * kept[..., None]
    q = q if weight is None else q * weight.astype(wide.dtype)
    # 0 times infinity is 0, and the gradient to a label of 0 is minus its log-softmax where that is finite
    loss = -(q * jnp.where((q == 0) & jnp.isneginf(log_softmax), 0, log_softmax)).sum(-1)
    if z_loss:
        loss = loss + jnp.where(kept, z_loss * jax.nn.logsumexp(capped, -1) ** 2, 0)
    counts = kept.astype(wide.dtype) if sample_weight is None else sample_weight.astype(wide.dtype) * kept
    loss = loss * counts
    if reduction == "none":
        return loss.astype(logits.dtype)
    if reduction == "sum":
        return loss.sum().astype(logits.dtype)
    divisor = counts if dense or weight is None else counts * (rows @ weight.astype(wide.dtype))
    return (loss.sum() / divisor.sum()).astype(logits.dtype)


def widened(logits: Array) -> Array:
    """Logits of 16 bits in float32, others as they are."""
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


def one_hot(labels: Array, kept: Array, logits: Array) -> Array:
    """(..., C) rows of class indices: zeros where ignored, NaN where outside [0, C); an error for a wrong shape or
    dtype."""
    if labels.shape != logits.shape[:-1] or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"labels: got {labels.dtype} {labels.shape}, expected indices {logits.shape[:-1]}")
    outside = kept & ((labels < 0) | (labels >= logits.shape[-1]))
    return jnp.where(outside[..., None], jnp.nan, jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype))


def per_row(logits: Array, labels: Array) -> Array:
    """A loss for each row of class indices, 16-bit logits in float32."""
    wide = widened(logits)
    rows = one_hot(labels, jnp.ones(labels.shape, bool), wide)
    return -jnp.where(rows == 0, 0, rows * jax.nn.log_softmax(wide)).sum(-1).astype(logits.dtype)


def softmax_minus_label(logits: Array, labels: Array) -> Array:
    """(..., C) the gradient of `per_row` for class indices."""
    wide = widened(logits)
    return (jax.nn.softmax(wide) - one_hot(labels, jnp.ones(labels.shape, bool), wide)).astype(logits.dtype)


def forward(logits: Array, labels: Array) -> Any:
    """The loss, and what its backward pass needs."""
    return per_row(logits, labels), (logits, labels)


def backward(residuals: Any, upstream: Array) -> Any:
    """The gradient by hand."""
    return upstream[..., None] * softmax_minus_label(*residuals), None


@jax.custom_vjp
def by_hand(logits: Array, labels: Array) -> Array:
    """Class indices, with a gradient by hand."""
    return per_row(logits, labels)


by_hand.defvjp(forward, backward)
