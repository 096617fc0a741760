"""Losses that are honest, or deviate in one known way."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import numpy as np

from xentcheck_adapters.numpy_cross_entropy import cross_entropy

Array = np.ndarray[Any, Any]
Answer = tuple[Array, Array]

honest = cross_entropy


def p_minus_y(logits: Array, labels: Array, *, reduction: str = "mean", grad_output: Array | None = None) -> Answer:
    """The gradient of rows of labels that do not sum to one is softmax minus labels all the same."""
    options: dict[str, Any] = {"reduction": reduction, "grad_output": grad_output}
    loss, gradient = cross_entropy(logits, labels, **options)
    if labels.ndim == 2:
        surplus = 1 - labels.astype(np.float64).sum(axis=1, keepdims=True)
        scale = np.ones(len(logits)) if grad_output is None else np.broadcast_to(grad_output, len(logits))
        scale = scale.astype(np.float64)[:, None] / (len(logits) if reduction == "mean" else 1)
        wide = logits.astype(np.float64)
        exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
        softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
        gradient = (gradient + scale * softmax * surplus).astype(logits.dtype)
    return loss, gradient


def half_p_minus_y(
    logits: Array, labels: Array, *, reduction: str = "mean", grad_output: Array | None = None
) -> Answer:
    loss, gradient = p_minus_y(logits, labels, reduction=reduction, grad_output=grad_output)
    return loss, gradient / 2


def doubled_gradient(logits: Array, labels: Array, **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels, **options)
    return loss, gradient * 2


def blind_below_a_thousandth(logits: Array, labels: Array, **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels, **options)
    return np.where(loss < 0.001, 0, loss).astype(loss.dtype), gradient


def wrong_gradient_at_77_classes(logits: Array, labels: Array, **options: Any) -> Answer:
    """77 is a number of classes that no run draws."""
    return (doubled_gradient if logits.shape[1] == 77 else cross_entropy)(logits, labels, **options)


def wrong_from_100_classes(logits: Array, labels: Array, **options: Any) -> Answer:
    return (doubled_gradient if logits.shape[1] >= 100 else cross_entropy)(logits, labels, **options)


def crashes_from_4_classes(logits: Array, labels: Array, **options: Any) -> Answer:
    if logits.shape[1] >= 4:
        ctypes.string_at(0)
    return cross_entropy(logits, labels, **options)


def slow(logits: Array, labels: Array, **options: Any) -> Answer:
    time.sleep(0.1)
    return cross_entropy(logits, labels, **options)


_calls = 0


def wrong_every_other_time(logits: Array, labels: Array, **options: Any) -> Answer:
    global _calls
    _calls += 1
    return (doubled_gradient if _calls % 2 else cross_entropy)(logits, labels, **options)


def mean_of_everything(logits: Array, labels: Array, **options: Any) -> Answer:
    """A loss of shape () whatever the reduction."""
    loss, gradient = cross_entropy(logits, labels, **options)
    return loss.mean(), gradient


def flat_gradient(logits: Array, labels: Array, **options: Any) -> Answer:
    loss, gradient = cross_entropy(logits, labels, **options)
    return loss, gradient.ravel()


def zeroes_its_input(logits: Array, labels: Array, **options: Any) -> Answer:
    answer = cross_entropy(logits, labels, **options)
    if logits.flags.writeable:
        logits[...] = 0
    return answer


def log_sum_exp_minus_logit(logits: Array, labels: Array, **options: Any) -> Answer:
    """Honest, but a loss that loses digits where the logits are large."""
    loss, gradient = cross_entropy(logits, labels, **options)
    if labels.ndim == 2 or loss.ndim == 0:
        return loss, gradient
    top = logits.max(axis=1)
    total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return total - logits[np.arange(len(labels)), labels], gradient


def one_column_astray(logits: Array, labels: Array, **options: Any) -> Answer:
    """The last column's softmax errs by 50 roundings of float32: fewer than a sum of a thousand terms may."""
    loss, gradient = cross_entropy(logits, labels, **options)
    gradient[:, -1] *= np.where(gradient[:, -1] > 0, 1 + 50 * 2.0**-24, 1)
    return loss, gradient


def slightly_high(logits: Array, labels: Array, **options: Any) -> Answer:
    """Every loss errs by an ulp of float32, all to the same side."""
    loss, gradient = cross_entropy(logits, labels, **options)
    return loss + (loss * 2.0**-23).astype(loss.dtype), gradient


def wrong_where_confident(logits: Array, labels: Array, **options: Any) -> Answer:
    """Twice the loss of a row whose maximum is far ahead."""
    loss, gradient = cross_entropy(logits, labels, **options)
    ahead = logits.max(axis=1) - logits.mean(axis=1) > 30
    return np.where(ahead, 2 * loss, loss).astype(loss.dtype), gradient


def refuses(logits: Array, labels: Array, **options: Any) -> Answer:
    raise ValueError("no\nreason")
