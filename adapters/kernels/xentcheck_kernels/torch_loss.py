"""Softmax cross-entropy for PyTorch: a custom operator with autograd, which torch.compile leaves whole.

The backward pass computes the gradient from the logits, with the upstream gradient in it. To keep a gradient from the
forward pass would round it twice, in 16 bits by a whole ulp, and keep N x C numbers more between the passes.
"""

from __future__ import annotations

from typing import Any

import torch

from xentcheck_kernels import cpu

_NAME = "xentcheck_kernels::cross_entropy"


def cross_entropy(
    input: torch.Tensor,
    target: torch.Tensor,
    *,
    weight: torch.Tensor | None = None,
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


_OPTIONS = "int ignore_index, float label_smoothing, float z_loss, str reduction"
_ARGUMENTS = f"Tensor logits, Tensor labels, Tensor? weight, {_OPTIONS}"


@torch.library.custom_op(_NAME, mutates_args=(), device_types="cpu", schema=f"({_ARGUMENTS}) -> Tensor")
def _loss(logits: Any, labels: Any, weight: Any, *options: Any) -> Any:
    return cpu.cross_entropy(logits.detach(), labels.detach(), **_named(weight, *options))


@_loss.register_fake
def _(logits: Any, labels: Any, weight: Any, *options: Any) -> Any:
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    is_per_row = _named(weight, *options)["reduction"] == "none"
    return logits.new_empty(logits.shape[:1] if is_per_row else (), dtype=wide)


@torch.library.custom_op(
    f"{_NAME}_gradient", mutates_args=(), device_types="cpu", schema=f"(Tensor grad_output, {_ARGUMENTS}) -> Tensor"
)
def _gradient(grad_output: Any, logits: Any, labels: Any, weight: Any, *options: Any) -> Any:
    given = {"grad": True, "grad_output": grad_output.detach(), **_named(weight, *options)}
    return cpu.cross_entropy(logits.detach(), labels.detach(), **given)[1]


@_gradient.register_fake
def _(grad_output: Any, logits: Any, *others: Any) -> Any:
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _named(weight: Any, ignore_index: int, label_smoothing: float, z_loss: float, reduction: str) -> dict[str, Any]:
    return {
        "weight": None if weight is None else weight.detach(),
        "ignore_index": ignore_index,
        "label_smoothing": label_smoothing,
        "z_loss": z_loss,
        "reduction": reduction,
    }


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
