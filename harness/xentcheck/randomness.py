"""Random numbers that are the same for ever, on every machine.

NumPy promises the raw stream of a bit generator across versions, but not the streams of `Generator`'s methods, and
`exp`, `log` and `power` differ between SIMD levels. So everything here is raw bits, integers and `ldexp`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Bits:
    """A stream of reproducible draws; each method takes the shape wanted."""

    def __init__(self, seed: int) -> None:
        self._raw = np.random.Philox(key=seed)

    def _words(self, shape: tuple[int, ...]) -> Array:
        return self._raw.random_raw(int(np.prod(shape, dtype=np.int64))).reshape(shape)

    def uniform(self, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Array:
        """Uniform in [low, high)."""
        return low + (high - low) * np.ldexp((self._words(shape) >> np.uint64(11)).astype(np.float64), -53)

    def integers(self, shape: tuple[int, ...], low: int, high: int) -> Array:
        """Integers in [low, high)."""
        return low + (self._words(shape) >> np.uint64(1)).astype(np.int64) % (high - low)

    def bell(self, shape: tuple[int, ...]) -> Array:
        """Mean 0, variance 1, |x| < 6: the sum of twelve 16-bit uniforms, with a uniform below their last bit."""
        total = np.zeros(shape)
        for _ in range(3):
            words = self._words(shape)
            for shift in (0, 16, 32, 48):
                total += ((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64)
        return np.ldexp(total + self.uniform(shape), -16) - 6.0

    def log_uniform(self, shape: tuple[int, ...], low: float, high: float) -> Array:
        """2**e(1 + f) with e + f uniform in [low, high): log-uniform up to the shape of each octave."""
        exponent = self.uniform(shape, low, high)
        whole = np.floor(exponent)
        return np.ldexp(1.0 + (exponent - whole), whole.astype(np.int32))

    def sign(self, shape: tuple[int, ...]) -> Array:
        """-1 or 1."""
        return self.integers(shape, 0, 2) * 2.0 - 1.0

    def flip(self, shape: tuple[int, ...]) -> Array:
        """True half of the time."""
        return self.integers(shape, 0, 2).astype(bool)
