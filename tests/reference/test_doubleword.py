"""Double-word arithmetic keeps the bits its docstrings promise, and the same bits on every machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

from xentcheck_reference import Problem, cross_entropy, hessian_vector_product
from xentcheck_reference.doubleword import DoubleWord, sum_of_rows
from xentcheck_reference.elementary import exp, log1p, tanh_and_slope

if TYPE_CHECKING:
    from collections.abc import Callable

POINTS = 60
WORD = st.floats(1e-100, 1e100) | st.floats(-1e100, -1e-100)


def pair(value: float, share: float) -> DoubleWord:
    """A pair whose low part is a share of half an ulp of the high one."""
    return DoubleWord(np.array([value]), np.array([share * np.spacing(value) / 2]))


def exactly(word: DoubleWord, index: int = 0) -> Fraction:
    return Fraction(float(word.hi[index])) + Fraction(float(word.lo[index]))


PAIRS = st.builds(pair, WORD, st.floats(-1, 1))


@pytest.mark.parametrize(("name", "bits"), [("mul", 103), ("truediv", 102)])
@given(a=PAIRS, b=PAIRS)
def test_products_and_quotients_are_relative_to_their_result(
    name: str, bits: int, a: DoubleWord, b: DoubleWord
) -> None:
    got = exactly(getattr(a, f"__{name}__")(b))
    true = exactly(a) * exactly(b) if name == "mul" else exactly(a) / exactly(b)
    assert abs(got - true) <= abs(true) * Fraction(2) ** -bits


@given(a=PAIRS, b=PAIRS)
def test_sums_and_differences_are_relative_to_their_terms(a: DoubleWord, b: DoubleWord) -> None:
    size = (abs(exactly(a)) + abs(exactly(b))) * Fraction(2) ** -104
    assert abs(exactly(a + b) - (exactly(a) + exactly(b))) <= size
    assert abs(exactly(a - b) - (exactly(a) - exactly(b))) <= size


@given(a=PAIRS, b=PAIRS)
def test_the_high_part_is_the_nearest_float(a: DoubleWord, b: DoubleWord) -> None:
    for word in (a + b, a * b, a / b):
        assert word.hi[0] == word.hi[0] + word.lo[0]


def test_products_do_not_overflow_before_their_result_does() -> None:
    huge = DoubleWord.of(np.array([2.0**1000 + 2.0**950]))
    assert exactly(huge * 2.0**20) == exactly(huge) * 2**20


@given(st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=40))
def test_a_sum_errs_by_2_to_the_minus_100_of_its_largest_term(terms: list[float]) -> None:
    got, true = sum_of_rows(np.array([terms])), sum(map(Fraction, terms))
    assert abs(exactly(got) - true) <= max(abs(Fraction(t)) for t in terms) * Fraction(2) ** -100 + Fraction(2) ** -1074


def test_a_sum_of_two_hundred_thousand_terms_does_not_depend_on_their_order() -> None:
    rng = np.random.default_rng(0)
    terms = rng.normal(size=200_001) * np.exp2(rng.integers(-40, 40, 200_001))
    one, other = sum_of_rows(terms[None]), sum_of_rows(terms[None, ::-1])
    assert one.hi == other.hi
    assert abs(float(one.lo[0] - other.lo[0])) <= 2.0**-100 * np.abs(terms).max()


FUNCTIONS: dict[str, tuple[Callable[[DoubleWord], DoubleWord], Callable[[Any], Any], float, int]] = {
    "exp": (exp, mp.exp, -1.0, 74),
    "log1p": (log1p, mp.log1p, 1.0, 96),
    "tanh": (lambda y: tanh_and_slope(y)[0], mp.tanh, 1.0, 70),
    "slope of tanh": (lambda y: tanh_and_slope(y)[1], lambda y: 1 - mp.tanh(y) ** 2, -1.0, 70),
}


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1e-3, 0.05, 1.0, 30.0, 300.0])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_keeps_its_bits(name: str, scale: float) -> None:
    ours, theirs, sign, bits = FUNCTIONS[name]
    rng = np.random.default_rng(3)
    hi = sign * np.abs(rng.normal(size=POINTS)) * scale
    x = DoubleWord(hi, rng.uniform(-0.5, 0.5, POINTS) * np.spacing(hi))
    got = ours(x)
    with mp.workprec(2400):  # 1 - tanh^2 at 300 is exp(-600)
        for i in range(POINTS):
            true = theirs(mpf(float(x.hi[i])) + mpf(float(x.lo[i])))
            error = abs((mpf(float(got.hi[i])) - true) + mpf(float(got.lo[i])))
            assert error <= abs(true) * mpf(2) ** -bits + mpf(2) ** -1073


def digest() -> str:
    """SHA-256 of the double-word tier's answers to 40 000 logits with all options."""
    rng = np.random.Philox(key=1)
    words = (rng.random_raw(40_000) >> np.uint64(11)).astype(np.float64).reshape(40, 1000)
    x = np.ldexp(words, -53) * np.ldexp(1.0, np.arange(40) % 10)[:, None]
    labels, total = np.ldexp(words[::-1], -62), hashlib.sha256()
    for options in ({}, {"softcap": 30.0, "z_loss": 1e-4, "label_smoothing": 0.1}):
        for q in (np.arange(40), labels):
            problem = Problem(logits=x, labels=q, **options)  # type: ignore[arg-type]
            got = cross_entropy(problem, tier="double-word")
            product = hessian_vector_product(problem, labels, tier="double-word")
            parts = (got.loss, got.loss_low, got.grad_logits, got.grad_logits_low, product.value, product.low)
            for part in parts:
                total.update(np.ascontiguousarray(part).tobytes())
    return total.hexdigest()


def simd_features() -> list[str]:
    simd = np.show_config(mode="dicts")["SIMD Extensions"]  # type: ignore[index,call-arg]
    return list(simd.get("found", []))


@pytest.mark.parametrize("kept", [0, 1])
def test_the_double_word_tier_is_the_same_whatever_simd_numpy_dispatches_to(kept: int) -> None:
    features = simd_features()
    if len(features) <= kept:
        pytest.skip("NumPy dispatches to nothing here that could be switched off")
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(features[kept:])}
    code = f"import runpy; print(runpy.run_path({__file__!r})['digest']())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest()


def test_a_sum_of_no_terms_is_zero() -> None:
    assert exactly(sum_of_rows(np.empty((1, 0)))) == 0
