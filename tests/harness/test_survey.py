"""The survey covers what it names, counts what it saw, and sums up errors as the atlas shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xentcheck.bench import Bench
from xentcheck.build import build_call
from xentcheck.cases import Case
from xentcheck.clauses import CLAUSES
from xentcheck.levels import LEVELS, Level
from xentcheck.regimes import HORIZON, REGIMES, landmark_columns
from xentcheck.row_errors import accuracy, row_errors, ulp
from xentcheck.soft_labels import SURVEYED
from xentcheck.strategies import Scope
from xentcheck.survey import grade_cases, survey_cases
from xentcheck_adapters import FLOAT_DTYPES, Returned, Subject, built_in_subjects, dtype_named
from xentcheck_reports import Record, Status

SUBJECTS = built_in_subjects()
Judged = Callable[..., Record]


def scope(name: str, level: str = "quick") -> Scope:
    return Scope(SUBJECTS[name], "float32", LEVELS[level])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["numpy", "tf.dense.eager", "optax.int.jit"])
def test_every_level_surveys_every_regime(name: str, level: str) -> None:
    regimes = {case.regime for case in survey_cases(scope(name, level))}
    # what 0 * inf is to rows of labels is asked by another clause
    assert regimes == {*REGIMES, HORIZON} - (set() if "index" in SUBJECTS[name].labels else {"masked"})


@pytest.mark.parametrize("level", ["standard", "nightly"])
def test_every_landmark_of_every_size_has_its_turn(level: str) -> None:
    cases = [c for c in survey_cases(scope("numpy", level)) if c.regime == "landmark" and c.classes <= 4097]
    for classes in {case.classes for case in cases}:
        seen = {
            int(column)
            for case in cases
            if case.classes == classes
            for column in np.flatnonzero((lambda x: x == x.max(axis=1, keepdims=True))(build_call(case).logits).any(0))
        }
        assert set(landmark_columns(classes).tolist()) <= seen


def test_the_survey_does_not_depend_on_who_is_surveyed_but_for_the_form_of_labels() -> None:
    index, dense = survey_cases(scope("tf.sparse.eager")), survey_cases(scope("tf.dense.eager"))
    assert {replace(case, labels="one-hot") for case in index if case.regime != "masked"} <= set(dense)


def test_a_subject_nobody_knows_is_graded_on_a_long_sum_at_every_level(subject: Callable[[str], Subject]) -> None:
    unknown = subject("losses.py:honest")
    for level in LEVELS.values():
        assert max(case.classes for case in grade_cases(Scope(unknown, "float32", level))) >= 32000


def test_surveyed_rows_are_counted(judged: Judged, subject: Callable[[str], Subject]) -> None:
    record = judged("ACC-1", "losses.py:honest")
    cases = survey_cases(Scope(subject("losses.py:honest"), "float32", LEVELS["quick"]))
    assert record.status is Status.PASS
    assert record.examples == len(cases)
    assert sum(entry.rows for entry in record.accuracy if entry.what == "loss") == sum(case.rows for case in cases)
    assert {entry.what for entry in record.accuracy} == {"loss", "grad_logits"}
    assert all(entry.p99_ulp <= entry.max_ulp and entry.max_ratio <= 1 for entry in record.accuracy)


def test_a_subject_that_returns_zero_early_has_the_horizon_of_its_first_zero(judged: Judged) -> None:
    record = judged("ACC-1", "losses.py:blind_below_a_thousandth")
    assert record.status is Status.FAIL
    horizon = record.horizon
    assert horizon is not None
    # rows are an eighth of a logit apart, so losses fall by exp(1/8) from row to row
    assert 0.001 / np.exp(1 / 8) <= horizon.zero_below < 0.001
    assert horizon.accurate_above == horizon.zero_below


def test_an_honest_float32_loss_has_its_horizon_where_one_plus_the_tail_rounds_to_one(judged: Judged) -> None:
    horizon = judged("ACC-1", "losses.py:honest").horizon
    assert horizon is not None
    assert 2.0**-25 < horizon.zero_below < 2.0**-22
    assert horizon.zero_below < horizon.accurate_above < 2.0**-12


def test_a_failing_regime_leaves_the_others_in_the_atlas_and_shows_one_row(judged: Judged) -> None:
    record = judged("ACC-1", "losses.py:wrong_where_confident")
    assert record.status is Status.FAIL
    assert {entry.regime for entry in record.accuracy} == {*REGIMES, HORIZON, *SURVEYED}
    assert record.failure is not None
    assert "# N=1, C=" in record.failure.case
    assert "logits = [[" in record.failure.case


def test_a_column_that_strays_from_its_row_is_seen_where_the_bound_of_a_long_sum_hides_it(
    judged: Judged, brief: Level
) -> None:
    long = replace(brief, survey=((64, 1000),))
    assert judged("ACC-1", "losses.py:one_column_astray", level=long).status is Status.PASS
    assert judged("ACC-4", "losses.py:one_column_astray", level=long).status is Status.FAIL
    assert judged("ACC-4", "losses.py:honest", level=long).status is Status.PASS


def test_the_order_of_sums_is_asked_of_those_who_declare_none() -> None:
    lacks = {name: CLAUSES["ACC-4"].lacks(subject) for name, subject in SUBJECTS.items()}
    assert all(lacks.values())


def test_errors_within_their_bounds_but_all_to_one_side_are_seen_over_a_batch(judged: Judged) -> None:
    assert judged("ACC-1", "losses.py:slightly_high").status is Status.PASS
    record = judged("ACC-3", "losses.py:slightly_high")
    assert record.status is Status.FAIL
    assert record.failure is not None
    assert "bias of loss" in record.failure.got or "rms of loss" in record.failure.got
    assert judged("ACC-3", "losses.py:honest").status is Status.PASS


@given(value=st.floats(2.0**-14, 2.0**15, width=16), dtype=st.sampled_from(FLOAT_DTYPES))
def test_an_ulp_is_the_spacing_of_the_dtype(value: float, dtype: str) -> None:
    rounded = np.array(value).astype(dtype_named(dtype))
    above = np.nextafter(rounded, dtype_named(dtype).type(np.inf))
    assert ulp(rounded.astype(np.float64), dtype) == float(above) - float(rounded)


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_below_the_smallest_normal_number_an_ulp_stays_what_it_is_there(dtype: str) -> None:
    smallest = float(ml_dtypes.finfo(dtype_named(dtype)).smallest_normal)
    assert ulp(np.array([0.0, smallest / 4]), dtype).tolist() == [float(ulp(np.array(smallest), dtype))] * 2


def test_rows_of_nan_or_infinite_value_have_no_error_to_average(bench: Callable[..., Bench]) -> None:
    at = bench("losses.py:honest")
    case = Case("float32", 6, 5, "normal", edits=())
    call = at.call(case)
    expectation = at.expect(call)
    expectation.parts["loss"].value[:2] = np.nan, np.inf
    answer = Returned(np.zeros(6, np.float32), np.zeros((6, 5), np.float32))
    entries = {entry.what: entry for entry in accuracy(row_errors(case, answer, expectation))}
    assert entries["loss"].rows == 4
    assert entries["loss"].zeros == 4
    assert entries["grad_logits"].rows == 6


def test_errors_that_a_known_divergence_predicts_are_counted_but_not_held_against_the_bounds(
    bench: Callable[..., Bench],
) -> None:
    case = Case(rows=8, classes=10, regime="normal", seed=3)
    target = bench("losses.py:doubled_gradient")
    call = target.call(case)
    honest, known = row_errors(case, target.answer(call), target.expect(call))
    (loss, gradient) = accuracy((honest, replace(known, known=True)))
    assert (loss.known_rows, gradient.known_rows) == (0, 8)
    assert gradient.max_ulp > 1 > gradient.max_ratio == gradient.p99_ratio == 0.0
