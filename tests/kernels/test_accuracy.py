"""How many ulp this processor's fastest rows err by, in the regimes where frameworks lose digits or all of them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from xentcheck_reference import Problem, cross_entropy

Array = np.ndarray[Any, Any]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
# In ulp. A float32 gradient is an exponential (1 ulp) times a factor, rounded thrice where an ulp is worth most: 2.1 in
# unit roundoffs of 2^-24 are up to 4.2 ulp; portable code has no fma and errs a little more.
LOSS, GRADIENT, OF_16_BITS = 1.1, {"avx512": 4.5, "avx2": 4.5, "portable": 5.0}, 0.51


def _certain(random: Any, ahead: float, rival: float) -> tuple[Array, Array]:
    logits, labels = random.normal(size=(256, 1000)), random.integers(0, 1000, 256)
    logits[np.arange(256), labels] += np.linspace(8, ahead, 256)
    logits[np.arange(256), labels - 1] += rival
    return logits, labels


REGIMES = {
    "ten classes": lambda random: (5 * random.normal(size=(512, 10)), random.integers(0, 10, 512)),
    "a thousand": lambda random: (2 * random.normal(size=(256, 1000)), random.integers(0, 1000, 256)),
    "a vocabulary": lambda random: (5 * random.normal(size=(8, 32000)), random.integers(0, 32000, 8)),
    "far from 0": lambda random: (random.normal(size=(256, 1000)) - 70000, random.integers(0, 1000, 256)),
    "label ahead": lambda random: _certain(random, 40, 0),
    "label and a rival ahead": lambda random: _certain(random, 60, 20),
}


def ulps(got: Array, exact: Array, dtype: Any) -> float:
    """The largest error, in units in the last place of the exact value; of normal numbers."""
    info = ml_dtypes.finfo(dtype)
    exponent = np.frexp(np.maximum(np.abs(exact), float(info.tiny)))[1] - 1
    return float((np.abs(got.astype(np.float64) - exact) / np.ldexp(1.0, exponent - info.nmant)).max())


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("dtype", [np.dtype(np.float32), BFLOAT16], ids=str)
def test_nothing_is_lost_in_any_regime(kernels: Any, regime: str, dtype: Any) -> None:
    logits, labels = REGIMES[regime](np.random.default_rng(7))
    logits = logits.astype(dtype)
    exact = cross_entropy(Problem(logits=logits.astype(np.float64), labels=labels))
    loss, gradient = kernels.cross_entropy(logits, labels, reduction="none", grad=True)
    if dtype == BFLOAT16:
        assert ulps(gradient, exact.grad_logits, dtype) <= OF_16_BITS
    else:
        assert ulps(loss, exact.loss, dtype) <= LOSS
        assert ulps(gradient, exact.grad_logits, dtype) <= GRADIENT[kernels.kernels()[0]]
