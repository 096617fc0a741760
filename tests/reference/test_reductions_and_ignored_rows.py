"""What is left out, and what the mean divides by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xentcheck_reference import MeanDividesBy, Problem, Profile, cross_entropy, error_bound

LOGITS = np.array([[1.0, 2.0, -1.0], [0.0, 0.5, 0.25], [3.0, -3.0, 0.0], [1.0, 1.0, 1.0]])
LABELS = np.array([0, 2, -100, 1])
WEIGHT = np.array([0.5, 2.0, 4.0])


def problem(**options: Any) -> Problem:
    return Problem(**{"logits": LOGITS, "labels": LABELS, "ignore_index": -100, **options})


@pytest.mark.parametrize(("divides_by", "denominator"), [("weights", 0.5 + 4.0 + 2.0), ("kept", 3.0), ("rows", 4.0)])
def test_the_mean_divides_by_what_it_says(divides_by: MeanDividesBy, denominator: float) -> None:
    total = cross_entropy(problem(weight=WEIGHT, reduction="sum"))
    mean = cross_entropy(problem(weight=WEIGHT, reduction="mean", mean_divides_by=divides_by))
    assert mean.loss == total.loss / denominator
    np.testing.assert_array_max_ulp(mean.grad_logits, total.grad_logits / denominator, maxulp=4)


@pytest.mark.parametrize(
    ("divides_by", "denominator"),
    [("weights", 0.5 * 3.0 + 4.0 * 0.25 + 2.0 * 2.0), ("sample_weights", 5.25), ("kept", 3.0), ("rows", 4.0)],
)
def test_sample_weights_enter_the_sums_of_weights_only(divides_by: MeanDividesBy, denominator: float) -> None:
    weights = {"weight": WEIGHT, "sample_weight": np.array([3.0, 0.25, 8.0, 2.0])}
    total = cross_entropy(problem(**weights, reduction="sum"))
    mean = cross_entropy(problem(**weights, reduction="mean", mean_divides_by=divides_by))
    assert mean.loss == total.loss / denominator
    np.testing.assert_array_max_ulp(mean.grad_logits, total.grad_logits / denominator, maxulp=4)


def test_a_row_without_weight_counts_for_nothing() -> None:
    weights = np.array([1.0, 0.0, 5.0, 1.0])
    got = cross_entropy(problem(sample_weight=weights, reduction="mean", mean_divides_by="sample_weights"))
    alone = Problem(logits=LOGITS[[0, 3]], labels=LABELS[[0, 3]], reduction="mean")
    assert got.loss == cross_entropy(alone).loss
    assert (got.grad_logits[1] == 0.0).all()


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("label", [-100, 1, 3, 255])
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_ignored_rows_are_exactly_zero_whatever_they_hold(poison: float, label: int, smoothing: float) -> None:
    logits = LOGITS.copy()
    logits[2] = poison
    labels = np.array([0, 2, label, 0])
    asked = problem(logits=logits, labels=labels, ignore_index=label, label_smoothing=smoothing, weight=WEIGHT,
                    upstream=np.array([1.0, -2.0, 5.0, 3.0]))  # fmt: skip
    got = cross_entropy(asked)
    assert got.loss[2] == 0.0
    assert (got.grad_logits[2] == 0.0).all()
    assert np.isfinite(got.loss).all()
    bound = error_bound(asked, got, Profile("float32"))
    assert bound.loss[2] == 0.0
    assert (bound.grad_logits[2] == 0.0).all()


@pytest.mark.parametrize("empty_mean", [np.nan, 0.0])
def test_the_mean_of_nothing_is_the_declared_value_and_has_zero_gradient(empty_mean: float) -> None:
    got = cross_entropy(
        problem(labels=np.full(4, -100), reduction="mean", mean_divides_by="kept", empty_mean=empty_mean)
    )
    np.testing.assert_array_equal(got.loss, empty_mean)
    assert (got.grad_logits == 0.0).all()


def test_no_rows_at_all() -> None:
    none = Problem(logits=np.empty((0, 3)), labels=np.empty(0, np.int64))
    assert cross_entropy(none).loss.shape == (0,)
    assert cross_entropy(none).grad_logits.shape == (0, 3)
    assert error_bound(none, cross_entropy(none), Profile("float32")).loss.shape == (0,)
    mean = Problem(logits=np.empty((0, 3)), labels=np.empty(0, np.int64), reduction="mean")
    assert np.isnan(cross_entropy(mean).loss)


def test_a_row_upstream_scales_its_gradient_and_not_its_loss() -> None:
    upstream = np.array([0.0, -1.0, 7.0, 0.5])
    plain, scaled = cross_entropy(problem()), cross_entropy(problem(upstream=upstream))
    assert (scaled.loss == plain.loss).all()
    np.testing.assert_array_max_ulp(scaled.grad_logits, plain.grad_logits * upstream[:, None], maxulp=4)
    assert (scaled.grad_logits[0] == 0.0).all()


def test_index_labels_are_one_hot_soft_labels() -> None:
    one_hot = np.eye(3)[[0, 2, 1, 1]]
    options: dict[str, Any] = {"weight": WEIGHT, "label_smoothing": 0.1, "reduction": "sum"}
    index = cross_entropy(Problem(logits=LOGITS, labels=np.array([0, 2, 1, 1]), **options))
    soft = cross_entropy(Problem(logits=LOGITS, labels=one_hot, **options))
    assert soft.loss == pytest.approx(float(index.loss), rel=2.0**-48)  # a few additions in another order
    np.testing.assert_allclose(soft.grad_logits, index.grad_logits, rtol=0, atol=2.0**-48)


def test_the_assumed_normalised_gradient_is_softmax_minus_labels_whatever_they_sum_to() -> None:
    labels = np.array([[0.5, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    true = cross_entropy(Problem(logits=LOGITS, labels=labels))
    assumed = cross_entropy(Problem(logits=LOGITS, labels=labels, gradient_rule="assume_normalised"))
    assert (assumed.loss == true.loss).all()
    np.testing.assert_allclose(assumed.grad_logits, true.rows.softmax - labels, rtol=0, atol=2.0**-51)
    np.testing.assert_allclose(
        true.grad_logits, true.rows.softmax * labels.sum(1, keepdims=True) - labels, rtol=0, atol=2.0**-51
    )
