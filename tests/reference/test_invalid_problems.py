"""A problem the oracle cannot judge is refused by name, with what it got and what it expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xentcheck_reference import (
    BinaryProblem,
    InvalidProblem,
    Problem,
    Profile,
    binary_cross_entropy_of_probabilities,
    cross_entropy,
    cross_entropy_of_probabilities,
    hessian_error_bound,
    hessian_vector_product,
)

LOGITS = np.zeros((2, 3))
INDEX = np.array([0, 2])
SOFT = np.full((2, 3), 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"logits": LOGITS.astype(np.float32)}, r"logits: got float32 array of shape \(2, 3\), expected a float64"),
        ({"logits": np.zeros(3)}, r"logits: got float64 array of shape \(3,\)"),
        ({"logits": np.zeros((2, 0))}, "logits: .*C >= 1"),
        ({"logits": [[0.0]]}, "logits: got "),
        ({"labels": [0, 2]}, "labels: got "),
        ({"labels": np.array([True, False])}, "labels: got bool array"),
        ({"labels": np.array([0, 1, 2])}, r"labels: got int64 array of shape \(3,\), expected .*\(2,\)"),
        ({"labels": np.eye(2, 3, dtype=np.int64)}, "labels: got int64 array of shape"),
        ({"labels": SOFT.astype(np.float32)}, "labels: got float32"),
        ({"labels": SOFT[:, :2]}, r"labels: .*\(2, 2\), expected .*\(2, 3\)"),
        ({"labels": np.array([0, 3])}, r"labels\[1\]: got 3, expected a class in \[0, 3\)"),
        ({"labels": np.array([-1, 0]), "ignore_index": -100}, r"labels\[0\]: got -1.*ignore_index=-100"),
        ({"labels": SOFT, "ignore_index": 0}, "ignore_index: got 0, expected None with soft labels"),
        ({"labels": SOFT, "mean_divides_by": "weights"}, "mean_divides_by: got 'weights'"),
        ({"weight": np.ones(2)}, r"weight: got float64 array of shape \(2,\), expected .*\(3,\)"),
        ({"sample_weight": np.ones(3)}, r"sample_weight: got float64 array of shape \(3,\), expected .*\(2,\)"),
        ({"sample_weight": np.array([1.0, np.nan])}, "sample_weight: got a NaN or an infinity"),
        ({"label_smoothing": 1.5}, r"label_smoothing: got 1.5, expected a number in \[0, 1\]"),
        ({"label_smoothing": np.nan}, "label_smoothing: got nan"),
        ({"label_smoothing": -0.1}, r"label_smoothing: got -0.1, expected a number in \[0, 1\]"),
        ({"z_loss": -1e-4}, "z_loss: got -0.0001, expected a finite number >= 0"),
        ({"z_loss": np.nan}, "z_loss: got nan"),
        ({"softcap": 0.0}, "softcap: got 0.0, expected a finite number > 0, or None"),
        ({"softcap": np.nan}, "softcap: got nan"),
        ({"reduction": "average"}, "reduction: got 'average', expected one of none, sum, mean"),
        ({"mean_divides_by": "N"}, "mean_divides_by: got 'N', expected one of weights, sample_weights, kept, rows"),
        ({"gradient_rule": "wrong"}, "gradient_rule: got 'wrong'"),
        ({"zero_times_inf": "inf"}, "zero_times_inf: got 'inf'"),
        ({"upstream": np.ones(3)}, r"upstream: .*\(3,\), expected .*\(2,\).*reduction='none'"),
        ({"upstream": np.ones(2), "reduction": "sum"}, r"upstream: .*expected .*shape \(\)"),
        ({"upstream": 1.0, "reduction": "sum"}, "upstream: got 1.0, expected a float64 array"),
    ],
)
def test_a_softmax_problem_names_what_is_wrong(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        Problem(**{"logits": LOGITS, "labels": INDEX, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": SOFT[:1]}, "labels: "),
        ({"labels": np.ones((2, 3), np.int64)}, "labels: got int64"),
        ({"label_smoothing": -0.1}, "label_smoothing: got -0.1"),
        ({"sample_weight": np.ones(1)}, "sample_weight: got float64"),
        ({"mean_divides_by": "kept"}, "mean_divides_by: got 'kept', expected one of sample_weights, rows"),
        ({"reduction": "avg"}, "reduction: got 'avg'"),
        ({"upstream": np.ones((2, 3))}, "upstream: "),
    ],
)
def test_a_binary_problem_names_what_is_wrong(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        BinaryProblem(**{"logits": LOGITS, "labels": SOFT, **options})


@pytest.mark.parametrize("value", [0.0, -0.1, np.nan, np.inf])
def test_only_positive_probabilities_have_a_cross_entropy(value: float) -> None:
    p = np.array([[0.5, 0.5], [0.5, value]])
    with pytest.raises(InvalidProblem, match=r"logits\[1, 1\]: got .*expected a probability"):
        cross_entropy_of_probabilities(Problem(logits=p, labels=np.array([0, 0])))


def test_a_binary_probability_of_one_is_outside() -> None:
    with pytest.raises(InvalidProblem, match=r"logits\[0, 1\]: got 1.0"):
        binary_cross_entropy_of_probabilities(BinaryProblem(logits=np.array([[0.5, 1.0]]), labels=np.zeros((1, 2))))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("float8",), "dtype: got 'float8', expected one of float16, bfloat16, float32, float64"),
        (("float32", "loose"), "storage: got 'loose'"),
        (("float32", "stored", ("lane", 0)), r"sum_model: got \('lane', 0\)"),
        (("float32", "stored", "sqrt"), "sum_model: got 'sqrt'"),
    ],
)
def test_a_profile_names_what_is_wrong(fields: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        Profile(*fields)


def test_an_unknown_tier_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="tier: got 'exact', expected float64 or double-word"):
        cross_entropy(Problem(logits=LOGITS, labels=INDEX), tier="exact")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("direction", "message"),
    [
        (np.zeros((3, 2)), r"direction: got float64 array of shape \(3, 2\), expected .*\(2, 3\)"),
        (np.full((2, 3), np.nan), "direction: got a NaN or an infinity, expected finite numbers"),
    ],
)
def test_a_direction_is_finite_and_shaped_like_the_logits(direction: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        hessian_vector_product(Problem(logits=LOGITS, labels=INDEX), direction)


def test_second_derivatives_through_a_softcap_have_a_value_but_no_bound() -> None:
    problem = Problem(logits=LOGITS, labels=INDEX, softcap=30.0)
    product = hessian_vector_product(problem, LOGITS)
    with pytest.raises(InvalidProblem, match=r"softcap: got 30\.0, expected None"):
        hessian_error_bound(problem, cross_entropy(problem), LOGITS, product, Profile("float32"))


@pytest.mark.parametrize("options", [{"z_loss": 0.5}, {"softcap": 30.0}])
def test_options_of_logits_do_not_go_with_probabilities(options: dict[str, float]) -> None:
    (name,) = options
    with pytest.raises(InvalidProblem, match=f"{name}: got {options[name]}, expected none with probabilities"):
        cross_entropy_of_probabilities(Problem(logits=np.full((2, 3), 0.25), labels=INDEX, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["elementwise", "accumulator", "output"])
def test_a_profile_names_the_precision_it_does_not_know(field: str) -> None:
    with pytest.raises(InvalidProblem, match=f"{field}: got 'half', expected one of float16"):
        Profile("float32", **{field: "half"})  # type: ignore[arg-type]
