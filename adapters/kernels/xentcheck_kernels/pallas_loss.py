"""Softmax cross-entropy with its gradient in Pallas, for JAX on a GPU; on the CPU Pallas interprets the kernels.

`cross_entropy` is differentiated by jax.grad: one kernel sums the rows, another writes their gradient once the
upstream gradient is there, so a gradient is rounded once. `value_and_grad` is for whoever knows the upstream gradient
at once: it sums a row and writes its gradient in one kernel, and the second read of the row is meant to hit L2.

Bytes of device memory for each logit of b bytes: loss b; loss and gradient by jax.grad 3 b, by `value_and_grad` 2 b
while L2 holds a row for each program that runs (unlike in `triton_plan.py` nothing limits how many those are).

The arithmetic is that of `triton_rows.py`, where it is explained. None of this has run on a device.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as on_gpu

from xentcheck_kernels.options import check_options
from xentcheck_kernels.pallas_rows import Options, Sums, label_of, loss_of, slopes_of, store_gradient, sum_row

_LARGEST_BLOCK = 2048


def cross_entropy(
    logits: jax.Array,
    labels: jax.Array,
    *,
    weight: jax.Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "mean",
) -> jax.Array:
    """Softmax cross-entropy of logits (N, C) and class indices (N,), as torch.nn.functional.cross_entropy has it.

    logits  float16, bfloat16, float32 or float64
    labels  int32 or int64. A label outside [0, C) that is not `ignore_index` makes its row's loss and gradient NaN
    weight  (C,) class weights; they are taken for constants
    z_loss  zeta: each kept row's loss gains zeta lse², which is not weighted

    The loss is float32 for 16-bit logits, else in the dtype of the logits. Its gradient refuses to be differentiated.

    Raises TypeError and ValueError for what is neither.
    """
    options = _checked(logits, labels, weight, ignore_index, label_smoothing, z_loss, reduction)
    weights = _weights(logits, weight)
    losses = _losses(logits, labels, weights, options)
    return losses if reduction == "none" else losses.sum() / _divisor(labels, weights, options, reduction)


def value_and_grad(
    logits: jax.Array,
    labels: jax.Array,
    *,
    weight: jax.Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "mean",
    cotangent: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The loss of `cross_entropy`, and the gradient of the logits under a cotangent of the loss, None for ones."""
    options = _checked(logits, labels, weight, ignore_index, label_smoothing, z_loss, reduction)
    weights = _weights(logits, weight)
    divisor = jnp.ones((), weights.dtype) if reduction == "none" else _divisor(labels, weights, options, reduction)
    given = jnp.ones((), weights.dtype) if cotangent is None else jnp.asarray(cotangent, weights.dtype)
    scale = jnp.broadcast_to(given / divisor, labels.shape)
    if not labels.size:
        losses, grad = jnp.zeros(0, weights.dtype), jnp.zeros_like(logits)
    else:
        losses, grad = _call(_fused_kernel, options, logits, labels, weights, scale)
    return losses if reduction == "none" else losses.sum() / divisor, grad


def _checked(
    logits: Any,
    labels: Any,
    weight: Any,
    ignore_index: int,
    label_smoothing: float,
    z_loss: float,
    reduction: str,
) -> Options:
    if logits.dtype not in (jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64):
        raise TypeError(f"logits of {logits.dtype}, expected float16, bfloat16, float32 or float64")
    if labels.dtype not in (jnp.int32, jnp.int64):
        raise TypeError(f"labels of {labels.dtype}, expected class indices as int32 or int64")
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not logits.shape[1]:
        raise ValueError(
            f"logits of shape {logits.shape} and labels of shape {labels.shape}, "
            "expected (N, C) and (N,), with a class at least"
        )
    if weight is not None and (weight.shape != logits.shape[1:] or not jnp.issubdtype(weight.dtype, jnp.floating)):
        raise ValueError(
            f"class weights of {weight.dtype}, shape {weight.shape}, expected ({logits.shape[1]},) real numbers"
        )
    check_options(label_smoothing, reduction)
    block = min(pl.next_power_of_2(logits.shape[1]), _LARGEST_BLOCK)
    return Options(logits.shape[1], block, ignore_index, label_smoothing, z_loss, weight is not None)


def _weights(logits: Any, weight: Any) -> Any:
    """The class weights in the accumulator's dtype; one number where there are none."""
    accumulator = jnp.float64 if logits.dtype == jnp.float64 else jnp.float32
    return jnp.ones(1, accumulator) if weight is None else jax.lax.stop_gradient(jnp.asarray(weight, accumulator))


def _divisor(labels: Any, weights: Any, options: Options, reduction: str) -> Any:
    """() what the sum of the losses is divided by. A label that is none has any weight: the mean is NaN anyway."""
    if reduction == "sum":
        return jnp.ones((), weights.dtype)
    of_labels = weights[jnp.clip(labels, 0, len(weights) - 1)]
    return jnp.where(labels == options.ignore_index, 0.0, of_labels).sum()


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _losses(logits: Any, labels: Any, weights: Any, options: Options) -> Any:
    return _sums(logits, labels, weights, options)[0]


def _forward(logits: Any, labels: Any, weights: Any, options: Options) -> tuple[Any, tuple[Any, ...]]:
    losses, records = _sums(logits, labels, weights, options)
    return losses, (logits, labels, weights, records)


def _backward(options: Options, saved: tuple[Any, ...], cotangent: Any) -> tuple[Any, None, None]:
    return _gradient(*saved, cotangent, options), None, None


_losses.defvjp(_forward, _backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _sums(logits: Any, labels: Any, weights: Any, options: Options) -> tuple[Any, Any]:
    """Losses, and what the gradient wants to know of each row."""
    if not labels.size:
        return jnp.zeros(0, weights.dtype), jnp.zeros((0, 3), weights.dtype)
    losses, records = _call(_loss_kernel, options, logits, labels, weights)
    return losses, records


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def _gradient(logits: Any, labels: Any, weights: Any, records: Any, cotangent: Any, options: Options) -> Any:
    if not labels.size:
        return jnp.zeros_like(logits)
    return _call(_gradient_kernel, options, logits, labels, weights, records, cotangent)[0]


def _not_twice(*_: Any) -> Any:
    raise NotImplementedError("the gradient of this cross-entropy is a kernel, which has no derivative of its own")


_sums.defvjp(_not_twice, _not_twice)
_gradient.defvjp(_not_twice, _not_twice)


def _loss_kernel(options: Options, logits: Any, labels: Any, weights: Any, losses: Any, records: Any) -> None:
    row = pl.program_id(0)
    label = label_of(options, logits, labels, weights, row)
    sums = sum_row(options, logits, weights, row, label)
    losses[row] = loss_of(options, sums, label)
    records[row, 0], records[row, 1], records[row, 2] = sums.m, sums.others, sums.weight


def _gradient_kernel(
    options: Options, logits: Any, labels: Any, weights: Any, records: Any, scale: Any, grad: Any
) -> None:
    row = pl.program_id(0)
    label = label_of(options, logits, labels, weights, row)
    sums = Sums(records[row, 0], records[row, 1], None, records[row, 2])
    slopes = slopes_of(options, sums, label, scale[row])
    store_gradient(options, logits, weights, grad, row, label, sums.m, slopes)


def _fused_kernel(options: Options, logits: Any, labels: Any, weights: Any, scale: Any, losses: Any, grad: Any) -> None:
    row = pl.program_id(0)
    label = label_of(options, logits, labels, weights, row)
    sums = sum_row(options, logits, weights, row, label)
    losses[row] = loss_of(options, sums, label)
    slopes = slopes_of(options, sums, label, scale[row])
    store_gradient(options, logits, weights, grad, row, label, sums.m, slopes)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _call(kernel: Callable[..., None], options: Options, logits: Any, labels: Any, weights: Any, *more: Any) -> Any:
    """The results of a kernel that runs once for each row."""
    losses = jax.ShapeDtypeStruct(labels.shape, weights.dtype)
    records = jax.ShapeDtypeStruct((*labels.shape, 3), weights.dtype)
    grad = jax.ShapeDtypeStruct(logits.shape, logits.dtype)
    results = {_loss_kernel: (losses, records), _gradient_kernel: (grad,), _fused_kernel: (losses, grad)}

    def run(*arrays: Any, interpret: bool) -> Any:
        return pl.pallas_call(
            functools.partial(kernel, options),
            out_shape=results[kernel],
            grid=labels.shape,
            interpret=interpret,
            compiler_params=on_gpu.CompilerParams(num_warps=8, num_stages=3),
        )(*arrays)

    # Where it runs is known when it is compiled, and not when it is traced
    return jax.lax.platform_dependent(
        logits,
        labels,
        weights,
        *more,
        cpu=functools.partial(run, interpret=True),
        default=functools.partial(run, interpret=False),
    )
