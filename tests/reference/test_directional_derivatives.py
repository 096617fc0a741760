"""Tangents and mixed second derivatives against mpmath's differences, and their bounds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from mpmath import mpf

from xentcheck_reference import (
    InvalidProblem,
    Problem,
    Profile,
    cross_entropy,
    directional_derivatives,
    mixed_error_bound,
    tangent_error_bound,
)

Array = np.ndarray[Any, Any]

random = np.random.default_rng(3)
LOGITS = random.normal(size=(4, 5)) * np.array([[0.1], [1.0], [8.0], [30.0]])
VECTOR = random.integers(-32, 33, (4, 5)) / 8.0
INDEX = np.array([0, 3, 1, 4])
ROWS = random.normal(size=(4, 5))
UPSTREAM = np.array([0.5, -2.0, 1.0, 3.0])
PROBLEMS = {
    "index": Problem(logits=LOGITS, labels=INDEX),
    "rows of any sum": Problem(logits=LOGITS, labels=ROWS, upstream=UPSTREAM),
    "smoothing and weights": Problem(
        logits=LOGITS, labels=np.abs(ROWS), label_smoothing=0.125, weight=np.arange(5.0), upstream=UPSTREAM
    ),
    "weighted mean": Problem(
        logits=LOGITS, labels=INDEX, weight=np.arange(1.0, 6.0), reduction="mean", mean_divides_by="weights"
    ),
    "ignored rows": Problem(logits=LOGITS, labels=np.array([0, -100, 1, 4]), ignore_index=-100, reduction="mean"),
}
SOFT = [name for name, problem in PROBLEMS.items() if problem.soft]


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_tangent_is_the_gradient_times_the_vector(exact: SimpleNamespace, name: str) -> None:
    problem = PROBLEMS[name]
    found = directional_derivatives(problem, VECTOR)
    ones = np.ones(4) if problem.reduction == "none" else np.ones(())
    gradient = exact.cross_entropy(_with(problem, upstream=ones)).grad_logits
    rows = (gradient * VECTOR).sum(axis=1)
    true = rows if problem.reduction == "none" else rows.sum()
    allowed = found.row_error if problem.reduction == "none" else found.row_error.sum()
    # a mean adds its rows and divides by the weights
    assert (exact.error(found.tangent, true) <= allowed + 2.0**-50 * np.abs(found.tangent)).all()


@pytest.mark.parametrize("name", SOFT)
def test_the_mixed_derivative_is_how_the_labels_change_gradient_times_vector(exact: SimpleNamespace, name: str) -> None:
    problem, columns = PROBLEMS[name], [1, 3]
    found = directional_derivatives(problem, VECTOR)
    assert found.mixed is not None
    assert found.mixed_error is not None
    here = exact.cross_entropy(problem).grad_logits
    for column in columns:  # the gradient is linear in the labels: a difference over a whole step is exact
        moved = problem.labels + np.eye(5)[column]
        ends = zip(moved[:, column], problem.labels[:, column], strict=True)
        step = [mpf(float(after)) - mpf(float(before)) for after, before in ends]
        change = (exact.cross_entropy(_with(problem, labels=moved)).grad_logits - here) * VECTOR
        error = exact.error(found.mixed[:, column], change.sum(axis=1) / np.array(step))
        assert (error <= found.mixed_error[:, column] + 2.0**-80).all()


def test_of_a_gradient_that_assumes_normalised_labels_the_labels_change_only_the_difference() -> None:
    found = directional_derivatives(_with(PROBLEMS["rows of any sum"], gradient_rule="assume_normalised"), VECTOR)
    np.testing.assert_array_equal(found.mixed, -UPSTREAM[:, None] * VECTOR)


def test_ignored_rows_have_no_tangent() -> None:
    assert directional_derivatives(PROBLEMS["ignored rows"], VECTOR).row_tangents[1] == 0


def test_a_row_without_a_softmax_has_no_derivatives() -> None:
    problem = Problem(logits=np.array([[np.inf, 0.0], [1.0, 0.0]]), labels=np.ones((2, 2)))
    found = directional_derivatives(problem, np.ones((2, 2)))
    assert np.isnan(found.tangent).tolist() == [True, False]
    assert found.mixed is not None
    assert np.isnan(found.mixed).tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize("option", [{"z_loss": 0.1}, {"softcap": 30.0}, {"sample_weight": np.ones(4)}])
def test_options_that_no_subject_differentiates_so_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InvalidProblem, match="expected none"):
        directional_derivatives(_with(PROBLEMS["index"], **option), VECTOR)


DTYPES: dict[str, Any] = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32}


def ratios(dtype: str, scale: float, kernel: Callable[[Array, Array, Array], tuple[Array, Array]]) -> list[float]:
    """The largest errors of a kernel's tangent and mixed derivative relative to their bounds."""
    real = DTYPES[dtype]
    rounded = np.random.default_rng(4).normal(size=(64, 10)).astype(real)
    x, y = (rounded * real(scale)).astype(real), np.abs(rounded[::-1])
    v = (np.random.default_rng(5).integers(-32, 33, (64, 10)) / 8.0).astype(real)
    problem, wide = Problem(logits=x.astype(np.float64), labels=y.astype(np.float64)), v.astype(np.float64)
    profile, answer = Profile(dtype, "uniform", "pairwise"), cross_entropy(problem)
    found = directional_derivatives(problem, wide)
    assert found.mixed is not None
    tangent, mixed = (result.astype(np.float64) for result in kernel(x, y, v))
    return [
        (np.abs(tangent - found.tangent) / tangent_error_bound(problem, answer, wide, found, profile)).max(),
        (np.abs(mixed - found.mixed) / mixed_error_bound(problem, answer, wide, found, profile)).max(),
    ]


def forward_mode(x: Array, y: Array, v: Array, centre: int = 1) -> tuple[Array, Array]:
    """Tangent and mixed derivative, every operation in the dtype of x, sums over classes in float32."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    s = e / e.astype(np.float32).sum(axis=1, keepdims=True).astype(x.dtype)
    change = x.dtype.type(centre) * (s * v).astype(np.float32).sum(axis=1, keepdims=True).astype(x.dtype) - v
    return (y * change).astype(np.float32).sum(axis=1).astype(x.dtype), change


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [0.01, 1.0, 10.0, 60.0])
def test_an_honest_forward_mode_is_inside_the_bounds(dtype: str, scale: float) -> None:
    assert max(ratios(dtype, scale, forward_mode)) < 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_forward_mode_that_does_not_centre_is_not(dtype: str) -> None:
    assert min(ratios(dtype, 1.0, partial(forward_mode, centre=0))) > 1


def _with(problem: Problem, **fields: Any) -> Problem:
    return Problem(**{**vars(problem), **fields})
