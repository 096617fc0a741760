"""A batch is judged by the average size and the average sign of its errors, against what honest batches reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from xentcheck.aggregate import (
    MARGIN,
    Aggregate,
    BatchStatistics,
    Limits,
    Thresholds,
    batch_statistics,
    learn,
    thresholds,
)
from xentcheck.expectation import Expectation, Expected
from xentcheck_adapters import Returned

ROWS, CLASSES = 64, 5
NOISE = np.random.default_rng(1).uniform(-0.5, 0.5, (ROWS, CLASSES))


def expected(value: Any, bound: float = 1.0) -> Expected:
    value = np.asarray(value, np.float64)
    return Expected(value, np.full(value.shape, bound), np.zeros(value.shape, bool))


def expectation(loss: Expected | None = None) -> Expectation:
    parts = {"loss": loss or expected(np.zeros(ROWS)), "grad_logits": expected(np.zeros((ROWS, CLASSES)))}
    return Expectation("float64", parts)


def statistics(loss: Any, grad: Any = NOISE, against: Expectation | None = None) -> BatchStatistics:
    return batch_statistics(Returned(np.asarray(loss), np.asarray(grad)), against or expectation())


def limits() -> Limits:
    """Learned from roundings that point both ways."""
    rng = np.random.default_rng(2)
    honest = [(rng.uniform(-0.5, 0.5, ROWS), rng.uniform(-0.5, 0.5, (ROWS, CLASSES))) for _ in range(20)]
    return learn(statistics(loss, grad) for loss, grad in honest)


def test_an_answer_without_error_has_no_statistics_but_zero() -> None:
    assert statistics(np.zeros(ROWS)).loss == Aggregate(0, 0)


def test_errors_are_in_units_of_their_bounds() -> None:
    half = statistics(np.full(ROWS, 0.25), against=expectation(expected(np.zeros(ROWS), 0.5))).loss
    assert half == Aggregate(0.5, 0.5, 0.0, 0.0)


def test_a_constant_shift_inside_every_bound_shows_as_bias() -> None:
    shifted = NOISE[:, 0] + 0.3
    assert np.abs(shifted).max() < 1
    assert limits().exceeds(statistics(NOISE[:, 0])) is None
    assert "bias of loss" in str(limits().exceeds(statistics(shifted)))


def test_errors_that_are_all_large_but_of_both_signs_show_as_rms() -> None:
    large = 0.9 * np.sign(NOISE - NOISE.mean())
    large[: ROWS // 2] *= -1
    assert np.abs(large).max() < 1
    assert "rms of grad_logits" in str(limits().exceeds(statistics(NOISE[:, 0], large)))


def test_rows_that_are_rightly_nan_or_exact_do_not_count() -> None:
    loss, true = np.full(ROWS, 0.5), np.zeros(ROWS)
    loss[0], true[0] = np.nan, np.nan
    part = expected(true)
    part.bound[1] = 0.0
    seen = statistics(np.where(np.arange(ROWS) == 1, 7.0, loss), against=expectation(part)).loss
    assert seen == Aggregate(0.5, 0.5)


def test_rows_that_may_honestly_overflow_do_not_count() -> None:
    part = expected(np.zeros(ROWS))
    part.may_be_infinite[:] = True
    assert statistics(np.full(ROWS, np.inf), against=expectation(part)).loss is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_nan_for_a_number_is_no_average(wrong: float) -> None:
    loss = NOISE[:, 0].copy()
    loss[3] = wrong
    assert limits().exceeds(statistics(loss))


def test_the_limit_is_a_margin_above_the_honest_maximum() -> None:
    few = learn([BatchStatistics(Aggregate(0.2, 0.1), None), BatchStatistics(Aggregate(0.1, 0.15), None)])
    assert few == Limits(loss=(0.2, 0.15))
    assert few.exceeds(BatchStatistics(Aggregate(0.2 * MARGIN, 0.15 * MARGIN * 0.99), None)) is None
    assert few.exceeds(BatchStatistics(Aggregate(0.21 * MARGIN, 0.0), None))


def test_where_honest_batches_have_no_error_any_error_is_too_much() -> None:
    assert Limits(loss=(0, 0)).exceeds(BatchStatistics(Aggregate(1e-9, 0.0), None))
    assert Limits(loss=(0, 0)).exceeds(BatchStatistics(Aggregate(0.0, 0.0), None)) is None


def test_nothing_is_learned_from_a_batch_with_infinite_errors() -> None:
    with pytest.raises(ValueError, match="honest"):
        learn([BatchStatistics(Aggregate(np.inf, np.inf), None)])


def test_a_cell_that_was_not_calibrated_gives_no_verdict() -> None:
    known = Thresholds(declared={"float32": {"normal": Limits(loss=(0.1, 0.1))}})
    large = BatchStatistics(Aggregate(1.0, 1.0), None)
    assert known.exceeds("declared", "float32", "normal", large)
    assert known.exceeds("unknown", "float32", "normal", large) is None
    assert known.exceeds("declared", "float32", "wide", large) is None


def test_a_few_rows_have_to_exceed_the_limit_by_more_than_chance_does() -> None:
    known = Limits(loss=(1.0, 0.1))
    errors = np.array([0.9, -0.3, 0.5])
    few, many = (statistics(np.tile(errors, n), against=expectation(expected(np.zeros(3 * n)))) for n in (1, 50))
    assert few.loss
    assert many.loss
    assert few.loss.bias == pytest.approx(many.loss.bias)
    assert known.exceeds(few) is None
    assert known.exceeds(many)


def test_one_row_proves_nothing_about_an_average() -> None:
    assert Limits(loss=(0.1, 0.1)).exceeds(statistics(np.ones(1), against=expectation(expected(np.zeros(1))))) is None


def test_the_elements_of_a_row_are_no_independent_witnesses() -> None:
    shared = np.repeat(NOISE[:, :1], CLASSES, axis=1)
    alone, repeated = statistics(NOISE[:, 0], shared).loss, statistics(NOISE[:, 0], shared).grad_logits
    assert alone
    assert repeated
    assert repeated.bias_error == pytest.approx(alone.bias_error)


def test_a_stranger_is_held_to_the_largest_limits_of_any_regime_of_its_dtype() -> None:
    cells = {"normal": Limits(loss=(0.1, 0.3)), "wide": Limits(loss=(0.2, 0.1), grad_logits=(0.5, 0.5))}
    other = {"normal": Limits(loss=(0.9, 0.9))}
    known = Thresholds(declared={"float32": cells}, unknown={"float32": cells, "bfloat16": other})
    assert known.limits("unknown", "float32", "normal") == Limits(loss=(0.2, 0.3), grad_logits=(0.5, 0.5))
    assert known.limits("declared", "float32", "normal") == cells["normal"]


@pytest.mark.parametrize("cell", [{"loss": [0.1]}, {"loss": [-0.1, 0.1]}, {"loss": [float("nan"), 0.1]}, {"los": None}])
def test_a_malformed_threshold_is_refused(cell: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Thresholds.model_validate({"declared": {"float32": {"normal": cell}}})


def test_the_package_carries_its_thresholds() -> None:
    assert isinstance(thresholds(), Thresholds)
