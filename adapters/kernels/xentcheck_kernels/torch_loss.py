"""Softmax cross-entropy for PyTorch: a custom operator with autograd, which torch.compile leaves whole.

The backward pass computes the gradient from the logits, with the upstream gradient in it. To keep a gradient from the
forward pass would round it twice, in 16 bits by a whole ulp, and keep N x C numbers more between the passes.
"""

from __future__ import annotations

from typing import Any, Optional

import torch

from xentcheck_kernels import cpu

_NAME = "xentcheck_kernels::cross_entropy"


def cross_entropy(
    input: torch.Tensor,
    target: torch.Tensor,
    *,
    weight: Optional[torch.Tensor] = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "mean",
) -> torch.Tensor:
    """torch.nn.functional.cross_entropy of (N, C) logits on the CPU, whose loss is float32 for 16-bit logits.

    input   (N, C) logits; autograd differentiates with respect to them, once
    target  (N,) int32 or int64 class indices, or (N, C) in the logits' dtype

    The other arguments, and the errors that are raised, are those of `xentcheck_kernels.cross_entropy`; in addition,
    NotImplementedError where a gradient to target or weight, or one of the gradient, is asked for.
    """
    return _loss(input, target, weight, ignore_index, label_smoothing, z_loss, reduction)


@torch.library.custom_op(_NAME, mutates_args=(), device_types="cpu")
def _loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    weight: Optional[torch.Tensor],
    ignore_index: int,
    label_smoothing: float,
    z_loss: float,
    reduction: str,
) -> torch.Tensor:
    options = _options(weight, ignore_index, label_smoothing, z_loss, reduction)
    return cpu.cross_entropy(logits.detach(), labels.detach(), **options)  # type: ignore[no-any-return]


@torch.library.custom_op(f"{_NAME}_gradient", mutates_args=(), device_types="cpu")
def _gradient(
    grad_output: torch.Tensor,
    logits: torch.Tensor,
    labels: torch.Tensor,
    weight: Optional[torch.Tensor],
    ignore_index: int,
    label_smoothing: float,
    z_loss: float,
    reduction: str,
) -> torch.Tensor:
    options = _options(weight, ignore_index, label_smoothing, z_loss, reduction)
    _, gradient = cpu.cross_entropy(
        logits.detach(), labels.detach(), grad=True, grad_output=grad_output.detach(), **options
    )
    return gradient  # type: ignore[no-any-return]


def _options(weight: Optional[torch.Tensor], *options: Any) -> dict[str, Any]:
    names = ("ignore_index", "label_smoothing", "z_loss", "reduction")
    return {"weight": None if weight is None else weight.detach(), **dict(zip(names, options))}


@_loss.register_fake
def _(logits: Any, labels: Any, weight: Any, ignore_index: int, label_smoothing: float, z_loss: float, reduction: str) -> Any:
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    return logits.new_empty(logits.shape[:1] if reduction == "none" else (), dtype=wide)


@_gradient.register_fake
def _(grad_output: Any, logits: Any, *_: Any) -> Any:
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    logits, labels, weight, *ctx.options = inputs
    ctx.save_for_backward(logits, labels, weight)


def _backward(ctx: Any, grad_output: Any) -> tuple[Any, ...]:
    _, to_labels, to_weight, *_ = ctx.needs_input_grad
    if to_labels or to_weight:
        raise NotImplementedError(f"{_NAME}: got a target or weight that requires a gradient, expected logits only")
    gradient = _gradient(grad_output, *ctx.saved_tensors, *ctx.options)
    return (gradient, *[None] * (2 + len(ctx.options)))


_loss.register_autograd(_backward, setup_context=_setup_context)
