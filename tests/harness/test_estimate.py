"""The error of an estimate covers what its parts may err by, and no more than rounding beyond that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xentcheck.estimate import Estimate, at_least, joined, known
from xentcheck.verdict import Deviation

numbers = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3).map(np.array)
errors = st.lists(st.floats(0, 1e3), min_size=3, max_size=3).map(np.array)
shares = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(np.array)


@given(a=numbers, b=numbers, of_a=errors, of_b=errors, at_a=shares, at_b=shares, factor=st.floats(-100, 100))
def test_true_values_within_the_errors_stay_within_them(
    a: Any, b: Any, of_a: Any, of_b: Any, at_a: Any, at_b: Any, factor: float
) -> None:
    true_a, true_b = a + at_a * of_a, b + at_b * of_b
    # the true values above are rounded as well
    left, right = (Estimate(v, e + np.spacing(np.abs(v) + e)) for v, e in ((a, of_a), (b, of_b)))
    for estimate, true in (
        (left + right, true_a + true_b),
        (left - right, true_a - true_b),
        (left * factor, true_a * factor),
        (Estimate(left.value[None], left.bound[None]).total(axis=1), np.array([true_a.sum()])),
        (joined([left, right]), np.concatenate([true_a, true_b])),
    ):
        slack = 4 * np.spacing(np.abs(true) + estimate.bound + np.abs(a).sum() + np.abs(b).sum())
        assert (np.abs(estimate.value - true) <= estimate.bound + slack).all()


def test_an_inequality_allows_the_errors_of_both_sides_and_no_more() -> None:
    smaller = Estimate(np.array([1.0]), np.array([0.25]))
    at_least("convexity", Estimate(np.array([0.5]), np.array([0.25])), smaller)
    with pytest.raises(Deviation, match=r"row 0 at least 1, or 0\.5 less"):
        at_least("convexity", Estimate(np.array([0.49]), np.array([0.25])), smaller)


def test_a_known_number_errs_by_less_than_two_roundings() -> None:
    assert known(3.0).bound == 3.0 * 2.0**-52
