import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xentcheck_reports.numbers import digits_text, interval_text, ratio_text, share_text, ulp_text, value_text


@given(st.floats(min_value=0, max_value=1, exclude_max=True))
def test_a_ratio_below_one_never_reads_as_one(ratio: float) -> None:
    assert float(ratio_text(ratio).lstrip("<")) < 1


@given(st.floats(min_value=1, exclude_min=True))
def test_a_ratio_above_one_always_reads_as_more(ratio: float) -> None:
    assert float(ratio_text(ratio).replace("∞", "inf")) > 1


@given(st.integers(1, 10**9).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_only_all_reads_as_100_percent_and_only_none_as_0(pair: tuple[int, int]) -> None:
    equal, of = pair
    text = share_text(equal, of)
    assert (float(text.strip("<% ")) == 100) == (equal == of)
    assert (text == "0 %") == (equal == 0)


@given(
    expected=st.floats(-1e6, 1e6), bits=st.integers(1, 52), ratio=st.floats(1.001, 100), sign=st.sampled_from([-1, 1])
)
def test_an_error_beyond_the_bound_shows_in_the_digits(expected: float, bits: int, ratio: float, sign: int) -> None:
    bound = math.ldexp(abs(expected), -bits)
    got = expected + sign * ratio * bound
    assume(abs(got - expected) > bound)
    assert value_text(got, expected, bound) != value_text(expected, expected, bound)


def test_an_exact_expectation_has_no_interval() -> None:
    assert interval_text(0.1, 0.0) == "0.1"
    assert interval_text(math.inf, 0.0) == "inf"


@given(st.floats(min_value=0, max_value=1e300) | st.just(math.inf))
def test_an_error_in_ulp_fits_its_cell_and_is_told_to_a_digit(ulp: float) -> None:
    text = ulp_text(ulp)
    assert len(text) <= 6
    if math.isfinite(ulp):
        assert float(text) == pytest.approx(ulp, rel=0.51, abs=0.005)


@pytest.mark.parametrize(("dtype", "bits"), [("bfloat16", 8), ("float16", 11), ("float32", 24), ("float64", 53)])
@given(data=st.data())
def test_neighbouring_values_of_a_dtype_read_differently(dtype: str, bits: int, data: st.DataObject) -> None:
    significand = data.draw(st.integers(2 ** (bits - 1), 2**bits - 1))
    exponent = data.draw(st.integers(-60, 60))
    value, neighbour = (math.ldexp(one, exponent) for one in (significand, significand + 1))
    assert digits_text(value, dtype) != digits_text(neighbour, dtype)
