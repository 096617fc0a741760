"""Functions that are right as they are, and wrong jitted, mapped, in float64 or with the classes on another axis."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from xentcheck_faults.on_jax.honest import Array, composed, one_hot, per_row


def _traced(array: Array) -> bool:
    return isinstance(array, jax.core.Tracer)


def labels_unchecked_jitted(logits: Array, labels: Array) -> Array:
    """A check of values needs values; without them labels are clipped."""
    if _traced(labels):
        return per_row(logits, jnp.clip(labels, 0, logits.shape[-1] - 1))
    if ((labels < 0) | (labels >= logits.shape[-1])).any():
        raise ValueError("a label is outside [0, C)")
    return per_row(logits, labels)


def overflows_jitted(logits: Array, labels: Array) -> Array:
    """The jitted branch subtracts no maximum."""
    if _traced(labels):
        return jnp.log(jnp.exp(logits).sum(-1)) - jnp.take_along_axis(logits, labels[:, None], -1)[:, 0]
    return per_row(logits, labels)


def a_row_alone_is_doubled(logits: Array, labels: Array) -> Array:
    """A mapped function sees one row and takes it for a batch of one."""
    return per_row(logits, labels) * (2 if len(logits) == 1 and _traced(labels) else 1)


_BAKED: dict[tuple[int, ...], Array] = {}


def labels_baked_in(logits: Array, labels: Array) -> Array:
    """The first labels of a shape are constants of its program."""
    if _traced(labels):
        return per_row(logits, labels)
    return jax.jit(per_row)(logits, _BAKED.setdefault(labels.shape, labels))


def in_single_precision(logits: Array, labels: Array) -> Array:
    """float32 in the middle of float64."""
    return per_row(logits.astype(jnp.float32), labels).astype(logits.dtype)


@partial(jax.jit, donate_argnums=0)
def _donated(logits: Array) -> Array:
    return logits - logits.max(-1, keepdims=True)


def logits_donated(logits: Array, labels: Array) -> Array:
    """The caller's logits are given away for reuse."""
    return per_row(logits if _traced(logits) else _donated(logits), labels)


def gathered_along_the_last_axis(logits: Array, labels: Array, *, axis: int = -1) -> Array:
    """The softmax is along the axis asked for, the label's place is along the last one."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits, axis=axis), labels[..., None], axis=-1)[..., 0]


def softmax_over_the_last_axis(logits: Array, labels: Array, *, axis: int = -1) -> Array:
    """The label's place is along the axis asked for, the softmax is along the last one."""
    log_softmax = jnp.moveaxis(jax.nn.log_softmax(logits), axis, -1)
    return -(one_hot(labels, np.ones(labels.shape, bool), log_softmax) * log_softmax).sum(-1)


def last_axis_only(logits: Array, labels: Array, *, axis: int = -1) -> Array:
    """The axis can be given, but labels are compared with the shape without the last one."""
    if labels.shape != logits.shape[:-1]:
        raise ValueError(f"labels: got {labels.shape}, expected {logits.shape[:-1]}")
    return composed(logits, labels, axis=axis, reduction="none")
