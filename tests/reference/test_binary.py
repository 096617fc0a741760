"""Sigmoid cross-entropy, of logits and of probabilities: judged by the definition in 370 digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xentcheck_reference import (
    BinaryProblem,
    Profile,
    binary_cross_entropy,
    binary_cross_entropy_of_probabilities,
    binary_error_bound,
)

if TYPE_CHECKING:
    from types import SimpleNamespace

# exp, log1p, at most eight operations, and a mean over fewer than eight classes, in unit roundoffs.
UNITS = 24 * 2.0**-53
TINY = 2.0**-1068
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


@st.composite
def problems(draw: st.DrawFn) -> BinaryProblem:
    rows, classes = draw(st.integers(1, 3)), draw(st.integers(1, 3))

    def floats(element: st.SearchStrategy[float], *shape: int) -> np.ndarray:
        count = int(np.prod(shape))
        return np.array(draw(st.lists(element, min_size=count, max_size=count)), np.float64).reshape(shape)

    reduction = draw(st.sampled_from(["none", "sum", "mean"]))
    upstream = floats(st.floats(-3, 3), *([rows] if reduction == "none" else []))
    return BinaryProblem(
        logits=floats(st.floats(-30, 30) | st.floats(-340, 340) | st.just(0.0), rows, classes),
        labels=floats(st.sampled_from([0.0, 1.0, 0.25, 0.9]), rows, classes),
        label_smoothing=draw(st.sampled_from([0.0, 0.1, 1.0])),
        reduction=reduction,
        sample_weight=draw(st.none() | st.builds(lambda: floats(st.floats(0.01, 10), rows))),
        mean_divides_by=draw(st.sampled_from(["rows", "sample_weights"])),
        upstream=draw(st.sampled_from([None, upstream])),
    )


@settings(max_examples=80, deadline=None)
@given(problem=problems())
def test_loss_and_gradients_are_those_of_the_definition(exact: SimpleNamespace, problem: BinaryProblem) -> None:
    got, true = binary_cross_entropy(problem), exact.binary_cross_entropy(problem)
    assert (exact.error(got.loss, true.loss) <= UNITS * got.loss + TINY).all()
    # a scale that is itself subnormal is multiplied by log p(no) - log p(yes), the logit
    underflow = TINY * (1.0 + np.abs(problem.logits))
    assert (exact.error(got.grad_labels, true.grad_labels) <= UNITS * np.abs(got.grad_labels) + underflow).all()
    # sigmoid - y' cancels where they are close: relative to both, except that a label of 0 or 1 leaves one term
    hard = (problem.label_smoothing == 0.0) & ((problem.labels == 0.0) | (problem.labels == 1.0))
    magnitude = np.where(hard, np.abs(got.grad_logits), np.abs(got.scale)[:, None])
    assert (exact.error(got.grad_logits, true.grad_logits) <= UNITS * magnitude + TINY).all()


@pytest.mark.parametrize("labels", [[-2.0, 3.0], [1.5, -0.5]])
def test_labels_outside_zero_and_one_are_still_the_definition(exact: SimpleNamespace, labels: list[float]) -> None:
    problem = BinaryProblem(logits=np.array([[3.0, -2.0]]), labels=np.array([labels]))
    got, true = binary_cross_entropy(problem), exact.binary_cross_entropy(problem)
    magnitude = 3.0 * np.abs(problem.logits).sum()  # |labels| <= 3
    assert (exact.error(got.loss, true.loss) <= UNITS * magnitude).all()
    assert (exact.error(got.grad_logits, true.grad_logits) <= UNITS * 3.0).all()


def test_a_nan_logit_spoils_its_row_loss_and_its_own_gradient_only() -> None:
    got = binary_cross_entropy(BinaryProblem(logits=np.array([[np.nan, 1.0], [0.0, 1.0]]), labels=np.ones((2, 2))))
    assert np.isnan(got.loss).tolist() == [True, False]
    assert np.isnan(got.grad_logits).tolist() == [[True, False], [False, False]]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    tail = np.exp(-np.abs(x))
    return np.where(x > 0, 1, tail) / (1 + tail)


def test_cross_entropy_of_sigmoids_is_that_of_their_logits() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(16, 5)), rng.random((16, 5))
    p = _sigmoid(x)
    options: dict[str, Any] = {"labels": y, "label_smoothing": 0.1, "reduction": "mean"}
    of_logits = binary_cross_entropy(BinaryProblem(logits=x, **options))
    of_probabilities = binary_cross_entropy_of_probabilities(BinaryProblem(logits=p, **options))
    # sigmoid errs by 8 u, and |d log p / d p| <= 1/p: a relative error of 8 u in p is 8 u / (1-p) in the loss
    units = 64 * 2.0**-53 / (p * (1.0 - p)).min()
    assert abs(of_probabilities.loss - of_logits.loss) <= units
    # the chain rule: dp/dx = p (1-p)
    np.testing.assert_allclose(of_probabilities.grad_logits * p * (1 - p), of_logits.grad_logits, rtol=0, atol=units)


def _plain_logits(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    loss = np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))
    return loss.mean(1), (_sigmoid(x) - y) / x.dtype.type(5)


def _two_log_sigmoids(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    def log_sigmoid(v: np.ndarray) -> np.ndarray:
        return np.minimum(v, 0) - np.log1p(np.exp(-np.abs(v)))

    grad = (1 - y) * _sigmoid(x) - y * _sigmoid(-x)
    return (-y * log_sigmoid(x) - (1 - y) * log_sigmoid(-x)).mean(1), grad / x.dtype.type(5)


def _plain_probabilities(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(1), ((1 - y) / (1 - p) - y / p) / p.dtype.type(5)


def _forgets_the_mean(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    loss, grad = _plain_logits(x, y)
    return loss * x.dtype.type(5), grad * x.dtype.type(5)


def _overflows(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (np.log1p(np.exp(x)) - x * y).mean(1), _plain_logits(x, y)[1]


def _rounds_the_sigmoid_to_half(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = _sigmoid(x).astype(np.float16).astype(x.dtype)
    return _plain_logits(x, y)[0], (p - y) / x.dtype.type(5)


def _smoothed(kernel: Any, epsilon: float) -> Any:
    """The kernel of labels y (1 - epsilon) + epsilon / 2, mixed in their dtype."""
    return lambda x, y: kernel(x, y * x.dtype.type(1 - epsilon) + x.dtype.type(epsilon / 2))


def _worst(kernel: Any, dtype: Any, spread: float, probabilities: bool = False, epsilon: float = 0.0) -> float:
    rng = np.random.default_rng(5)
    x = (rng.normal(size=(64, 5)) * spread).astype(dtype)
    if probabilities:
        x = np.clip(_sigmoid(x.astype(np.float64)), 2.0**-7, 1 - 2.0**-7).astype(dtype)
    y = rng.choice([0.0, 1.0, 0.25, 0.9], size=x.shape).astype(dtype)
    problem = BinaryProblem(logits=x.astype(np.float64), labels=y.astype(np.float64), label_smoothing=epsilon)
    reference = (binary_cross_entropy_of_probabilities if probabilities else binary_cross_entropy)(problem)
    bound = binary_error_bound(problem, reference, Profile(np.dtype(dtype).name, "uniform", "pairwise"))
    with np.errstate(all="ignore"):
        loss, grad = kernel(x, y)
    ratios = np.concatenate([np.abs(loss - reference.loss) / bound.loss,
                             np.ravel(np.abs(grad - reference.grad_logits) / bound.grad_logits)])  # fmt: skip
    return float(np.where(np.isnan(ratios), np.inf, ratios).max())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("spread", [0.01, 1.0, 8.0])
@pytest.mark.parametrize("kernel", [_plain_logits, _two_log_sigmoids])
def test_honest_kernels_of_logits_are_inside_the_bound(kernel: Any, spread: float, dtype: Any) -> None:
    assert 0.0 < _worst(kernel, dtype, spread) <= 1.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("spread", [0.01, 1.0, 8.0])
def test_an_honest_kernel_of_probabilities_is_inside_the_bound(spread: float, dtype: Any) -> None:
    assert 0.0 < _worst(_plain_probabilities, dtype, spread, probabilities=True) <= 1.0


@pytest.mark.parametrize(
    ("fault", "spread"), [(_forgets_the_mean, 1.0), (_overflows, 60.0), (_rounds_the_sigmoid_to_half, 1.0)]
)
def test_a_fault_is_outside_the_bound(fault: Any, spread: float) -> None:
    assert _worst(fault, np.float32, spread) > 1.0


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("dtype", [BFLOAT16, np.float16, np.float32])
def test_smoothed_labels_may_leave_a_rounding_of_yes_to_no(dtype: Any, epsilon: float) -> None:
    for kernel, probabilities in ((_plain_probabilities, True), (_plain_logits, False)):
        assert 0.0 < _worst(_smoothed(kernel, epsilon), dtype, 8.0, probabilities, epsilon) <= 1.0


@pytest.mark.parametrize("dtype", [BFLOAT16, np.float16, np.float32])
def test_labels_that_are_smoothed_twice_as_much_are_outside(dtype: Any) -> None:
    for kernel, probabilities in ((_plain_probabilities, True), (_plain_logits, False)):
        assert _worst(_smoothed(kernel, 0.2), dtype, 1.0, probabilities, epsilon=0.1) > 1.0
