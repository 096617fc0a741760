"""Index labels that are wrong in dtype or shape: what the sparse form must refuse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xentcheck.randomness import Array
from xentcheck.soft_labels import one_hot_rows

_MAKE: dict[str, Callable[[Array, int], Array]] = {
    "fractional": lambda labels, classes: labels.astype(np.float32) * 0.5 + 0.25,
    "float": lambda labels, classes: labels.astype(np.float32),
    "bool": lambda labels, classes: labels.astype(bool),
    "soft rows": lambda labels, classes: np.full((len(labels), classes), 1 / classes, np.float32),
    "one-hot integer rows": lambda labels, classes: one_hot_rows(labels, classes).astype(np.int64),
    "one column (N, 1)": lambda labels, classes: labels[:, None],
    "one label for all rows (1,)": lambda labels, classes: labels[:1],
    "one label too many (N+1,)": lambda labels, classes: np.append(labels, labels[:1]),
}
SOFT = ("fractional", "soft rows")
WRONG_DTYPES = ("float", "bool")
WRONG_SHAPES = tuple(kind for kind in _MAKE if kind not in (*SOFT, *WRONG_DTYPES))


def malform(kind: str, labels: Array, classes: int) -> Array:
    """Class indices (N,) turned into labels of the wrong kind; KeyError for an unknown kind."""
    return _MAKE[kind](labels, classes)
