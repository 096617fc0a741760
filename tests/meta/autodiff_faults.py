"""PyTorch functions with one mistake each that only another way to ask for a derivative shows: under one forward and
one backward pass all of them are right."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy

Tensor = Any


def honest(logits: Tensor, labels: Tensor) -> Tensor:
    """PyTorch's own."""
    return cross_entropy(logits, labels, reduction="none")


def _softmax_minus_label(logits: Tensor, labels: Tensor) -> Tensor:
    one_hot = torch.nn.functional.one_hot(labels, logits.shape[-1])
    return torch.softmax(logits, -1) - one_hot.to(logits.dtype)


class _FirstOrder(torch.autograd.Function):
    """A loss with a gradient by hand; subclasses change how that is remembered and scaled."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.logits, ctx.gradient = logits, _softmax_minus_label(logits, labels)
        return honest(logits, labels)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return upstream[:, None] * ctx.gradient, None


class _InPlace(_FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return ctx.gradient.mul_(upstream[:, None]), None


class _Contiguous(_FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return torch.as_strided(upstream, upstream.shape, (1,))[:, None] * ctx.gradient, None


class _FirstElement(_FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        scale = upstream if upstream.stride() != (0,) else upstream / len(upstream)
        return scale[:, None] * ctx.gradient, None


class _ReadAgain(_FirstOrder):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.logits, ctx.labels = logits, labels
        return honest(logits, labels)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return upstream[:, None] * _softmax_minus_label(ctx.logits, ctx.labels), None


class _Forward(torch.autograd.Function):
    """With a forward mode that forgets to centre the tangents."""

    @staticmethod
    def forward(logits: Tensor, labels: Tensor) -> Tensor:
        return honest(logits, labels)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return upstream[:, None] * _softmax_minus_label(*ctx.saved_tensors), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> Tensor:
        return -tangent.gather(-1, ctx.saved_tensors[1][:, None])[:, 0]


def gradient_scaled_in_place(logits: Tensor, labels: Tensor) -> Tensor:
    """The backward pass multiplies what the forward pass kept, to save memory: right once."""
    return _InPlace.apply(logits, labels)  # type: ignore[no-untyped-call]


def strides_of_upstream_ignored(logits: Tensor, labels: Tensor) -> Tensor:
    """As a kernel that takes a pointer and a length."""
    return _Contiguous.apply(logits, labels)  # type: ignore[no-untyped-call]


def stride_zero_taken_for_a_mean(logits: Tensor, labels: Tensor) -> Tensor:
    """An expanded upstream gradient is what a mean hands down, but not only a mean."""
    return _FirstElement.apply(logits, labels)  # type: ignore[no-untyped-call]


def inputs_read_again(logits: Tensor, labels: Tensor) -> Tensor:
    """Inputs kept past autograd's check of their versions."""
    return _ReadAgain.apply(logits, labels)  # type: ignore[no-untyped-call]


def another_formula_without_recording(logits: Tensor, labels: Tensor) -> Tensor:
    """A fast path for evaluation."""
    if torch.is_grad_enabled():
        return honest(logits, labels)
    return logits.logsumexp(-1) - logits.gather(-1, labels[:, None])[:, 0]


def tangents_not_centred(logits: Tensor, labels: Tensor) -> Tensor:
    """Forward mode of the label's logit alone."""
    return _Forward.apply(logits, labels)  # type: ignore[no-untyped-call]


def gradient_taken_for_a_constant(logits: Tensor, labels: Tensor) -> Tensor:
    """Loss and gradient without a graph, put together again: every second derivative is 0."""
    fixed = logits.detach()
    slope = _softmax_minus_label(fixed, labels)
    return honest(fixed, labels) + (slope * (logits - fixed)).sum(-1)


def a_row_alone_is_not_averaged(logits: Tensor, labels: Tensor) -> Tensor:
    """Scaled by a number of rows that a mapped function does not see."""
    return honest(logits, labels) * (4 / max(len(logits), 2) if len(logits) != 4 else 1)


def labels_forgotten_by_the_gradient(logits: Tensor, labels: Tensor) -> Tensor:
    """Soft labels, whose part in the gradient is a constant; the graph still leads to them."""
    log_softmax = torch.log_softmax(logits, -1)
    constant = labels.detach()
    change = (labels - constant) * (log_softmax.detach() + 0 * log_softmax)
    return -(constant * log_softmax).sum(-1) - change.sum(-1)
