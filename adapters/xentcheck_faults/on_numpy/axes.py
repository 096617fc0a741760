"""Mistakes with axes: arrays that are reduced, broadcast or paired along another one than they should be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xentcheck_faults.on_numpy.changes import relabelled
from xentcheck_faults.on_numpy.kernel import Array, Batch, Kernel, row_losses, weigh


def along_the_classes(logits: Array, labels: Array, *, grad_output: Array | None = None, **options: Any) -> Any:
    """The upstream gradient lacks an axis: NumPy lays it along the classes, which goes unnoticed where N = C."""
    if grad_output is None or not grad_output.ndim or len(logits) != logits.shape[1]:
        return honest(logits, labels, grad_output=grad_output, **options)
    loss, grad = honest(logits, labels, **options)
    return loss, (grad.astype(np.float64) * grad_output.astype(np.float64)).astype(grad.dtype)


def column_as_rows(b: Batch) -> Batch:
    """Labels with as many axes as the logits are taken for probabilities, and broadcast."""
    column = b.labels.ndim == 2 and b.labels.shape[1] == 1 < b.classes
    return replace(b, labels=np.broadcast_to(b.labels, b.logits.shape).astype(b.wide)) if column else b


def mask_of_the_first_class(b: Batch) -> Batch:
    """A mask of classes is collapsed to its first column: a row whose class 0 is masked does not count."""
    if b.dense or b.labels.shape != (b.rows,):
        return b
    return replace(b, labels=np.where(np.isneginf(b.logits[:, 0].astype(b.wide)), b.ignore_index, b.labels))


def aligned_to_the_end(b: Batch) -> Batch:
    """The labels that count are gathered, and paired with as many last rows."""
    if b.dense or b.kept.all():
        return b
    gathered = b.labels[b.kept]
    return replace(b, labels=np.append(np.full(b.rows - len(gathered), b.ignore_index), gathered))


honest = Kernel("no fault: what the faults of this part are made around")


class Axes:
    """Classes lie along one axis, rows along the other, and row i of anything belongs to row i of the logits."""

    softmax_over_rows = Kernel(
        "softmax over the rows of a class",
        maximum=lambda x: x.max(axis=0, keepdims=True, initial=-np.inf),
        total=lambda e: e.sum(axis=0, keepdims=True),
    )
    upstream_along_classes = staticmethod(along_the_classes)
    mask_averaged = Kernel(
        "a mask (N, 1) times losses (N,), averaged back: every row by the share of rows that count",
        weigh=lambda values, b: weigh(values, b) * b.wide(b.kept.mean() if b.rows else 1),
    )
    labels_of_all_rows = Kernel(
        "labels (N, 1) against rows (N,): each row's loss is that of all labels",
        row_losses=lambda q, log_p, b: row_losses(np.broadcast_to(q.mean(axis=0), q.shape), log_p, b),
    )
    largest_label = Kernel(
        "the maximum over the labels' last axis, which is the rows",
        see=relabelled(lambda y, b: np.full_like(y, y[b.kept].max(initial=0))),
    )
    class_0 = Kernel("the argmax over labels (N, 1)", see=relabelled(lambda y, b: np.zeros_like(y)))
    column_as_rows = Kernel("labels (N, 1) are probabilities", see=column_as_rows)
    mask_of_the_first_class = Kernel("a row whose class 0 is masked is ignored", see=mask_of_the_first_class)
    label_of_the_row_before = Kernel("labels are off by one row", see=relabelled(lambda y, b: np.roll(y, 1)))
    aligned_to_the_end = Kernel("labels that count belong to the last rows", see=aligned_to_the_end)
