"""Deletion of what a failure does not need, by halves first (Zeller and Hildebrandt, Simplifying and isolating
failure-inducing input, doi 10.1109/32.988498)."""

from __future__ import annotations

from collections.abc import Callable

# Below this share of the whole single deletions would take longer than a person waits: size itself is the trigger.
_MOST_PIECES = 64


def without_needless(items: list[int], works: Callable[[list[int]], bool]) -> list[int]:
    """The items that are left when pieces of them are taken away as long as it still works with the others."""
    size = max(1, len(items) // 2)
    while items and len(items) <= size * _MOST_PIECES:
        place = 0
        while place < len(items):
            rest = items[:place] + items[place + size :]
            if works(rest):
                items = rest
            else:
                place += size
        if size == 1:
            break
        size = max(1, min(size, len(items)) // 2)
    return items
