"""Custom derivatives with one mistake each."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from xentcheck_faults.on_jax.honest import Array, backward, forward, per_row, softmax_minus_label


@jax.custom_vjp
def primal_without_maximum(logits: Array, labels: Array) -> Array:
    """What is not differentiated subtracts no maximum; the pair for differentiation does."""
    return jnp.log(jnp.exp(logits).sum(-1)) - jnp.take_along_axis(logits, labels[:, None], -1)[:, 0]


primal_without_maximum.defvjp(forward, backward)


@jax.custom_vjp
def first_upstream_for_all_rows(logits: Array, labels: Array) -> Array:
    """A kernel that loads one scalar."""
    return per_row(logits, labels)


first_upstream_for_all_rows.defvjp(
    forward, lambda residuals, upstream: (upstream[0] * softmax_minus_label(*residuals), None)
)


@jax.custom_vjp
def second_derivative_is_zero(logits: Array, labels: Array) -> Array:
    """The backward pass takes the softmax for a constant."""
    return per_row(logits, labels)


second_derivative_is_zero.defvjp(
    forward,
    lambda residuals, upstream: (upstream[:, None] * jax.lax.stop_gradient(softmax_minus_label(*residuals)), None),
)


@jax.custom_jvp
def _cross_entropy(logits: Array, labels: Array) -> Array:
    log_softmax = jax.nn.log_softmax(logits)
    return -jnp.where(labels == 0, 0, labels * log_softmax).sum(-1)


@_cross_entropy.defjvp
def _unguarded(primals: Any, tangents: Any) -> Any:
    (logits, labels), (logits_dot, labels_dot) = primals, tangents
    slope = jax.nn.softmax(logits) * labels.sum(-1, keepdims=True) - labels
    change = (slope * logits_dot).sum(-1) - (labels_dot * jax.nn.log_softmax(logits)).sum(-1)
    return _cross_entropy(logits, labels), change


def tangent_unguarded(logits: Array, labels: Array) -> Array:
    """Rows of labels: 0 times infinity is 0 in the loss, and NaN in the derivative rule."""
    return _cross_entropy(logits, labels)


def no_gradient_to_labels_of_zero(logits: Array, labels: Array) -> Array:
    """The guard against 0 times infinity cuts off every label that is 0."""
    return -jnp.where(labels == 0, 0, labels * jax.nn.log_softmax(logits)).sum(-1)


def labels_are_constants(logits: Array, labels: Array) -> Array:
    """Half of what the labels are differentiated by is taken for a constant."""
    half_constant = (labels + jax.lax.stop_gradient(labels)) / 2
    return -(half_constant * jax.nn.log_softmax(logits)).sum(-1)
