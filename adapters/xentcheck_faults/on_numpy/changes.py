"""What a faulty implementation makes of its arguments: changes of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from xentcheck_faults.on_numpy.kernel import Array, Batch

Change = Callable[[Batch], Batch]


def unsmoothed(b: Batch) -> Batch:
    return replace(b, smoothing=0.0)


def unweighted(b: Batch) -> Batch:
    return replace(b, weight=None)


def without_sample_weights(b: Batch) -> Batch:
    return replace(b, sample_weight=None)


def sample_weights(change: Callable[[Array], Array]) -> Change:
    return lambda b: b if b.sample_weight is None else replace(b, sample_weight=change(b.sample_weight))


def never_ignoring(b: Batch) -> Batch:
    """Ignored rows count, as class 0 where their label is none."""
    inside = (b.labels >= 0) & (b.labels < b.classes)
    return b if b.dense else replace(b, labels=np.where(inside, b.labels, 0), ignore_index=-(2**62))


def ignoring_only(when: Callable[[Batch], bool]) -> Change:
    return lambda b: b if b.dense or when(b) else never_ignoring(b)


def relabelled(read: Callable[[Array, Batch], Array]) -> Change:
    """Kept index labels are read in another way."""

    def see(b: Batch) -> Batch:
        integers = b.labels.dtype.kind == "i" and b.labels.shape == (b.rows,)
        return replace(b, labels=np.where(b.kept, read(b.labels, b), b.labels)) if integers else b

    return see


def dense_labels(change: Callable[[Array], Array]) -> Change:
    return lambda b: replace(b, labels=change(b.labels.astype(b.wide))) if b.dense else b


def logits(change: Callable[[Array], Array]) -> Change:
    return lambda b: replace(b, logits=change(b.logits))


def upstream(change: Callable[[Array], Any]) -> Change:
    return lambda b: b if b.upstream is None else replace(b, upstream=np.asarray(change(b.upstream)))


def weights(change: Callable[[Array], Array]) -> Change:
    return lambda b: b if b.weight is None else replace(b, weight=change(b.weight))


def anything_goes(b: Batch) -> None:
    """No label is refused."""
