"""Mistakes with ignored rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable

import numpy as np

from xentcheck_faults.on_numpy.changes import ignoring_only, never_ignoring, relabelled
from xentcheck_faults.on_numpy.kernel import Array, Batch, Kernel, check, gradient, row_losses, rows_of


def refusing(outside: Callable[[Array, int], Array]) -> Callable[[Batch], None]:
    """Looks at labels before it looks at which of them are ignored."""

    def checked(b: Batch) -> None:
        if not b.dense and outside(b.labels, b.classes).any():
            raise IndexError(f"index out of range for {b.classes} classes")
        check(b)

    return checked


def without_its_class(b: Batch) -> Array:
    """The column of a class that is ignored goes, and not only the rows that have it for a label."""
    return np.where(np.arange(b.classes) == b.ignore_index, -np.inf, rows_of(b))


def minus_the_label(q: Array, log_p: Array, b: Batch) -> Array:
    """Log-sum-exp is masked in ignored rows, the logit of their label, clipped into the range, is not."""
    if b.dense:
        return row_losses(q, log_p, b)
    at_label = b.logits.astype(b.wide)[np.arange(b.rows), np.clip(b.labels, 0, b.classes - 1)]
    return np.where(b.kept, row_losses(q, log_p, b), -at_label)


def written_first(p: Array, q: Array, b: Batch) -> Array:
    """1 is subtracted at the label of every row, wherever in the buffer that is."""
    g = gradient(p, q, b)
    if not b.dense:
        rows = np.flatnonzero(~b.kept)
        np.subtract.at(g.reshape(-1), (rows * b.classes + b.labels[rows]) % max(1, g.size), 1)
    return g


def narrowed(b: Batch) -> Batch:
    """The ignore label loses all but 32 bits."""
    short = int(np.array(b.ignore_index).astype(np.int32))
    return b if b.dense else replace(b, ignore_index=short, labels=np.where(b.kept, b.labels, short))


def no_mean(b: Batch) -> None:
    if b.reduction == "mean" and not b.kept.all():
        raise RuntimeError("the workspace of a mean that ignores rows was not requested")
    check(b)


class Ignore:
    """Ignored rows have no effect."""

    only_in_loss = Kernel("gradients of ignored rows", backward=never_ignoring)
    only_in_gradient = Kernel("losses of ignored rows", forward=never_ignoring)
    only_outside_range = Kernel(
        "not a label in [0, C)", see=ignoring_only(lambda b: not 0 <= b.ignore_index < b.classes)
    )
    only_inside_range = Kernel(
        "not a label outside [0, C)", see=ignoring_only(lambda b: 0 <= b.ignore_index < b.classes)
    )
    only_negative = Kernel("no label >= 0", see=ignoring_only(lambda b: b.ignore_index < 0))
    only_default = Kernel("no label but -100", see=ignoring_only(lambda b: b.ignore_index == -100))
    not_zero = Kernel("ignore_index 0 is taken for none", see=ignoring_only(lambda b: b.ignore_index != 0))
    default_too = Kernel(
        "-100 is ignored whatever ignore_index says",
        see=relabelled(lambda y, b: np.where(y == -100, b.ignore_index, y)),
    )
    negative_too = Kernel(
        "all negative labels are ignored", see=relabelled(lambda y, b: np.where(y < 0, b.ignore_index, y))
    )
    by_multiplication = Kernel(
        "ignored rows are multiplied by 0: NaN stays NaN", rows_of=lambda b: b.logits.astype(b.wide)
    )
    nan_in_gradient = Kernel(
        "the loss of ignored rows is masked, their softmax is not",
        rows_of=lambda b: b.logits.astype(b.wide),
        row_losses=lambda q, log_p, b: np.where(b.kept, row_losses(q, log_p, b), 0),
    )
    first_row_never = Kernel(
        "the first row always counts",
        see=lambda b: (
            b
            if b.dense or b.kept[0]
            else replace(b, labels=np.concatenate([[0], b.labels[1:]]) if b.ignore_index else b.labels)
        ),
    )
    all_if_any = Kernel(
        "one ignored row ignores the batch",
        see=lambda b: b if b.kept.all() else replace(b, labels=np.full_like(b.labels, b.ignore_index)),
    )
    tiny_gradient = Kernel(
        "ignored rows have a gradient of 1e-30",
        gradient=lambda p, q, b: np.where(b.kept[:, None], gradient(p, q, b), b.wide(1e-30)),
    )
    unread = Kernel("no row is ignored", see=never_ignoring)
    never_negative = Kernel("no negative label is honoured", see=ignoring_only(lambda b: b.ignore_index >= 0))
    checked_first = Kernel(
        "ignored labels must lie in [0, C) too", check=refusing(lambda y, classes: (y < 0) | (y >= classes))
    )
    gathered_first = Kernel(
        "ignored labels are gathered before they are masked; NumPy's negative indices are legal",
        check=refusing(lambda y, classes: (y < -classes) | (y >= classes)),
    )
    clipped_below_only = Kernel(
        "ignored labels are clipped at 0 before they are gathered", check=refusing(lambda y, classes: y >= classes)
    )
    class_removed = Kernel("a class that is ignored leaves the softmax of all rows", rows_of=without_its_class)
    softmax_in_gradient = Kernel(
        "the gradient of ignored rows is softmax minus nothing",
        gradient=lambda p, q, b: gradient(p, q, b) + p * ~b.kept[:, None],
    )
    label_subtracted = Kernel("ignored rows have a loss of minus the label's logit", row_losses=minus_the_label)
    written_before_tested = Kernel("1 is subtracted at ignored labels, out of bounds too", gradient=written_first)
    in_32_bits = Kernel("2**32 is taken for 0", see=narrowed)
    not_in_a_mean = Kernel("a mean raises where rows are ignored", check=no_mean)
