"""The last rounding of a 16-bit result is known: only what the errors before it explain is honest."""

from __future__ import annotations

import numpy as np
import pytest

from xentcheck.expectation import Expected
from xentcheck.randomness import Array
from xentcheck.rounding import misrounded
from xentcheck_adapters import dtype_named

UNIT = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
TRUE = np.random.default_rng(1).uniform(0.1, 10.0, 4096)
narrow = pytest.mark.parametrize("dtype", UNIT)


def expected(dtype: str, before: float = 0.0, may_be_infinite: bool = False) -> Expected:
    """True values with the bound of one rounding, and of relative errors before it."""
    bound = (UNIT[dtype] + before) * TRUE
    return Expected(TRUE, bound, np.full(TRUE.shape, may_be_infinite))


def rounded(values: Array, dtype: str) -> Array:
    return values.astype(dtype_named(dtype))


@narrow
def test_the_rounded_true_value_is_right(dtype: str) -> None:
    assert not misrounded(rounded(TRUE, dtype), expected(dtype), dtype).any()


@narrow
@pytest.mark.parametrize("side", [-1, 1])
def test_an_error_within_the_bound_before_rounding_is_right_however_it_is_rounded(dtype: str, side: int) -> None:
    before = 1e-5
    answer = rounded(TRUE * (1 + side * before), dtype)
    assert (answer != rounded(TRUE, dtype)).any()
    assert not misrounded(answer, expected(dtype, before), dtype).any()


@narrow
def test_a_larger_error_shows_where_it_crosses_a_middle_although_all_are_within_their_bounds(dtype: str) -> None:
    answer = rounded(TRUE * (1 + 1e-4), dtype)
    inside = np.abs(answer.astype(np.float64) - TRUE) <= expected(dtype, 2e-4).bound
    assert inside.all()
    assert misrounded(answer, expected(dtype, 1e-5), dtype).any()


@narrow
def test_the_other_neighbour_is_wrong_unless_the_value_lies_in_the_middle(dtype: str) -> None:
    nearest = rounded(TRUE, dtype)
    away = np.where(nearest.astype(np.float64) > TRUE, 0, 100).astype(nearest.dtype)
    neighbour = np.nextafter(nearest, away)
    wrong = misrounded(neighbour, expected(dtype, 2.0**-20), dtype)
    assert 0.9 < wrong.mean() < 1


@narrow
def test_a_wider_answer_is_judged_as_what_it_rounds_to(dtype: str) -> None:
    assert not misrounded(TRUE.astype(np.float32), expected(dtype, 2.0**-22), dtype).any()


@narrow
def test_what_may_overflow_is_left_to_the_bound(dtype: str) -> None:
    answer = rounded(np.full(TRUE.shape, np.inf), dtype)
    assert not misrounded(answer, expected(dtype, may_be_infinite=True), dtype).any()
    assert misrounded(answer, expected(dtype), dtype).all()


@narrow
def test_nan_for_a_number_is_wrong(dtype: str) -> None:
    assert misrounded(rounded(np.full(TRUE.shape, np.nan), dtype), expected(dtype), dtype).all()


def test_wider_dtypes_are_left_to_their_bounds() -> None:
    assert not misrounded(TRUE + 1, expected("float16"), "float32").any()
