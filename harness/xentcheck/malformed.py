"""Labels that are wrong in dtype, shape or kind: what a form must refuse, or reads in a way of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xentcheck.randomness import Array
from xentcheck.soft_labels import one_hot_rows
from xentcheck_adapters import FLOAT_DTYPES, dtype_named

Make = Callable[[Array, int], Array]

_INDEX: dict[str, Make] = {
    "fractional": lambda labels, classes: labels.astype(np.float32) * 0.5 + 0.25,
    "float": lambda labels, classes: labels.astype(np.float32),
    "soft rows": lambda labels, classes: np.full((len(labels), classes), 1 / classes, np.float32),
    "one-hot integer rows": lambda labels, classes: one_hot_rows(labels, classes).astype(np.int64),
    "one column (N, 1)": lambda labels, classes: labels[:, None],
    "one label for all rows (1,)": lambda labels, classes: labels[:1],
    "one label too many (N+1,)": lambda labels, classes: np.append(labels, labels[:1]),
    "one row (1, N)": lambda labels, classes: labels[None],
    "one label ()": lambda labels, classes: np.array(labels[0]),
    "a label per class (C,)": lambda labels, classes: np.resize(labels, classes),
    "1.7 for 1": lambda labels, classes: labels.astype(np.float32) + np.float32(0.7),
    "one-hot float rows": lambda labels, classes: one_hot_rows(labels, classes).astype(np.float32),
}
_ROWS: dict[str, Make] = {
    "one row (1, C)": lambda labels, classes: labels[:1],
    "one row (C,)": lambda labels, classes: labels[0].copy(),
    "one column (N, 1)": lambda labels, classes: labels[:, :1].copy(),
    "one number ()": lambda labels, classes: np.array(labels[0, 0]),
    "one row too many (N+1, C)": lambda labels, classes: np.concatenate([labels, labels[:1]]),
    "row 1 all zero": lambda labels, classes: labels * (np.arange(len(labels)) != 1)[:, None],
    "indices (N,)": lambda labels, classes: labels.argmax(axis=1),
}
DTYPES = (*(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")), "bool", *FLOAT_DTYPES)
SOFT = ("fractional", "soft rows")
WRONG_DTYPES = ("float", "bool")
WRONG_SHAPES = (
    "one-hot integer rows",
    "one column (N, 1)",
    "one label for all rows (1,)",
    "one label too many (N+1,)",
)


def malform(kind: str, labels: Array, classes: int) -> Array:
    """Class indices (N,) or rows of labels (N, C), turned into labels of the wrong kind, or of the dtype that is named;
    KeyError for an unknown kind."""
    if kind in DTYPES:
        return labels.astype(dtype_named(kind))
    return (_INDEX if labels.ndim == 1 else _ROWS)[kind](labels, classes)
