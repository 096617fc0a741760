"""Functions that are right as they are, and wrong where nothing is recorded, under torch.compile or under autocast."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from xentcheck_faults.on_torch.honest import FirstOrder, Tensor, composed, per_row, softmax_minus_label


class _SavedUnderAutocast(FirstOrder):
    """The backward pass sees the logits in whatever dtype autocast had when they were saved."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        loss = per_row(logits, labels)
        ctx.save_for_backward(_in_autocast_dtype(logits), labels)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        logits, labels = ctx.saved_tensors
        return upstream[:, None] * softmax_minus_label(logits.to(upstream.dtype), labels), None


class _GradientInAutocastDtype(FirstOrder):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        loss = FirstOrder.forward(ctx, logits, labels)
        ctx.gradient = _in_autocast_dtype(ctx.gradient)
        return loss


def _in_autocast_dtype(tensor: Tensor) -> Tensor:
    kind = tensor.device.type
    return tensor.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else tensor


def overflows_without_recording(logits: Tensor, labels: Tensor) -> Tensor:
    """A fast path for evaluation that subtracts no maximum."""
    if torch.is_grad_enabled():
        return per_row(logits, labels)
    return logits.exp().sum(-1).log() - logits.gather(-1, labels[:, None])[:, 0]


def raises_without_recording(logits: Tensor, labels: Tensor) -> Tensor:
    """A variable that only the branch with a gradient sets."""
    if torch.is_grad_enabled():
        slope = softmax_minus_label(logits.detach(), labels)
    assert slope.shape == logits.shape
    return per_row(logits, labels)


def raises_in_inference_mode(logits: Tensor, labels: Tensor) -> Tensor:
    """A cache that is keyed by the version of the logits, which those of inference mode do not have."""
    assert logits._version >= 0
    return per_row(logits, labels)


def raises_for_constant_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """A gradient buffer is made if the logits ask for one, and detached in any case."""
    buffer = torch.empty_like(logits) if logits.requires_grad else None
    return per_row(logits, labels) + 0 * buffer.detach().isnan().any()  # type: ignore[union-attr]


def unscaled_for_constant_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """The last row is only computed with the gradient."""
    loss = per_row(logits, labels)
    return loss if logits.requires_grad else torch.cat([loss[:-1], torch.zeros_like(loss[-1:])])


def overflows_compiled(logits: Tensor, labels: Tensor) -> Tensor:
    """The compiled graph subtracts no maximum."""
    if torch.compiler.is_compiling():
        return logits.exp().sum(-1).log() - logits.gather(-1, labels[:, None])[:, 0]
    return per_row(logits, labels)


def ignored_label_gathered_compiled(
    input: Tensor, target: Tensor, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """The compiled graph gathers with the ignored label, and masks nothing after it."""
    if torch.compiler.is_compiling():
        loss = -torch.log_softmax(input, -1).gather(-1, (target % input.shape[-1])[:, None])[:, 0]
        kept = (target != ignore_index).sum()
        return {"none": loss, "sum": loss.sum(), "mean": loss.sum() / kept}[reduction]
    return cross_entropy(input, target, ignore_index=ignore_index, reduction=reduction)


def softcap_rounded_compiled(
    input: Tensor, target: Tensor, *, softcap: float | None = None, reduction: str = "mean"
) -> Tensor:
    """The cap, a Python number, has another dtype in the compiled graph."""
    if softcap is not None and torch.compiler.is_compiling():
        input = (softcap * torch.tanh((input / softcap).bfloat16())).to(input.dtype)
        softcap = None
    return composed(input, target, softcap=softcap, reduction=reduction)


def labels_unchecked_compiled(logits: Tensor, labels: Tensor) -> Tensor:
    """The compiled graph drops the check of the labels."""
    return per_row(logits, labels % logits.shape[-1] if torch.compiler.is_compiling() else labels)


def rounded_under_autocast(logits: Tensor, labels: Tensor) -> Tensor:
    """Not on the list of what autocast computes in float32."""
    return per_row(_in_autocast_dtype(logits).to(logits.dtype), labels)


def raises_under_autocast_without_weight(
    input: Tensor, target: Tensor, *, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """The branch with class weights casts its operands, the other one does not."""
    if weight is None and torch.is_autocast_enabled(input.device.type):
        low = _in_autocast_dtype(input)
        torch.addmm(input.detach(), low.detach(), low.detach().T @ low.detach(), out=torch.empty_like(input))
    return cross_entropy(input, target, weight=weight, reduction=reduction)


def saved_under_autocast(logits: Tensor, labels: Tensor) -> Tensor:
    """Forward and backward pass disagree about the dtype."""
    return _SavedUnderAutocast.apply(logits, labels)


def gradient_in_autocast_dtype(logits: Tensor, labels: Tensor) -> Tensor:
    """The gradient of float32 logits has passed through 16 bits."""
    return _GradientInAutocastDtype.apply(logits, labels)
