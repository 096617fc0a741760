"""Rows of labels over the classes. Every entry is a dyadic fraction with few bits, exact in every dtype, so that a row
meant to sum to one sums to exactly one: a subject is never blamed for the rounding of its input."""

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
    """Three quarters on the label, the rest in equal powers of two (some of them doubled, so that it adds up to one
    quarter): a sum over the labels that is kept in 16 bits loses all of it from a few hundred classes on."""
    if classes == 1:
        return np.ones((len(labels), 1))
    others = classes - 1
    power = 1 << (others - 1).bit_length()
    share = np.where(np.arange(others) < power - others, 2.0, 1.0) / (4 * power)
    rows = np.empty((len(labels), classes))
    before = np.arange(others) < labels[:, None]
    rows[np.arange(len(labels))[:, None], np.arange(others) + ~before] = share
    rows[np.arange(len(labels)), labels] = 0.75
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


_DRAW: dict[str, Callable[[Bits, Array, int], Array]] = {
    "one-hot": lambda bits, labels, classes: one_hot_rows(labels, classes),
    "soft": _soft,
    "smoothed": _smoothed,
    "zero": _zero,
    "half": _half,
    "double": _double,
    "signed": _signed,
    "multi-hot": _multi_hot,
}
DISTRIBUTIONS = ("one-hot", "soft")
SURVEYED = ("soft", "smoothed")
NOT_DISTRIBUTIONS = ("half", "double", "zero", "signed", "multi-hot")


def draw_rows(kind: str, bits: Bits, labels: Array, classes: int) -> Array:
    """Label rows (N, C) in float64, built around the given class of each row; KeyError for an unknown kind."""
    return _DRAW[kind](bits, labels, classes)
