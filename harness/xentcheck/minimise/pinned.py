"""Cases with their arrays in hand: pinned to explicit values, and with some of their rows or classes only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xentcheck.build import build_call
from xentcheck.cases import Case, Explicit
from xentcheck.randomness import Array
from xentcheck.stored import call_arrays
from xentcheck.values import Values
from xentcheck_adapters import dtype_named

# Kinds of label rows whose entries are free; the rows of all others keep their sums.
FREE = ("multi-hot", "fractions")


def pinned(case: Case) -> Case:
    """The same call with every array explicit; what is wrong with the form of its labels is still made anew."""
    call = build_call(replace(case, malformed=None))
    given = {name: Values.of(array) for name, array in call_arrays(call).items()}
    return replace(case, explicit=Explicit(**given), edits=())


def arrays_of(case: Case) -> dict[str, Array]:
    """Fresh copies of a pinned case's arrays, by name."""
    assert case.explicit is not None
    return {name: values.array for name, values in case.explicit.arrays.items()}


def with_arrays(case: Case, arrays: dict[str, Array], **fields: object) -> Case:
    """A pinned case with other arrays, whose shape is the case's."""
    explicit = Explicit(**{name: Values.of(array) for name, array in arrays.items()})
    rows, classes = explicit.logits.shape
    return replace(case, explicit=explicit, rows=rows, classes=classes, **fields)  # type: ignore[arg-type]


def with_rows(case: Case, rows: list[int]) -> Case | None:
    """The case with these of its rows; None if the row that a clause asks about is none of them."""
    arrays, bad = arrays_of(case), case.bad_row % case.rows
    if not rows or (case.bad_label is not None and bad not in rows):
        return None
    per_row = ["logits", "labels", "sample_weight", "vector", *(["upstream"] if case.reduction == "none" else [])]
    kept = {name: array[rows] if name in per_row else array for name, array in arrays.items()}
    return with_arrays(case, kept, bad_row=rows.index(bad) if case.bad_label is not None else 0)


def needed_classes(case: Case) -> set[int]:
    """Classes that cannot go: those of the labels that are indices, and the ignored one."""
    labels = arrays_of(case)["labels"]
    named = [*(labels.tolist() if labels.ndim == 1 else ()), case.ignore_index]
    return {int(label) for label in named if label is not None and 0 <= label < case.classes}


def with_classes(case: Case, classes: list[int]) -> Case | None:
    """The case with these of its classes. Labels, and labels out of range by one, move with them; what a label row had
    on the others goes to its heaviest class that stays. None if that is not exact, or a label's class is gone."""
    if not classes or not needed_classes(case) <= set(classes):
        return None
    arrays = arrays_of(case)
    for name in ("logits", "vector", "weight"):
        if name in arrays:
            arrays[name] = arrays[name][..., classes]
    moved = {old: new for new, old in enumerate([*classes, case.classes])}
    if arrays["labels"].ndim == 1:
        arrays["labels"] = np.array([moved.get(label, label) for label in arrays["labels"].tolist()])
    else:
        rows = _with_mass(arrays["labels"], classes, free=case.labels in FREE)
        if rows is None or not holds(case.dtype, rows):
            return None
        arrays["labels"] = rows
    labels = {
        name: moved.get(label, label) for name in ("ignore_index", "bad_label") for label in [getattr(case, name)]
    }
    return with_arrays(case, arrays, **labels)


def holds(dtype: str, values: Array) -> bool:
    """Whether the dtype has these numbers exactly."""
    finite = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        return bool((finite.astype(dtype_named(dtype)).astype(np.float64) == finite).all())


def _with_mass(rows: Array, classes: list[int], *, free: bool) -> Array | None:
    kept = rows[:, classes]
    if not free:
        missing = rows.sum(axis=1) - kept.sum(axis=1)
        kept[np.arange(len(kept)), kept.argmax(axis=1)] += missing
        if (kept.sum(axis=1) != rows.sum(axis=1)).any():
            return None
    return np.asarray(kept)
