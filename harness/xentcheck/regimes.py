"""Regimes: distributions of logits, each sensitive to another kind of fault. All values are exact in the dtype.

A regime sees the row's *focus* column (where its outstanding class sits) and its label column; the two are equal in
half of the rows, so that "confident" and "confidently wrong" rows both occur wherever one of them matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from xentcheck.randomness import Array, Bits
from xentcheck_adapters import dtype_named


@dataclass(frozen=True)
class Frame:
    """What a regime draws into: the stream, the shape, the dtype, and two columns per row."""

    bits: Bits
    rows: int
    classes: int
    dtype: str
    focus: Array
    labels: Array

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.classes

    def at(self, columns: Array) -> tuple[Array, Array]:
        return np.arange(self.rows), columns


# Largest gap that exp() of the dtype's working precision still resolves, and the gap at which it is all gone.
_UNDERFLOW = {"float16": (8, 20), "bfloat16": (80, 110), "float32": (80, 110), "float64": (690, 760)}
# log2 of the largest offset: beyond it, neighbouring logits of the dtype are whole units apart.
_OFFSET = {"float16": 9.0, "bfloat16": 9.0, "float32": 16.0, "float64": 40.0}
# Largest gap of a horizon row: past it even a loss that float32 (float64) forms before it rounds has become 0.
_HORIZON = {"float16": 32.0, "bfloat16": 32.0, "float32": 32.0, "float64": 64.0}
# log2 of the smallest scale that float16 resolves; the others go on to 1e-30
_TINY = {"float16": -20.0, "bfloat16": -100.0, "float32": -100.0, "float64": -100.0}


def _integers(f: Frame) -> Array:
    """Small integers: exactly representable, so a structural fault shows as a gross error."""
    return f.bits.integers(f.shape, -4, 5).astype(np.float64)


def _normal(f: Frame) -> Array:
    return f.bits.bell(f.shape) * f.bits.uniform((f.rows, 1), 0.5, 5.0)


def _wide(f: Frame) -> Array:
    return f.bits.bell(f.shape) * f.bits.log_uniform((f.rows, 1), 3.5, 8.0)


def _near_tie(f: Frame) -> Array:
    """Values a few units in the last place apart, at any magnitude that training reaches."""
    base = _rounded(f.bits.bell((f.rows, 1)) * 5.0, f.dtype)
    info = ml_dtypes.finfo(dtype_named(f.dtype))
    spacing = np.ldexp(1.0, np.frexp(base)[1] - info.nmant - 1)
    return np.asarray(base + spacing * f.bits.integers(f.shape, -3, 4))


def _confident(f: Frame) -> Array:
    x = f.bits.bell(f.shape)
    x[f.at(f.labels)] += f.bits.uniform((f.rows,), 4.0, 45.0)
    return x


def _wrong(f: Frame) -> Array:
    x = f.bits.bell(f.shape)
    x[f.at(f.focus)] += f.bits.uniform((f.rows,), 4.0, 120.0)
    return x


def _constant_tail(f: Frame) -> Array:
    """One maximum and a constant tail: the roundings of a running sum all point the same way."""
    x = np.repeat(-f.bits.uniform((f.rows, 1), 0.02, 4.0), f.classes, axis=1)
    x[f.at(f.focus)] = 0.0
    return x + np.where(f.bits.flip((f.rows, 1)), 0.0, f.bits.bell((f.rows, 1)))


def _offset(f: Frame) -> Array:
    magnitude = f.bits.log_uniform((f.rows, 1), 3.0, _OFFSET[f.dtype])
    return np.asarray(f.bits.bell(f.shape) * 2.0 + f.bits.sign((f.rows, 1)) * magnitude)


def _spike(f: Frame) -> Array:
    x = f.bits.bell(f.shape)
    x[f.at(f.focus)] += f.bits.uniform((f.rows,), 0.0, 20.0)
    x[f.at(f.labels)] += f.bits.uniform((f.rows,), 0.0, 20.0)
    return x


def _underflow(f: Frame) -> Array:
    x = -f.bits.uniform(f.shape, *_UNDERFLOW[f.dtype])
    x[f.at(f.focus)] = 0.0
    return x


def _tiny(f: Frame) -> Array:
    return f.bits.bell(f.shape) * f.bits.log_uniform((f.rows, 1), _TINY[f.dtype], -7.0)


def _masked(f: Frame) -> Array:
    """Half of the classes at minus infinity, never the label."""
    masked = f.bits.flip(f.shape)
    masked[f.at(f.labels)] = False
    return np.where(masked, -np.inf, f.bits.bell(f.shape) * 3.0)


# How far below a row's landmarks its other classes are: 2**18 of them add less than 2**-53 of one landmark.
_LANDMARK_DEPTH = 64.0


# Widths of the tiles that kernels over the classes work in; the last is a whole row.
_TILES = (32, 64, 128)


def _tiled(f: Frame) -> Array:
    """Whole tiles of classes at minus infinity: the first one of each width, then any one; every fourth row keeps only
    its label. The label, where it lies in the tile, stays."""
    x = f.bits.bell(f.shape) * 3.0
    widths = np.array([*_TILES, f.classes])[np.arange(f.rows) % 4]
    count = -(-f.classes // widths)
    first = (f.labels < widths) & (count > 1)  # a first tile with the label in it would not be empty
    anywhere = f.bits.integers((f.rows,), 0, f.classes) // widths
    tile = np.where(np.arange(f.rows) < 4, first, anywhere)
    masked = np.arange(f.classes) // widths[:, None] == tile[:, None]
    masked[f.at(f.labels)] = False
    return np.where(masked, -np.inf, x)


def _landmark(f: Frame) -> Array:
    """Two or four classes share the maximum, one of them the label, and nothing else counts: the loss is log 2 or
    log 4, and one landmark lost or counted twice changes it by a sixth or more, however many classes there are."""
    count = np.minimum(2 << f.bits.integers((f.rows,), 0, 2), 1 << (f.classes.bit_length() - 1))
    places = landmark_columns(f.classes)
    start = f.bits.integers((f.rows,), 0, len(places))
    anywhere = f.bits.integers((f.rows,), 0, f.classes)
    walk = (places[(start + step) % len(places)] for step in range(4))
    chosen, found = np.zeros(f.shape, bool), np.zeros(f.rows, np.int64)
    for columns in (f.labels, f.focus, anywhere, *walk):
        new = ~chosen[f.at(columns)] & (found < count)
        chosen[f.at(columns)] |= new
        found += new
    return np.where(chosen, 0.0, -_LANDMARK_DEPTH) + f.bits.integers((f.rows, 1), -4, 5)


def landmark_columns(classes: int) -> Array:
    """Where kernels go wrong: the first class, the last, and both sides of every power of two; each once."""
    powers = [1 << exponent for exponent in range(classes.bit_length())]
    return np.array(sorted({0, classes - 1, *(c for p in powers for c in (p - 1, p) if c < classes)}))


def _swath(f: Frame) -> Array:
    """The classes in as many equal parts as there are rows: in each row one part counts, and nothing else does, so that
    a tile lost anywhere is a good share of some row's sum."""
    part = np.arange(f.classes) * f.rows // f.classes
    here = part == np.arange(f.rows)[:, None]
    here[f.at(f.labels)] = True
    return np.where(here, f.bits.integers(f.shape, -1, 2) / 4.0, -_LANDMARK_DEPTH)


def _horizon(f: Frame) -> Array:
    """The label ahead of all other classes by a gap that grows from row to row."""
    x = np.zeros(f.shape)
    x[f.at(f.labels)] = np.arange(f.rows) * (_HORIZON[f.dtype] / f.rows)
    return x


def _probabilities(f: Frame) -> Array:
    """Positive rows that sum to one, in quanta of 1/256 so that every dtype holds them exactly; C at most 256."""
    quanta = np.ones(f.shape)
    for row in quanta:
        np.add.at(row, f.bits.integers((256 - f.classes,), 0, f.classes), 1.0)
    return quanta / 256


def _unit_interval(f: Frame) -> Array:
    """Independent probabilities inside (0, 1)."""
    return f.bits.integers(f.shape, 1, 256) / 256.0


_DRAW: dict[str, Callable[[Frame], Array]] = {
    "integers": _integers,
    "normal": _normal,
    "wide": _wide,
    "near-tie": _near_tie,
    "confident": _confident,
    "wrong": _wrong,
    "constant-tail": _constant_tail,
    "offset": _offset,
    "spike": _spike,
    "underflow": _underflow,
    "tiny": _tiny,
    "masked": _masked,
    "tiled": _tiled,
    "landmark": _landmark,
    "swath": _swath,
    "horizon": _horizon,
    "probabilities": _probabilities,
    "unit-interval": _unit_interval,
}
PROBABILITY_REGIMES = ("probabilities", "unit-interval")
HORIZON, TILED, SWATH = "horizon", "tiled", "swath"
REGIMES = tuple(name for name in _DRAW if name not in (*PROBABILITY_REGIMES, HORIZON, TILED, SWATH))
FINITE_REGIMES = tuple(name for name in REGIMES if name != "masked")


def draw_logits(regime: str, frame: Frame) -> Array:
    """Logits of a regime, (N, C), in the frame's dtype; KeyError for an unknown regime."""
    return _rounded(_DRAW[regime](frame), frame.dtype).astype(dtype_named(frame.dtype))


def _rounded(values: Array, dtype: str) -> Array:
    """The float64 image of values rounded to the dtype, without overflow."""
    largest = float(ml_dtypes.finfo(dtype_named(dtype)).max)
    finite = np.where(np.isfinite(values), np.clip(values, -largest, largest), values)
    return finite.astype(dtype_named(dtype)).astype(np.float64)
