"""Softmax cross-entropy for JAX on the CPU: a call of the extension through jax.ffi, with a gradient in reverse mode.

The backward pass computes the gradient from the logits, with the upstream gradient in it: see torch_loss.py.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xentcheck_kernels import cpu
from xentcheck_kernels.options import REDUCTIONS, check_options

_TARGET = "xentcheck_kernels_cross_entropy"
_DTYPES = ("float16", "bfloat16", "float32", "float64")
_INDICES = ("int32", "int64")


def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    weight: Any | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "mean",
) -> Any:
    """The loss, float32 for 16-bit logits; jax.grad and jax.vjp differentiate it with respect to the logits.

    logits  (N, C); jax.vmap runs one batch after the other
    labels  (N,) int32 or int64 class indices, or (N, C) in the logits' dtype

    The other arguments are those of `xentcheck_kernels.cross_entropy`, and all but the arrays are static under jax.jit.

    Raises:
        TypeError, ValueError: as `xentcheck_kernels.cross_entropy`, when the call is traced.
        ValueError, jax.errors.JaxRuntimeError: a label outside [0, C) that is not `ignore_index`, when the call is run.
        NotImplementedError: a gradient to labels or weight.
        RuntimeError: the extension was not built.
    """
    _register()
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    wide = jnp.float64 if logits.dtype == jnp.float64 else jnp.float32
    given = jnp.zeros(0, wide) if weight is None else jnp.asarray(weight, wide)
    _check(logits, labels, None if weight is None else given, label_smoothing, z_loss, reduction)
    options = (int(ignore_index), float(label_smoothing), float(z_loss), REDUCTIONS.index(reduction))
    return _loss(logits, labels, given, options)


def _check(logits: Any, labels: Any, weight: Any, label_smoothing: float, z_loss: float, reduction: str) -> None:
    if str(logits.dtype) not in _DTYPES:
        raise TypeError(f"logits: got {logits.dtype}, expected {', '.join(_DTYPES)}")
    if logits.ndim != 2 or not logits.shape[1]:
        raise ValueError(f"logits: got shape {logits.shape}, expected (N, C) and at least one class")
    is_dense = labels.dtype == logits.dtype
    if not is_dense and str(labels.dtype) not in _INDICES:
        raise TypeError(f"labels: got {labels.dtype}, expected {' or '.join(_INDICES)}, or rows of {logits.dtype}")
    due = {"labels": logits.shape if is_dense else logits.shape[:1], "weight": logits.shape[1:]}
    for name, array in (("labels", labels), ("weight", weight)):
        if array is not None and array.shape != due[name]:
            raise ValueError(f"{name}: got shape {array.shape}, expected {due[name]}")
    check_options(label_smoothing, reduction)
    if not z_loss >= 0:
        raise ValueError(f"z_loss: got {z_loss}, expected 0 or more")


@functools.cache
def _register() -> None:
    jax.ffi.register_ffi_target(_TARGET, cpu.ffi_handler(), platform="cpu")


def _call(logits: Any, labels: Any, weight: Any, upstream: Any, options: tuple[Any, ...], wants_gradient: bool) -> Any:
    ignore_index, label_smoothing, z_loss, reduction = options
    loss = jax.ShapeDtypeStruct(logits.shape[:1] if REDUCTIONS[reduction] == "none" else (), weight.dtype)
    gradient = jax.ShapeDtypeStruct(logits.shape, logits.dtype)
    call = jax.ffi.ffi_call(_TARGET, (loss, gradient) if wants_gradient else (loss,), vmap_method="sequential")
    return call(
        logits,
        labels,
        weight,
        upstream,
        ignore_index=np.int64(ignore_index),
        label_smoothing=np.float64(label_smoothing),
        z_loss=np.float64(z_loss),
        reduction=np.int64(reduction),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _loss(logits: Any, labels: Any, weight: Any, options: tuple[Any, ...]) -> Any:
    return _call(logits, labels, weight, jnp.zeros(0, weight.dtype), options, wants_gradient=False)[0]


def _forward(logits: Any, labels: Any, weight: Any, options: tuple[Any, ...]) -> Any:
    if labels.perturbed or weight.perturbed:
        raise NotImplementedError("cross_entropy: got a gradient to labels or weight to find, expected to logits only")
    arrays = logits.value, labels.value, weight.value
    return _loss(*arrays, options), arrays


def _backward(options: tuple[Any, ...], arrays: Any, upstream: Any) -> Any:
    logits, labels, weight = arrays
    if isinstance(upstream, jax.custom_derivatives.SymbolicZero):
        return jnp.zeros_like(logits), None, None
    return _call(logits, labels, weight, upstream, options, wants_gradient=True)[1], None, None


_loss.defvjp(_forward, _backward, symbolic_zeros=True)
