"""Upstream gradients near the ends of a dtype's range."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from xentcheck.build import EXTREME_UPSTREAMS, build_call
from xentcheck.cases import Case
from xentcheck_adapters import FLOAT_DTYPES, Array, dtype_named


def upstream(dtype: str, kind: str) -> Array:
    drawn = build_call(Case(dtype, rows=50, upstream=kind)).upstream
    assert drawn is not None
    return drawn.astype(np.float64)


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_extreme_upstream_gradients_are_exact_and_leave_room_for_a_gradient(dtype: str) -> None:
    info = ml_dtypes.finfo(dtype_named(dtype))
    huge, tiny = (upstream(dtype, kind) for kind in EXTREME_UPSTREAMS)
    assert np.abs(huge).min() > float(info.max) ** 0.5
    assert np.abs(huge).max() < float(info.max)
    assert float(info.smallest_normal) <= np.abs(tiny).min()
    assert np.abs(tiny).max() < 1 / np.abs(huge).min() * 4
    assert {-1.0, 1.0} == set(np.sign(huge).tolist()) == set(np.sign(tiny).tolist())
