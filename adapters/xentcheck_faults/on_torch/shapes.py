"""Mistakes with the class axis of logits of more dimensions, and with a row alone."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from xentcheck_faults.on_torch.honest import Tensor


class _Squeezed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor) -> Tensor:
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        # The sizes of 1 are gone, and what is left is read again from its beginning.
        return upstream.squeeze().T.reshape(upstream.shape) if upstream.squeeze().dim() == 2 else upstream


def one_number_of_positions(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Images are read as sequences: of two axes of positions, the second one's size is lost."""
    if input.dim() > 3:
        target = target.flatten(1).roll(1, -1).reshape(target.shape)
    return cross_entropy(input, target, reduction=reduction)


def flattened(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The losses of images come back in one row."""
    loss = cross_entropy(input, target, reduction=reduction)
    return loss.flatten() if input.dim() > 3 else loss


def softmax_over_the_last_axis(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The softmax is along the last axis, the classes are along the second."""
    loss = -torch.log_softmax(input, -1).gather(min(1, input.dim() - 1), target.unsqueeze(min(1, input.dim() - 1)))
    loss = loss.squeeze(min(1, input.dim() - 1))
    return {"none": loss, "sum": loss.sum(), "mean": loss.mean()}[reduction]


def a_row_alone_refused(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """A label without dimensions has no first axis."""
    assert len(target) == len(input)
    return cross_entropy(input, target, reduction=reduction)


def squeezed_in_the_gradient(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The backward pass drops the upstream gradient's sizes of 1."""
    loss = _Squeezed.apply(cross_entropy(input, target, reduction="none"))
    return {"none": loss, "sum": loss.sum(), "mean": loss.mean()}[reduction]
