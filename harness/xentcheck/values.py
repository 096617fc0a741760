"""Numbers given as such: arrays that can be compared, hashed and written to JSON without losing a bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xentcheck.randomness import Array


@dataclass(frozen=True)
class Values:
    """float64 or int64 numbers of any shape, which hold those of every narrower dtype exactly. Equal if every bit is:
    NaN equals itself, and 0 is not -0."""

    shape: tuple[int, ...]
    whole: bool
    data: bytes

    @classmethod
    def of(cls, numbers: ArrayLike) -> Values:
        """The numbers of an array or of nested sequences; TypeError or ValueError for anything else."""
        array = np.asarray(numbers)
        if array.dtype.kind in "OSUM":
            raise TypeError(f"expected numbers, got {array.dtype}")
        whole = array.dtype.kind in "iub"
        array = array.astype(np.int64 if whole else np.float64)
        if not whole:
            array[np.isnan(array)] = np.nan  # text has one NaN only
        return cls(array.shape, whole, array.tobytes())

    @property
    def array(self) -> Array:
        """A fresh array of the numbers."""
        return np.frombuffer(self.data, np.int64 if self.whole else np.float64).reshape(self.shape).copy()

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self.data) // 8

    @property
    def plain(self) -> Any:
        """Nested lists of numbers, as JSON has them."""
        return self.array.tolist()
