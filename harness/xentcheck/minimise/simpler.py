"""Simpler numbers in the place of the given ones: zero, one, small integers, powers of two, few digits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xentcheck.randomness import Array

Change = Callable[[Array], Array]


def _power_of_two(values: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.ldexp(1.0, np.round(np.log2(np.abs(values))).astype(int))
    return np.asarray(np.copysign(np.where(values == 0, 0.0, power), values))


def _rounded_to(unit: float) -> Change:
    return lambda values: np.round(values / unit) * unit + 0.0  # -0.0 is another number, and no simpler one


CHANGES: tuple[Change, ...] = (
    np.zeros_like,
    np.ones_like,
    lambda values: -np.ones_like(values),
    _rounded_to(1.0),
    lambda values: np.clip(values, -100.0, 100.0),
    lambda values: np.clip(values, -1000.0, 1000.0),
    _power_of_two,
    _rounded_to(0.25),
    _rounded_to(1 / 64),
)
TO_ONES: tuple[Change, ...] = (np.ones_like, _rounded_to(1.0), _power_of_two)


def borrowed(values: Array) -> tuple[Change, ...]:
    """Changes to the simplest numbers among the given ones: whatever is assumed of them still holds."""
    numbers = sorted(set(values[np.isfinite(values)].tolist()), key=_effort)
    return tuple(lambda part, number=number: np.full_like(part, number) for number in numbers[:3])


def concentrated(rows: Array) -> Array:
    """Each row's sum on its heaviest class."""
    return np.asarray(np.where(np.arange(rows.shape[1]) == rows.argmax(1)[:, None], rows.sum(1, keepdims=True), 0.0))


def simpler(values: Array, change: Change, works: Callable[[Array], bool]) -> None:
    """Try the change on all rows, or on all numbers of a vector, then on ever smaller parts of them, down to single
    numbers, as far as it makes them simpler; go on from what works."""
    with np.errstate(over="ignore", invalid="ignore"):
        changed = change(values.copy())
    place = np.argwhere(_is_simpler(changed, values))
    parts = [place] if len(place) else []
    while parts:
        part = parts.pop(0)
        tried = values.copy()
        tried[tuple(part.T)] = changed[tuple(part.T)]
        if works(tried):
            values = tried
        elif len(part) > 1:
            parts += [part[: len(part) // 2], part[len(part) // 2 :]]


def _is_simpler(changed: Array, values: Array) -> Array:
    pairs = zip(changed.ravel().tolist(), values.ravel().tolist(), strict=True)
    return np.array([np.isfinite(old) and _effort(new) < _effort(old) for new, old in pairs]).reshape(values.shape)


def _effort(value: float) -> tuple[int, bool, float, bool]:
    """How much there is to read in a finite number."""
    value = float(value)
    return len(repr(abs(value))), not value.is_integer(), abs(value), value < 0
