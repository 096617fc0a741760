"""Rows of labels over the classes. Every entry but a "fraction" has few bits, exact in every dtype, so that a row meant
to sum to one sums to exactly one: a subject is never blamed for the rounding of its input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xentcheck.randomness import Array, Bits

# 2**7 quanta: sums and entries fit the eight significant bits of bfloat16.
_QUANTA = 128


def one_hot_rows(labels: Array, classes: int) -> Array:
    """One-hot rows (N, C) in float64 of class indices (N,)."""
    rows = np.zeros((len(labels), classes))
    rows[np.arange(len(labels)), labels] = 1.0
    return rows


def _quanta(bits: Bits, labels: Array, classes: int, total: int) -> Array:
    """Rows of non-negative integers with the given sum, a random share of it on the label."""
    rows = np.zeros((len(labels), classes))
    for row, label in enumerate(labels):
        share = int(bits.integers((), 0, total + 1))
        rows[row, label] += share
        np.add.at(rows[row], bits.integers((total - share,), 0, classes), 1.0)
    return rows


def _soft(bits: Bits, labels: Array, classes: int) -> Array:
    return _quanta(bits, labels, classes, _QUANTA) / _QUANTA


def _smoothed(bits: Bits, labels: Array, classes: int) -> Array:
    """Most of the mass on the label, the rest in nearly equal entries of eight significant bits: the row sums to one
    exactly, but a sum over the labels that is kept in 16 bits rounds at almost every step, and mostly in one direction.
    (Equal powers of two would add up exactly in blocks, and hide that.)"""
    if classes == 1:
        return np.ones((len(labels), 1))
    others = classes - 1
    levels = (others - 1).bit_length()
    units = np.repeat(bits.integers((len(labels), 1), 160, 224), others, axis=1)
    # What is left for the label has eight bits too, in units of 2^-8: up to 8 more units for each entry see to that.
    missing = -units.sum(axis=1, keepdims=True) % (4 << levels)
    units += missing // others + (np.arange(others) < missing % others)
    rows = np.empty((len(labels), classes))
    before = np.arange(others) < labels[:, None]
    share = np.ldexp(units.astype(np.float64), -10 - levels)
    rows[np.arange(len(labels))[:, None], np.arange(others) + ~before] = share
    rows[np.arange(len(labels)), labels] = 1.0 - share.sum(axis=1)
    return rows


def _zero(bits: Bits, labels: Array, classes: int) -> Array:
    return np.zeros((len(labels), classes))


def _half(bits: Bits, labels: Array, classes: int) -> Array:
    return _soft(bits, labels, classes) / 2


def _double(bits: Bits, labels: Array, classes: int) -> Array:
    return _soft(bits, labels, classes) * 2


def _signed(bits: Bits, labels: Array, classes: int) -> Array:
    """Entries of both signs; rows sum to one minus one, or to a half."""
    return _soft(bits, labels, classes) - _soft(bits, bits.integers(labels.shape, 0, classes), classes) / 2


def _multi_hot(bits: Bits, labels: Array, classes: int) -> Array:
    return np.maximum(one_hot_rows(labels, classes), bits.flip((len(labels), classes)))


def _fractions(bits: Bits, labels: Array, classes: int) -> Array:
    """Entries of all the bits that the dtype has, and rows of any sum: labels kept in a narrower dtype show."""
    return bits.uniform((len(labels), classes))


_DRAW: dict[str, Callable[[Bits, Array, int], Array]] = {
    "one-hot": lambda bits, labels, classes: one_hot_rows(labels, classes),
    "soft": _soft,
    "smoothed": _smoothed,
    "zero": _zero,
    "half": _half,
    "double": _double,
    "signed": _signed,
    "multi-hot": _multi_hot,
    "fractions": _fractions,
}
DISTRIBUTIONS = ("one-hot", "soft")
SURVEYED = ("soft", "smoothed")
NOT_DISTRIBUTIONS = ("half", "double", "zero", "signed", "multi-hot", "fractions")


def draw_rows(kind: str, bits: Bits, labels: Array, classes: int) -> Array:
    """Label rows (N, C) in float64, built around the given class of each row; KeyError for an unknown kind."""
    return _DRAW[kind](bits, labels, classes)
