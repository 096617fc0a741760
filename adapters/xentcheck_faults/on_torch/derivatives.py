"""What one forward and one backward pass do not show: other upstream gradients, forward mode, second derivatives, the
gradient to the labels, mapped functions."""

from __future__ import annotations

from typing import Any

import torch

from xentcheck_faults.on_torch.honest import Tensor, per_row, softmax_minus_label


class _Gradient(torch.autograd.Function):
    """The gradient as a function of its own; subclasses differentiate it wrongly."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, upstream: Tensor) -> Tensor:
        ctx.save_for_backward(torch.softmax(logits, -1), upstream)
        return upstream[:, None] * softmax_minus_label(logits, labels)


class _WithoutRankOne(_Gradient):
    """diag(p) for diag(p) - p pᵀ."""

    @staticmethod
    def backward(ctx: Any, vector: Tensor) -> Any:
        softmax, upstream = ctx.saved_tensors
        return softmax * upstream[:, None] * vector, None, None


class _UpstreamForgotten(_Gradient):
    """Right to the logits, and constant to the upstream gradient."""

    @staticmethod
    def backward(ctx: Any, vector: Tensor) -> Any:
        softmax, upstream = ctx.saved_tensors
        along = (softmax * vector).sum(-1, keepdim=True)
        return upstream[:, None] * softmax * (vector - along), None, torch.zeros_like(upstream)


class _Loss(torch.autograd.Function):
    """The loss; subclasses have its gradient."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.save_for_backward(logits, labels)
        return per_row(logits, labels)


class _DropsATerm(_Loss):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return _WithoutRankOne.apply(*ctx.saved_tensors, upstream), None


class _ConstantUpstream(_Loss):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return _UpstreamForgotten.apply(*ctx.saved_tensors, upstream), None


class _Forward(torch.autograd.Function):
    """With a forward mode; subclasses change the tangent."""

    @staticmethod
    def forward(logits: Tensor, labels: Tensor) -> Tensor:
        return per_row(logits, labels)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return upstream[:, None] * softmax_minus_label(*ctx.saved_tensors), None


class _NotCentred(_Forward):
    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> Tensor:
        return -tangent.gather(-1, ctx.saved_tensors[1][:, None])[:, 0]


class _Dropped(_Forward):
    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> Tensor:
        return torch.zeros_like(tangent[:, 0])


class _MappedOverOneLabel(_Forward):
    """A mapping rule that takes the labels for the same in all of what is mapped over."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, logits: Tensor, labels: Tensor) -> Any:
        rows = logits.movedim(in_dims[0], 0).flatten(0, 1)
        every = labels if in_dims[1] is None else labels.select(in_dims[1], 0)
        loss = _MappedOverOneLabel.apply(rows, every.repeat(info.batch_size))
        return loss.unflatten(0, (info.batch_size, -1)), 0


def second_derivative_drops_a_term(logits: Tensor, labels: Tensor) -> Tensor:
    """diag(p) for diag(p) - p pᵀ."""
    return _DropsATerm.apply(logits, labels)


def gradient_taken_for_a_constant(logits: Tensor, labels: Tensor) -> Tensor:
    """Loss and gradient without a graph, put together again: every second derivative is 0."""
    fixed = logits.detach()
    slope = softmax_minus_label(fixed, labels)
    return per_row(fixed, labels) + (slope * (logits - fixed)).sum(-1)


def second_derivative_halved(logits: Tensor, labels: Tensor) -> Tensor:
    """Right at the point where it is taken, and so is its slope, but half of it is a constant."""
    return (per_row(logits, labels) + gradient_taken_for_a_constant(logits, labels)) / 2


def second_derivative_unweighted(
    input: Tensor, target: Tensor, *, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Class weights in the loss and in the gradient, not in the gradient's derivative."""
    plain = per_row(input, target)
    if weight is None:
        weights = torch.ones_like(plain)
    else:
        weights = weight[target]
        plain = plain + (weights - 1) * gradient_taken_for_a_constant(input, target)
    return plain if reduction == "none" else plain.sum() / (1 if reduction == "sum" else weights.sum())


def upstream_forgotten_by_the_second_pass(logits: Tensor, labels: Tensor) -> Tensor:
    """The second backward pass is right to the logits, and zero to the upstream gradient."""
    return _ConstantUpstream.apply(logits, labels)


def tangents_not_centred(logits: Tensor, labels: Tensor) -> Tensor:
    """Forward mode of the label's logit alone."""
    return _NotCentred.apply(logits, labels)


def tangents_dropped(logits: Tensor, labels: Tensor) -> Tensor:
    """Forward mode of a constant."""
    return _Dropped.apply(logits, labels)


def a_row_alone_is_not_averaged(logits: Tensor, labels: Tensor) -> Tensor:
    """Scaled by a number of rows that a mapped function does not see."""
    mapped = torch._C._functorch.peek_interpreter_stack() is not None
    return per_row(logits, labels) * (2 if mapped and len(logits) == 1 else 1)


def mapped_over_one_label(logits: Tensor, labels: Tensor) -> Tensor:
    """Mapped over the rows, all of them have the first one's label."""
    return _MappedOverOneLabel.apply(logits, labels)


def labels_forgotten_by_the_gradient(logits: Tensor, labels: Tensor) -> Tensor:
    """Soft labels, whose part in the gradient is a constant; the graph still leads to them."""
    log_softmax = torch.log_softmax(logits, -1)
    constant = labels.detach()
    change = (labels - constant) * (log_softmax.detach() + 0 * log_softmax)
    return -(constant * log_softmax).sum(-1) - change.sum(-1)


def no_gradient_to_labels_of_zero(logits: Tensor, labels: Tensor) -> Tensor:
    """The guard against 0 times infinity cuts the graph to every label that is 0."""
    return -torch.where(labels == 0, 0, labels * torch.log_softmax(logits, -1)).sum(-1)


def gradient_to_labels_of_a_batch_mean(logits: Tensor, labels: Tensor) -> Tensor:
    """The labels' gradient is scaled by the number of rows, the logits' is not."""
    scaled = labels.detach() + (labels - labels.detach()) / len(logits)
    return -(scaled * torch.log_softmax(logits, -1)).sum(-1)
