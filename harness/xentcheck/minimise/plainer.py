"""Calls without what a failure does not need: layout, dimensions, reduction, weights and the other arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from xentcheck.cases import Case
from xentcheck.minimise.pinned import arrays_of, with_arrays
from xentcheck_adapters import Subject


def plainer(case: Case, subject: Subject) -> Iterator[Case]:
    """Pinned cases that differ from this one in one thing less to ask for. What a clause is about stays: bad labels,
    malformed ones, ignored rows, activations and procedures."""
    yield from _without(case, layout="contiguous")
    yield from _without(case, positions=(), class_axis=-1, single=False)
    yield from _without(case, class_axis=subject.class_axes[0] if subject.class_axes else -1)
    yield from _unreduced(case, subject)
    yield from _without(case, label_smoothing=0.0)
    yield from _without(case, z_loss=0.0)
    yield from _without(case, softcap=None)
    yield from _without(case, "weight", weighted=False)
    yield from _without(case, "sample_weight", sample_weighted=False)
    yield from _without(case, "upstream", upstream="ones")
    yield from _without(case, "vector", vector="none")
    if case.ignore_index not in arrays_of(case)["labels"]:
        yield from _without(case, ignore_index=None, ignored="none")
    yield from _without(case, label_dtype=subject.label_dtypes[0])
    if case.label_smoothing not in (0.0, 0.5):
        yield replace(case, label_smoothing=0.5)
    yield from _without(case, seed=0)


def _without(case: Case, array: str | None = None, **plain: Any) -> Iterator[Case]:
    """The case with the plain values, without the array; nothing if it is plain already."""
    if any(getattr(case, name) != value for name, value in plain.items()):
        yield with_arrays(case, {name: values for name, values in arrays_of(case).items() if name != array}, **plain)


def _unreduced(case: Case, subject: Subject) -> Iterator[Case]:
    """Row by row, with upstream gradients of ones or the one that there was; or at least a sum."""
    if case.reduction == "none":
        return
    arrays = arrays_of(case)
    if "none" in subject.reductions:
        upstream = arrays.pop("upstream", None)
        yield with_arrays(case, arrays, reduction="none", upstream="ones")
        if upstream is not None:
            yield with_arrays(case, {**arrays, "upstream": np.repeat(upstream, case.rows)}, reduction="none")
    if "sum" in subject.reductions:
        yield from _without(case, reduction="sum")
