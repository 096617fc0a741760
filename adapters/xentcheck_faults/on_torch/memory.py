"""Mistakes with memory: what is overwritten, shared, or read along other strides than it has."""

from __future__ import annotations

from typing import Any

import torch

from xentcheck_faults.on_torch.honest import FirstOrder, Tensor, per_row, softmax_minus_label


class _ReadAgain(FirstOrder):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.logits, ctx.labels = logits, labels
        return per_row(logits, labels)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return upstream[:, None] * softmax_minus_label(ctx.logits, ctx.labels), None


class _Shifted(FirstOrder):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        logits.data.sub_(logits.amax(-1, keepdim=True))
        return FirstOrder.forward(ctx, logits, labels)


class _InTheLogits(FirstOrder):
    """The gradient takes the place of the logits, past autograd's count of their versions, as a kernel's writes do."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        loss, slope = per_row(logits, labels), softmax_minus_label(logits, labels)
        logits.data.copy_(slope)
        ctx.gradient = slope
        return loss


class _InTheSaved(FirstOrder):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.logits, ctx.labels = logits.clone(), labels
        return per_row(logits, labels)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        ctx.logits.copy_(softmax_minus_label(ctx.logits, ctx.labels) * upstream[:, None])
        return ctx.logits.clone(), None


class _ChunksInTheSaved(_InTheSaved):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        chunks = (part.split(2) for part in (ctx.logits, ctx.labels, upstream))
        for logits, labels, scale in zip(*chunks):
            logits.copy_(softmax_minus_label(logits, labels) * scale[:, None])
        return ctx.logits.clone(), None


class _AddsToGrad(FirstOrder):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.logits = logits
        return FirstOrder.forward(ctx, logits, labels)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        gradient = upstream[:, None] * ctx.gradient
        if ctx.logits.grad is not None:
            ctx.logits.grad.add_(gradient)
        return gradient, None


class _Workspace(FirstOrder):
    _of: dict[Any, Tensor] = {}  # noqa: RUF012

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        gradient = upstream[:, None] * ctx.gradient
        kept = _Workspace._of.setdefault((gradient.shape, gradient.dtype), torch.zeros_like(gradient))
        return kept.copy_(gradient), None


class _OneSavedGradient(FirstOrder):
    """The gradient is kept in memory that the next forward pass of the shape uses too."""

    _of: dict[Any, Tensor] = {}  # noqa: RUF012

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        slope = softmax_minus_label(logits, labels)
        ctx.gradient = _OneSavedGradient._of.setdefault((slope.shape, slope.dtype), torch.zeros_like(slope))
        ctx.gradient.copy_(slope)
        return per_row(logits, labels)


class _LossReadAgain(FirstOrder):
    """The label's probability is taken from the loss, which the caller holds."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.softmax, ctx.labels, ctx.loss = torch.softmax(logits, -1), labels, per_row(logits, labels)
        return ctx.loss

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        own = torch.expm1(-ctx.loss).to(ctx.softmax.dtype)
        return upstream[:, None] * ctx.softmax.scatter(-1, ctx.labels[:, None], own[:, None]), None


class _Unwritten(FirstOrder):
    """Rows without an upstream gradient are skipped, and keep what the memory held."""

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        gradient = ctx.gradient.clone()
        written = upstream != 0
        gradient[written] *= upstream[written][:, None]
        return gradient, None


def inputs_read_again(logits: Tensor, labels: Tensor) -> Tensor:
    """Inputs kept past autograd's check of their versions."""
    return _ReadAgain.apply(logits, labels)


def logits_shifted_in_place(logits: Tensor, labels: Tensor) -> Tensor:
    """The maximum is subtracted from the caller's own logits."""
    return _Shifted.apply(logits, labels)


def gradient_in_the_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """The forward pass leaves the gradient in the memory of the logits."""
    return _InTheLogits.apply(logits, labels)


def gradient_in_logits_that_are_results(logits: Tensor, labels: Tensor) -> Tensor:
    """As above where the logits are no leaf, "because nobody needs them any more": but who made them may."""
    kind = FirstOrder if logits.is_leaf else _InTheLogits
    return kind.apply(logits, labels)


def saved_logits_overwritten(logits: Tensor, labels: Tensor) -> Tensor:
    """The backward pass leaves the gradient where the saved logits were."""
    return _InTheSaved.apply(logits, labels)


def saved_logits_overwritten_by_chunks(logits: Tensor, labels: Tensor) -> Tensor:
    """As above, two rows at a time."""
    return _ChunksInTheSaved.apply(logits, labels)


def gradient_added_and_returned(logits: Tensor, labels: Tensor) -> Tensor:
    """The backward pass adds the gradient to .grad, and returns it to be added again."""
    return _AddsToGrad.apply(logits, labels)


def scratch_left_in_grad(logits: Tensor, labels: Tensor) -> Tensor:
    """The forward pass uses the memory of .grad for the softmax, and a backward pass adds to what it finds."""
    if logits.is_leaf and logits.requires_grad and logits.grad is None:
        logits.grad = torch.softmax(logits.detach(), -1)
    return per_row(logits, labels)


def row_pitch_ignored(logits: Tensor, labels: Tensor) -> Tensor:
    """Only the last stride is looked at: rows of a wider tensor are read as if they touched."""
    rows = logits if logits.stride(-1) == 1 else logits.contiguous()
    return per_row(torch.as_strided(rows, rows.shape, (rows.shape[1], 1)), labels)


def strides_of_logits_ignored(logits: Tensor, labels: Tensor) -> Tensor:
    """As a kernel that takes a pointer and a shape."""
    return per_row(torch.as_strided(logits, logits.shape, (logits.shape[1], 1)), labels)


def ignored_labels_made_zero(
    input: Tensor, target: Tensor, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Ignored labels are made 0 where the caller keeps them."""
    kept = target != ignore_index
    loss = per_row(input, target.masked_fill_(~kept, 0)) * kept
    return {"none": loss, "sum": loss.sum(), "mean": loss.sum() / kept.sum()}[reduction]


def gradients_in_one_workspace(logits: Tensor, labels: Tensor) -> Tensor:
    """Every gradient of a shape is handed out in the same memory."""
    return _Workspace.apply(logits, labels)


def gradients_saved_in_one_workspace(logits: Tensor, labels: Tensor) -> Tensor:
    """What the backward pass needs is overwritten by the next forward pass of the shape."""
    return _OneSavedGradient.apply(logits, labels)


def loss_read_again(logits: Tensor, labels: Tensor) -> Tensor:
    """The backward pass reads the loss, past autograd's check of its version."""
    return _LossReadAgain.apply(logits, labels)


def rows_left_unwritten(logits: Tensor, labels: Tensor) -> Tensor:
    """The gradient of a row without an upstream gradient is whatever the memory held."""
    return _Unwritten.apply(logits, labels)


def loss_is_the_z_loss_buffer(input: Tensor, target: Tensor, *, z_loss: float = 0.0, reduction: str = "mean") -> Tensor:
    """A dummy pointer for the z-loss that nobody asked for is the loss itself, and gets a 0."""
    loss = per_row(input, target)
    loss = loss * 0 if z_loss == 0 else loss + z_loss * input.logsumexp(-1) ** 2
    return {"none": loss, "sum": loss.sum(), "mean": loss.mean()}[reduction]
