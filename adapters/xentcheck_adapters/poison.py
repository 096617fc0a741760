"""Poison: memory that nobody has written holds no number that could be right.

Fresh memory is mostly zero, and used memory may hold the last answer: what reads before it writes, or leaves a row
unwritten, would be right by accident.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# The same byte everywhere is NaN in float16, 3e38 in bfloat16 and float32, 1e306 in float64, and no index of anything.
# It is positive: a maximum, a sum or an exp over it shows, which one over a large negative number would not.
BYTE = 0x7F
# glibc fills what it hands out with the complement of this byte; without the caches of each thread, which it does not.
ENVIRONMENT = {"MALLOC_PERTURB_": str(BYTE ^ 0xFF), "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}

# NumPy keeps as many freed blocks of each size below a KiB, and hands them out again as they are.
_KEPT, _SMALL = 7, 1024
_ITEM_SIZES = (2, 4, 8)


def poison_small_arrays(sizes: Iterable[int]) -> None:
    """Make NumPy's next small arrays of so many elements begin as poison, unless others have been freed since."""
    for size in {size * item for size in sizes for item in _ITEM_SIZES}:
        if size < _SMALL:
            blocks = [np.empty(size, np.uint8) for _ in range(_KEPT)]
            for block in blocks:
                block.fill(BYTE)
