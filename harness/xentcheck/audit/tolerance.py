"""Tolerances as tests have them: |got - want| <= atol + rtol |want|."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xentcheck.randomness import Array


@dataclass(frozen=True)
class Tolerance:
    """rtol of the wanted value, plus atol; neither is negative."""

    rtol: float
    atol: float

    def allowed(self, want: Array) -> Array:
        """The largest error accepted at each element."""
        return np.asarray(self.atol + self.rtol * np.abs(want.astype(np.float64)))

    def share(self, got: Array, want: Array) -> float:
        """The largest error, in tolerances: above 1 the test fails. Infinite for another shape, and for a NaN on either
        side, as it is for `torch.testing.assert_close`."""
        if got.shape != want.shape:
            return float("inf")
        with np.errstate(all="ignore"):
            error = np.abs(got.astype(np.float64) - want.astype(np.float64))
            shares = np.where(error == 0, 0.0, error / self.allowed(want))
        equal = np.asarray(got == want)
        return float(np.where(equal, 0.0, np.where(np.isnan(shares), np.inf, shares)).max(initial=0.0))


# https://docs.pytorch.org/docs/stable/testing.html#torch.testing.assert_close
ASSERT_CLOSE = {
    "float16": Tolerance(1e-3, 1e-5),
    "bfloat16": Tolerance(1.6e-2, 1e-5),
    "float32": Tolerance(1.3e-6, 1e-5),
    "float64": Tolerance(1e-7, 1e-7),
}
