"""Rows that have no softmax, and rows with a forbidden class."""

from __future__ import annotations

import numpy as np
import pytest

from xentcheck_reference import Problem, Profile, Tier, cross_entropy, error_bound

inf, nan = np.inf, np.nan
NEIGHBOUR = [0.5, -1.0, 2.0]


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("tier", ["float64", "double-word"])
@pytest.mark.parametrize("row", [[nan, 1.0, 2.0], [1.0, nan, inf], [0.0, inf, 1.0], [inf, inf, 0.0], [-inf] * 3])
def test_a_row_without_a_softmax_is_nan_and_leaves_its_neighbours_alone(
    row: list[float], tier: Tier, soft: bool
) -> None:
    labels = np.eye(3) if soft else np.arange(3)
    logits = np.array([NEIGHBOUR, row, NEIGHBOUR])
    got = cross_entropy(Problem(logits=logits, labels=labels), tier=tier)
    assert np.isnan(got.loss[1])
    assert np.isnan(got.grad_logits[1]).all()
    alone = cross_entropy(Problem(logits=logits[::2], labels=labels[::2]), tier=tier)
    assert (got.loss[::2] == alone.loss).all()
    assert (got.grad_logits[::2] == alone.grad_logits).all()


def test_a_single_class_of_minus_infinity_has_no_softmax() -> None:
    got = cross_entropy(Problem(logits=np.array([[-inf], [3.0]]), labels=np.array([0, 0])))
    np.testing.assert_array_equal(got.loss, [nan, 0.0])
    np.testing.assert_array_equal(got.grad_logits, [[nan], [0.0]])


@pytest.mark.parametrize("labels", [np.array([0]), np.array([[1.0, 0.0, 0.0]])])
def test_a_forbidden_class_without_label_mass_is_as_if_it_were_not_there(labels: np.ndarray) -> None:
    got = cross_entropy(Problem(logits=np.array([[1.0, 2.0, -inf]]), labels=labels))
    without = cross_entropy(Problem(logits=np.array([[1.0, 2.0]]), labels=labels[..., :2]))
    assert got.loss == without.loss
    assert got.grad_logits[0].tolist() == [*without.grad_logits[0], 0.0]


def test_zero_times_infinity_may_be_declared_nan_without_touching_the_gradient() -> None:
    logits, labels = np.array([[1.0, 2.0, -inf]]), np.array([[1.0, 0.0, 0.0]])
    nan_rule = cross_entropy(Problem(logits=logits, labels=labels, zero_times_inf="nan"))
    zero_rule = cross_entropy(Problem(logits=logits, labels=labels))
    assert np.isnan(nan_rule.loss[0])
    assert (nan_rule.grad_logits == zero_rule.grad_logits).all()


@pytest.mark.parametrize("labels", [np.array([2]), np.array([[0.0, 0.0, 1.0]])])
def test_label_mass_on_a_forbidden_class_costs_infinitely_with_a_finite_gradient(labels: np.ndarray) -> None:
    got = cross_entropy(Problem(logits=np.array([[0.0, 0.0, -inf]]), labels=labels))
    assert got.loss[0] == inf
    assert got.grad_logits.tolist() == [[0.5, 0.5, -1.0]]


def test_a_bound_is_never_nan_and_zero_where_the_reference_is_not_finite() -> None:
    logits = np.array([[nan, 0.0, 0.0], [0.0, 0.0, -inf], NEIGHBOUR])
    asked = Problem(logits=logits, labels=np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5]]))
    got = cross_entropy(asked)
    bound = error_bound(asked, got, Profile.unknown("float16"))
    assert bound.grad_labels is not None
    assert got.grad_labels is not None
    for value, error in zip((got.loss, got.grad_logits, got.grad_labels),
                            (bound.loss, bound.grad_logits, bound.grad_labels), strict=True):  # fmt: skip
        assert ((error > 0.0) == np.isfinite(value)).all()
