"""Errors are measured in units of their bound; NaN, infinity and overflow have one meaning each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xentcheck.build import build_call
from xentcheck.cases import Case
from xentcheck.expectation import Expectation, Expected, expect
from xentcheck.verdict import Deviation, Measurement, conform, error_ratio, first_overflow, returned
from xentcheck_adapters import (
    BFLOAT16,
    Crashed,
    OutOfMemory,
    Precision,
    Refused,
    Returned,
    TimedOut,
    built_in_subjects,
    dtype_named,
)
from xentcheck_reports import Status, Worst

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def expected(value: Any, bound: Any = 0.0, may_be_infinite: bool = False) -> Expected:
    value = np.asarray(value, np.float64)
    return Expected(value, np.broadcast_to(bound, value.shape), np.full(value.shape, may_be_infinite))


def ratio(got: float, value: float, bound: float = 0.0, dtype: str = "float32", may_be_infinite: bool = False) -> float:
    answer = np.array([got]).astype(dtype_named(dtype))
    return float(error_ratio(answer, expected([value], bound, may_be_infinite), dtype)[0])


def expectation(rows: int = 2, classes: int = 3, dtype: str = "float32") -> Expectation:
    parts = {"loss": expected(np.ones(rows), 0.25), "grad_logits": expected(np.zeros((rows, classes)), 0.25)}
    return Expectation(dtype, parts, lambda row: f"the term of row {row}")


def answer(rows: int = 2, classes: int = 3, dtype: Any = np.float32) -> Returned:
    return Returned(np.ones(rows, dtype), np.zeros((rows, classes), dtype))


@given(got=finite, value=finite, bound=st.floats(1e-30, 1e30))
def test_a_ratio_is_the_error_in_units_of_its_bound(got: float, value: float, bound: float) -> None:
    assert (ratio(got, value, bound) <= 1) == (abs(got - value) <= bound)


@pytest.mark.parametrize("value", [0.0, -1.5, np.inf, -np.inf, np.nan])
def test_the_expected_value_itself_has_no_error(value: float) -> None:
    assert ratio(value, value) == 0


def test_where_nothing_may_be_lost_any_error_is_infinite() -> None:
    assert ratio(1e-45, 0.0) == np.inf


@pytest.mark.parametrize(("got", "value"), [(np.nan, 1.0), (1.0, np.nan), (np.nan, np.inf), (np.inf, np.nan)])
def test_nan_stands_for_nan_only(got: float, value: float) -> None:
    assert ratio(got, value, 1e300) == np.inf
    assert ratio(got, value, np.inf) == np.inf


@pytest.mark.parametrize(("dtype", "value"), [("float16", 2.0**16), ("bfloat16", 2.0**128), ("float32", 2.0**128)])
def test_infinity_counts_as_the_first_value_past_the_range(dtype: str, value: float) -> None:
    assert first_overflow(dtype) == value
    quantum = value / 2 ** {"float16": 11, "bfloat16": 8, "float32": 24}[dtype]
    assert ratio(np.inf, value - quantum, quantum, dtype) == 1
    assert ratio(np.inf, value, 0.0, dtype) == 0
    assert ratio(np.inf, value - 8 * quantum, quantum, dtype) > 1
    assert ratio(-np.inf, value, quantum, dtype) > 1


def test_infinity_is_honest_where_an_intermediate_overflows_and_nowhere_else() -> None:
    assert ratio(np.inf, 100.0, 1.0) > 1
    assert ratio(np.inf, 100.0, 1.0, may_be_infinite=True) == 0
    assert ratio(-np.inf, 100.0, 1.0, may_be_infinite=True) > 1
    assert ratio(np.nan, 100.0, 1.0, may_be_infinite=True) == np.inf


def test_an_answer_within_its_bounds_is_measured() -> None:
    got = answer()
    got.loss[1] += 0.125
    measurement = conform(got, expectation(), "a token")
    assert measurement.values == 2 + 6
    assert measurement.worst is not None
    assert (measurement.worst.what, measurement.worst.row, measurement.worst.ratio) == ("loss", 1, 0.5)
    assert measurement.worst.token == "a token"


def test_an_answer_outside_its_bounds_is_a_deviation_that_says_where_and_why() -> None:
    got = answer()
    got.grad_logits[1, 2] = 0.5
    told = r"grad_logits\[1, 2\] in \[-0.25, 0.25\].*got 0.5 \(error 2 × bound\)"
    with pytest.raises(Deviation, match=told) as caught:
        conform(got, expectation(), "")
    worst = caught.value.measurement.worst
    assert worst is not None
    assert (worst.row, worst.column, worst.term) == (1, 2, "the term of row 1")
    assert caught.value.status is Status.FAIL


@pytest.mark.parametrize("part", ["loss", "grad_logits"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 2), (2, 3, 1), (0,)])
def test_another_shape_is_a_deviation_of_its_own(part: str, shape: tuple[int, ...]) -> None:
    malformed: dict[str, Any] = {part: np.zeros(shape, np.float32)}
    got = replace(answer(), **malformed)
    with pytest.raises(Deviation) as caught:
        conform(got, expectation(), "")
    assert caught.value.what == f"{part} shape"
    assert caught.value.got == str(shape)


@pytest.mark.parametrize(
    "dtype", [np.float16, BFLOAT16, np.int64, np.bool_, np.complex64, "M8[s]", [("loss", "f4")]], ids=str
)
def test_a_dtype_that_is_narrower_or_no_float_is_a_deviation_of_its_own(dtype: Any) -> None:
    with pytest.raises(Deviation) as caught:
        conform(replace(answer(), loss=np.zeros(2, dtype)), expectation(), "")
    assert caught.value.what == "loss dtype"


def test_a_wider_dtype_is_welcome() -> None:
    assert conform(answer(dtype=np.float64), expectation(dtype="float16"), "").values == 8
    assert conform(answer(dtype=np.float32), expectation(dtype="bfloat16"), "").values == 8


def test_a_wanted_gradient_that_is_missing_is_a_deviation() -> None:
    wanted = replace(expectation(), parts={"grad_labels": expected(np.zeros((2, 3)))})
    with pytest.raises(Deviation, match=r"grad_labels.*got nothing"):
        conform(answer(), wanted, "")


def test_no_rows_are_no_error() -> None:
    assert conform(answer(rows=0), expectation(rows=0), "") == Measurement()


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Refused("ValueError", "no\nreason"), Status.FAIL),
        (Refused("ValueError", ""), Status.FAIL),
        (Crashed("killed by SIGSEGV", "a stack"), Status.CRASH),
        (TimedOut(3.0, "a stack"), Status.TIMEOUT),
        (OutOfMemory("the cap"), Status.OUT_OF_MEMORY),
        (replace(answer(), mutated=("logits",)), Status.FAIL),
    ],
)
def test_everything_but_an_answer_is_a_deviation_with_its_status(outcome: Any, status: Status) -> None:
    with pytest.raises(Deviation) as caught:
        returned(outcome)
    assert caught.value.status is status
    assert "\n" not in str(caught.value)


def test_the_stack_of_a_crash_is_kept() -> None:
    with pytest.raises(Deviation) as caught:
        returned(Crashed("killed by SIGSEGV", "a stack"))
    assert caught.value.detail == "a stack"


def worst(size: float) -> Worst:
    return Worst(ratio=size, what="loss", got=0.0, expected=0.0, bound=1.0, token="")


@given(sizes=st.lists(st.floats(0, allow_nan=False), min_size=1, max_size=4))
def test_measurements_add_up_and_keep_the_worst(sizes: list[float]) -> None:
    total = Measurement()
    for size in sizes:
        total += Measurement(worst(size), values=2, bitwise_equal=1, bitwise_of=2)
    assert total.worst == worst(max(sizes))
    assert (total.values, total.bitwise_equal, total.bitwise_of) == (2 * len(sizes), len(sizes), 2 * len(sizes))


@pytest.mark.parametrize("part", ["elementwise", "accumulator", "output"])
def test_a_part_declared_narrower_than_the_dtype_is_allowed_its_errors(part: str) -> None:
    subject = built_in_subjects()["numpy"]
    call = build_call(Case("float64", 4, 100, "normal", seed=1))
    declared = [replace(subject, precision={"float64": Precision(**{part: dtype})}) for dtype in (None, "float32")]
    plain, narrow = (expect(call, subject, "float64").parts["loss"].bound for subject in declared)
    assert (narrow > 1000 * plain).all()


def test_what_a_declared_underflow_may_lose_is_allowed() -> None:
    """The softmax of a class 87 behind the maximum lies between one and two smallest normal numbers."""
    subject = built_in_subjects()["numpy"]
    call = replace(build_call(Case("float32", 1, 2)), logits=np.array([[87.0, 0.0]], np.float32), labels=np.array([0]))
    declared = [replace(subject, precision={"float32": Precision(underflow=underflow)}) for underflow in (1.0, 2.0)]
    plain, flushing = (expect(call, one, "float32").parts["grad_logits"].bound[0, 1] for one in declared)
    assert plain < flushing
    assert flushing > np.exp(-87.0)
