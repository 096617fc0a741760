"""The rows of the certificate: every regime in which an oracle may lose digits, with every option it has.

A batch is named by a seed, a regime and a number, and is the same for ever on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import numpy as np

from xentcheck.randomness import Array, Bits
from xentcheck_reference import Problem

# Mostly small: a row of 200 000 classes takes the referee as long as thousands of these.
_CLASSES = (1, 2, 2, 3, 5, 10, 10, 10, 30, 30, 100, 100, 300, 1000)
_HUGE, _LARGE = 200_000, 10_000
_ROWS = 8
_COLUMNS = 48


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of one regime with the same options, and where to look at them."""

    seed: int
    regime: str
    number: int
    problem: Problem
    vector: Array
    """(N, C) direction of the Hessian-vector product"""
    columns: list[list[int]]
    """Per row, the columns judged: all of them, or a sample with the label and the maximum in it"""

    @property
    def name(self) -> str:
        return f"{self.seed}:{self.regime}:{self.number}"


@dataclass(frozen=True)
class _Frame:
    bits: Bits
    shape: tuple[int, int]
    labels: Array
    other: Array
    """(N,) a class that is not the label, where there is one"""

    def raised(self, x: Array, columns: Array, low: float, high: float) -> Array:
        x[np.arange(len(x)), columns] += self.bits.uniform((len(x),), low, high)
        return x


def _normal(f: _Frame) -> Array:
    return np.asarray(np.ldexp(f.bits.bell(f.shape), _one_of(f.bits, (-10, 0, 3, 7))))


def _log_uniform(low: float, high: float) -> Callable[[_Frame], Array]:
    return lambda f: f.bits.sign(f.shape) * f.bits.log_uniform(f.shape, low, high)


def _near_tie(f: _Frame) -> Array:
    base = f.bits.bell((f.shape[0], 1)) * 30.0
    ulp = np.ldexp(1.0, np.frexp(base)[1] - 53)
    return np.asarray(base + ulp * f.bits.integers(f.shape, -4, 5))


def _constant_tail(f: _Frame) -> Array:
    x = np.repeat(-f.bits.uniform((f.shape[0], 1), 0.02, 4.0), f.shape[1], axis=1)
    x[:, 0] = 0.0
    return x


def _masked(f: _Frame) -> Array:
    masked = f.bits.flip(f.shape)
    masked[np.arange(len(masked)), f.labels] = False
    return np.where(masked, -np.inf, f.bits.bell(f.shape) * 3.0)


_DRAW: dict[str, Callable[[_Frame], Array]] = {
    "normal": _normal,
    "1e-300..1e300": _log_uniform(-996.5, 996.5),
    "1e-30..1e3": _log_uniform(-99.6, 9.9),
    "near-tie": _near_tie,
    "offset-1e6": lambda f: 1e6 + f.bits.bell(f.shape) * 5.0,
    "offset-1e15": lambda f: 1e15 + f.bits.integers(f.shape, -200, 1) * 0.125,
    "confident": lambda f: f.raised(f.bits.bell(f.shape), f.labels, 8.0, 600.0),
    "wrong": lambda f: f.raised(f.bits.bell(f.shape), f.other, 8.0, 600.0),
    "underflow": lambda f: f.raised(f.bits.bell(f.shape), f.labels, 640.0, 760.0),
    "constant-tail": _constant_tail,
    "masked": _masked,
}
REGIMES = tuple(_DRAW)


def batches(seed: int, rows: int) -> Iterator[Batch]:
    """Batches with at least `rows` rows in all, the regimes in turn."""
    number = 0
    while rows > 0:
        for regime in REGIMES:
            batch = draw_batch(seed, regime, number)
            yield batch
            rows -= len(batch.columns)
            if rows <= 0:
                return
        number += 1


def draw_batch(seed: int, regime: str, number: int) -> Batch:
    """The batch of a name; KeyError for an unknown regime. Every second one has no option but an upstream gradient."""
    draw = _DRAW[regime]
    bits = Bits(int.from_bytes(blake2b(f"{seed}:{regime}:{number}".encode(), digest_size=8).digest(), "big"))
    shape = _shape(bits, number, REGIMES.index(regime))
    labels = bits.integers(shape[:1], 0, shape[1])
    other = (labels + bits.integers(shape[:1], 1, max(shape[1], 2))) % shape[1]
    logits = draw(_Frame(bits, shape, labels, other))
    options = _options(bits, shape, labels, np.isneginf(logits)) if number % 2 else {}
    kind = _one_of(bits, ("index", "distribution", "signed"))
    if kind != "index":
        options |= {"labels": _soft(bits, kind, np.isneginf(logits)), "ignore_index": None}
        if options.get("mean_divides_by") == "weights":
            options["mean_divides_by"] = "kept"
        options["gradient_rule"] = _one_of(bits, ("true", "true", "assume_normalised"))
    if bits.flip(()):
        options["upstream"] = np.asarray(bits.bell(shape[:1] if options.get("reduction", "none") == "none" else ()))
    problem = Problem(**{"logits": logits, "labels": labels, **options})
    return Batch(seed, regime, number, problem, bits.bell(shape), _columns(bits, logits, labels))


def _shape(bits: Bits, number: int, place: int) -> tuple[int, int]:
    # Staggered, so that a short run meets a huge row of some regime and a long one those of all.
    if (number + 7 * place) % 64 == 3:
        return 1, _HUGE
    if (number + 7 * place) % 32 == 9:
        return 2, _LARGE
    return _ROWS, _one_of(bits, _CLASSES)


def _options(bits: Bits, shape: tuple[int, int], labels: Array, masked: Array) -> dict[str, Any]:
    classes = shape[1]
    reduction: Literal["none", "sum", "mean"] = _one_of(bits, ("none", "none", "sum", "mean"))
    options: dict[str, Any] = {
        "label_smoothing": _one_of(bits, (0.0, 0.0, 0.1, 0.5, 1.0)),
        "weight": bits.log_uniform((classes,), -6.0, 3.0) if bits.flip(()) else None,
        "z_loss": _one_of(bits, (0.0, 0.0, 1e-4, 0.25)),
        "softcap": _one_of(bits, (None, None, 5.0, 30.0, 1000.0)),
        "reduction": reduction,
        "mean_divides_by": _one_of(bits, ("weights", "kept", "rows")),
    }
    if masked.any() and options["softcap"] is None:
        options["label_smoothing"] = 0.0  # a share of infinity for the masked classes: nothing to referee
    if len(labels) > 1 and bits.flip(()):
        labels[0] = options["ignore_index"] = -100
    return options


def _soft(bits: Bits, kind: str, masked: Array) -> Array:
    """Rows of 53-bit entries: of sum one to a rounding, or of any sign and sum."""
    if kind == "signed":
        return np.where(masked, 0.0, bits.bell(masked.shape) * bits.log_uniform((len(masked), 1), -3.0, 3.0))
    quanta = np.where(masked, 0.0, bits.integers(masked.shape, 0, 1 << 20))
    quanta[np.arange(len(quanta)), masked.argmin(axis=1)] += 1.0  # no row of nothing
    return np.asarray(quanta / quanta.sum(axis=1, keepdims=True))  # sums of integers: exact in any order


def _columns(bits: Bits, logits: Array, labels: Array) -> list[list[int]]:
    classes = logits.shape[1]
    if classes <= 2 * _COLUMNS:
        return [list(range(classes))] * len(logits)
    sample = bits.integers((len(logits), _COLUMNS), 0, classes)
    seen = zip(sample.tolist(), np.maximum(labels, 0).tolist(), logits.argmax(axis=1).tolist(), strict=True)
    return [sorted({*drawn, label, top}) for drawn, label, top in seen]


def _one_of(bits: Bits, values: Sequence[Any]) -> Any:
    return values[int(bits.integers((), 0, len(values)))]
