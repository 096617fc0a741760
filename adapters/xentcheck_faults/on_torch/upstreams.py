"""Mistakes with the upstream gradient: its strides, its elements, and what is decided from them."""

from __future__ import annotations

from typing import Any

import torch

from xentcheck_faults.on_torch.honest import FirstOrder, Tensor, composed, per_row


class _InPlace(FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return ctx.gradient.mul_(upstream[:, None]), None


class _Contiguous(FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return torch.as_strided(upstream, upstream.shape, (1,))[:, None] * ctx.gradient, None


class _StrideZero(FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        scale = upstream if upstream.stride() != (0,) else upstream / len(upstream)
        return scale[:, None] * ctx.gradient, None


class _First(FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return upstream[0] * ctx.gradient, None


class _FirstOfStrided(FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        scale = upstream if upstream.is_contiguous() else upstream[:1]
        return scale[:, None] * ctx.gradient, None


class _BelowOne(FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return torch.where(upstream < 1, upstream, 1)[:, None] * ctx.gradient, None


class _ComparedWithOne(FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        if torch.ne(upstream, 1.0):
            return upstream[:, None] * ctx.gradient, None
        return ctx.gradient, None


class _Captured(FirstOrder):
    _is_one: dict[Any, bool] = {}  # noqa: RUF012

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        one = _Captured._is_one.setdefault(ctx.gradient.shape, bool((upstream == 1).all()))
        return ctx.gradient if one else upstream[:, None] * ctx.gradient, None


class _StrideOfOneElement(FirstOrder):
    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        if len(upstream) == 1:  # "always contiguous": its stride is what separates it from a next element
            upstream = torch.as_strided(upstream, (1,), (1,), upstream.storage_offset() + upstream.stride(0) - 1)
        return upstream[:, None] * ctx.gradient, None


class _VectorsOnly(torch.autograd.Function):
    """The reduced loss, whose backward pass expects an upstream gradient for each row."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, divisor: float) -> Tensor:
        ctx.rows, ctx.divisor = len(loss), divisor
        return loss.sum() / divisor

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        if upstream.shape not in ((ctx.rows,), (1,)):
            raise ValueError(f"expected an upstream gradient of shape ({ctx.rows},), got {tuple(upstream.shape)}")
        return upstream.expand(ctx.rows) / ctx.divisor, None


class _UnreadForRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.gradient = torch.softmax(logits, -1) * labels.sum(-1, keepdim=True) - labels
        return composed(logits, labels, reduction="none")

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return ctx.gradient, None


def gradient_scaled_in_place(logits: Tensor, labels: Tensor) -> Tensor:
    """The backward pass multiplies what the forward pass kept, to save memory: right once."""
    return _InPlace.apply(logits, labels)


def strides_ignored(logits: Tensor, labels: Tensor) -> Tensor:
    """As a kernel that takes a pointer and a length."""
    return _Contiguous.apply(logits, labels)


def stride_zero_taken_for_a_mean(logits: Tensor, labels: Tensor) -> Tensor:
    """An expanded upstream gradient is what a mean hands down, but not only a mean."""
    return _StrideZero.apply(logits, labels)


def first_element_for_all_rows(logits: Tensor, labels: Tensor) -> Tensor:
    """A kernel that loads one scalar."""
    return _First.apply(logits, labels)


def first_element_of_a_strided_one(logits: Tensor, labels: Tensor) -> Tensor:
    """What is not contiguous is taken for an expanded scalar."""
    return _FirstOfStrided.apply(logits, labels)


def applied_only_below_one(logits: Tensor, labels: Tensor) -> Tensor:
    """A scale that may only shrink."""
    return _BelowOne.apply(logits, labels)


def compared_with_one(logits: Tensor, labels: Tensor) -> Tensor:
    """`if upstream != 1` of a vector."""
    return _ComparedWithOne.apply(logits, labels)


def decision_captured(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether it is 1 is decided at the first call of a shape, as when a graph is captured."""
    return _Captured.apply(logits, labels)


def stride_of_one_element(logits: Tensor, labels: Tensor) -> Tensor:
    """The stride of a vector of one element is used, which may be any number."""
    return _StrideOfOneElement.apply(logits, labels)


def scalar_refused(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The upstream gradient of a reduced loss has no dimensions."""
    loss = per_row(input, target)
    if reduction == "none":
        return loss
    return _VectorsOnly.apply(loss, len(loss) if reduction == "mean" else 1)


def unread_for_rows_of_labels(logits: Tensor, labels: Tensor) -> Tensor:
    """The branch for soft labels forgot it."""
    if labels.is_floating_point():
        return _UnreadForRows.apply(logits, labels)
    return FirstOrder.apply(logits, labels)
