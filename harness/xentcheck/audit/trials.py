"""What the audited test evaluates: calls like those of the tests that kernels are published with.

The test gets the benefit of every doubt. It uses each option, compares row by row and as a mean, and draws new values
for each call: what it cannot see, a test with the same tolerance and shape that asks for less cannot see either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from xentcheck.randomness import Array
from xentcheck_adapters import Call, dtype_named

_IGNORE = -100
_EVERY = 8  # one row in so many is ignored


@dataclass(frozen=True)
class Trial:
    """A call, its name, and the option without which a subject cannot be asked."""

    name: str
    call: Call
    option: str | None = None


@dataclass(frozen=True)
class _Values:
    """A source of the values of one test."""

    dtype: str
    rows: int
    classes: int
    upstream: float
    draw: np.random.Generator

    def call(self) -> Call:
        """Standard-normal logits, uniform labels, and the same upstream gradient for every row's loss."""
        logits = self._stored(self.draw.standard_normal((self.rows, self.classes)))
        upstream = None if self.upstream == 1 else self._stored(np.full(self.rows, self.upstream))
        return Call(logits, self.draw.integers(0, self.classes, self.rows), upstream=upstream)

    def soft(self) -> Array:
        """(N, C) rows that sum to 1."""
        drawn = np.exp(self.draw.standard_normal((self.rows, self.classes)))
        return self._stored(drawn / drawn.sum(axis=1, keepdims=True))

    def weights(self, count: int) -> Array:
        """Uniform in [0.5, 2)."""
        return self._stored(self.draw.uniform(0.5, 2.0, count))

    def _stored(self, values: Array) -> Array:
        return np.asarray(values.astype(dtype_named(self.dtype)))


_Change = Callable[[Call, _Values], Call]
_PER_ROW: tuple[tuple[str, str | None, _Change], ...] = (
    ("index labels", None, lambda call, values: call),
    ("soft labels", None, lambda call, values: replace(call, labels=values.soft())),
    ("ignored rows", "ignore_index", lambda call, values: _ignoring(call)),
    ("label smoothing 0.1", "label_smoothing", lambda call, values: replace(call, label_smoothing=0.1)),
    ("class weights", "weight", lambda call, values: replace(call, weight=values.weights(values.classes))),
    ("sample weights", "sample_weight", lambda call, values: replace(call, sample_weight=values.weights(values.rows))),
    ("z-loss 1e-4", "z_loss", lambda call, values: replace(call, z_loss=1e-4)),
    ("softcap 30", "softcap", lambda call, values: replace(call, softcap=30.0)),
)
_AVERAGED = ("index labels", "ignored rows", "class weights", "sample weights")


def plain_call(dtype: str, rows: int, classes: int, upstream: float) -> Call:
    """The call without options, from which all others differ in one."""
    return trials(dtype, rows, classes, upstream)[0].call


def trials(dtype: str, rows: int, classes: int, upstream: float) -> tuple[Trial, ...]:
    """The calls of the audited test. The mean has an upstream gradient of 1, as `loss.backward()` has."""
    values = _Values(dtype, rows, classes, upstream, np.random.default_rng(0))
    per_row = [Trial(name, change(values.call(), values), option) for name, option, change in _PER_ROW]
    means = [
        Trial(f"mean, {name}", replace(change(values.call(), values), reduction="mean", upstream=None), option)
        for name, option, change in _PER_ROW
        if name in _AVERAGED
    ]
    return (*per_row, *means)


def _ignoring(call: Call) -> Call:
    labels = call.labels.copy()
    labels[_EVERY - 1 :: _EVERY] = _IGNORE
    return replace(call, labels=labels, ignore_index=_IGNORE)
