"""Honest PyTorch functions: a composition that autograd differentiates, with every option, and a gradient by hand. None
may be accused."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy, one_hot

Tensor = Any


def composed(
    input: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    sample_weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The contract in PyTorch's own operations, 16-bit logits in float32; classes where cross_entropy has them."""
    dense = target.is_floating_point()
    if dense and target.shape != input.shape:
        raise ValueError(f"target: got {tuple(target.shape)}, expected rows {tuple(input.shape)} or class indices")
    logits = input.movedim(min(1, input.dim() - 1), -1)
    wide = widened(logits)
    if dense:
        kept = torch.ones_like(wide[..., 0], dtype=torch.bool)
        labels = target.movedim(min(1, target.dim() - 1), -1).to(wide.dtype)
    else:
        kept = target != ignore_index
        labels = one_hot(checked(target, kept, wide.shape), wide.shape[-1]).to(wide.dtype) * kept[..., None]
    wide = torch.where(kept[..., None], wide, 0)  # ignored rows may be NaN, and 0 times NaN is NaN
    capped = wide if softcap is None else softcap * torch.tanh(wide / softcap)
    log_softmax = torch.log_softmax(capped, -1)
    q = (1 - label_smoothing) * labels + label_smoothing / wide.shape[-1] * kept[..., None].to(wide.dtype)
    q = q if weight is None else q * weight.to(wide.dtype)
    # 0 times infinity is 0, and the gradient to a label of 0 is minus its log-softmax where that is finite
    loss = -(q * torch.where((q == 0) & log_softmax.isneginf(), 0, log_softmax)).sum(-1)
    if z_loss:
        loss = loss + torch.where(kept, z_loss * capped.logsumexp(-1) ** 2, 0)
    rows = kept.to(wide.dtype) if sample_weight is None else sample_weight.to(wide.dtype) * kept
    loss = loss * rows
    if reduction == "none":
        return loss.to(input.dtype)
    if reduction == "sum":
        return loss.sum().to(input.dtype)
    divisor = rows if dense or weight is None else rows * (labels @ weight.to(wide.dtype))
    return (loss.sum() / divisor.sum()).to(input.dtype)


def widened(logits: Tensor) -> Tensor:
    """Logits of 16 bits in float32, others as they are."""
    return logits.float() if logits.element_size() == 2 else logits


def checked(target: Tensor, kept: Tensor, shape: Any) -> Tensor:
    """Class indices with 0 in the place of ignored ones; an error for a wrong shape, dtype or range."""
    if target.shape != shape[:-1] or target.dtype == torch.bool:
        raise ValueError(f"target: got {target.dtype} {tuple(target.shape)}, expected indices {tuple(shape[:-1])}")
    if (kept & ((target < 0) | (target >= shape[-1]))).any():
        raise IndexError(f"target: got an index outside [0, {shape[-1]})")
    return torch.where(kept, target, 0)


def per_row(logits: Tensor, labels: Tensor) -> Tensor:
    """PyTorch's own, a loss for each row of class indices, 16-bit logits in float32."""
    if labels.is_floating_point():
        raise TypeError(f"labels: got {labels.dtype}, expected class indices")
    return cross_entropy(widened(logits), labels, reduction="none").to(logits.dtype)


def softmax_minus_label(logits: Tensor, labels: Tensor) -> Tensor:
    """(N, C) the gradient of `per_row` for class indices."""
    softmax = torch.softmax(widened(logits), -1)
    return (softmax - one_hot(labels, logits.shape[-1])).to(logits.dtype)


class FirstOrder(torch.autograd.Function):
    """A loss with a gradient by hand; faulty ones change how that is remembered and scaled."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.gradient = softmax_minus_label(logits, labels)
        return per_row(logits, labels)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return upstream[:, None] * ctx.gradient, None


def by_hand(logits: Tensor, labels: Tensor) -> Tensor:
    """Class indices, with a gradient by hand."""
    return FirstOrder.apply(logits, labels)
