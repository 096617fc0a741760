"""What a policy reads in an answer: each subject here gives an answer whose name is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from xentcheck.bench import Bench
from xentcheck.clauses.mean_choices import denominators
from xentcheck.contract import CONTRACT
from xentcheck.levels import LEVELS
from xentcheck.strategies import Scope

Answers = Callable[..., dict[str, str]]


@pytest.fixture
def answers(bench: Callable[..., Bench]) -> Answers:
    """The answers of a subject of `choices.py` to the questions of a policy."""

    def ask(policy: str, name: str, dtype: str = "float32") -> dict[str, str]:
        asked, clause = bench(f"choices.py:{name}", dtype), CONTRACT[policy]
        opened = asked.pool.open(asked.subject, "cpu", dtype)
        subject = opened.narrow(asked.subject)
        asked = replace(asked, target=replace(asked.target, subject=subject))
        cases = clause.always(Scope(subject, dtype, LEVELS["standard"]))
        return {case.cell: clause.check(case, asked).choices[0].answer for case in cases}

    return ask


def test_rows_at_the_edge_are_read_beside_the_reference(answers: Answers) -> None:
    honest, clamped = answers("NUM-10", "honest"), answers("NUM-10", "clamps_infinity")
    assert honest["-inf on another class"] == "right, gradient right"
    assert honest["-inf on the label's class"] == "+inf, gradient right"
    assert honest["+inf on another class"] == "NaN, gradient NaN"
    assert clamped["+inf on the label's class"] == "another number, gradient of numbers"
    assert clamped["NaN on another class"] == "NaN, gradient NaN"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_masked_class_is_read_by_its_loss_and_its_gradient(answers: Answers, dtype: str) -> None:
    assert set(answers("SOFT-4", "honest", dtype).values()) == {"right, gradient right"}
    assert set(answers("SOFT-4", "zero_times_infinity", dtype).values()) == {"NaN, gradient right"}


def test_the_sign_of_a_zero_is_read(answers: Answers) -> None:
    assert set(answers("NUM-12", "honest").values()) == {"-0"}
    assert set(answers("NUM-12", "without_a_sign").values()) == {"+0"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_flushed_number_is_read(answers: Answers, dtype: str) -> None:
    assert answers("NUM-13", "honest", dtype)["a subnormal gradient"] == "kept"
    assert answers("NUM-13", "flushes", dtype)["a subnormal gradient"] == "0"


def test_a_loss_that_one_swallows_is_read(answers: Answers) -> None:
    cell = "a loss below the spacing of numbers at 1"
    assert answers("NUM-13", "honest")[cell] == "0"
    assert answers("NUM-13", "keeps_small_losses", "float16")[cell] == "kept"


def test_a_rule_of_the_gradient_is_read(answers: Answers, bench: Callable[..., Bench]) -> None:
    assert set(answers("SOFT-5", "honest").values()) == {"the derivative"}
    clause, asked = CONTRACT["SOFT-5"], bench("losses.py:p_minus_y")
    cases = clause.always(Scope(asked.subject, "float32", LEVELS["quick"]))
    assert {clause.check(case, asked).choices[0].answer for case in cases} == {"softmax - labels"}


def test_the_denominators_of_every_question_are_told_apart(bench: Callable[..., Bench]) -> None:
    asked = bench("choices.py:honest")
    for case in CONTRACT["VAL-10"].always(Scope(asked.subject, "float32", LEVELS["quick"])):
        different = sorted(set(denominators(asked.call(case)).values()))
        assert len(different) > 1
        assert (np.diff(different) > 0.05 * np.array(different[:-1])).all(), (case.cell, different)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_denominator_is_read(answers: Answers, dtype: str) -> None:
    weighted = [cell for cell in answers("VAL-10", "honest", dtype) if "class weights" in cell]
    assert {answers("VAL-10", "divides_by_rows", dtype)[cell] for cell in weighted} == {"rows"}
    smoothed = answers("VAL-10", "divides_by_smoothed_weights", dtype)
    assert smoothed["class weights"] == "class weights of the labels"
    assert smoothed["class weights, smoothed"] == "class weights of the smoothed labels"


def test_a_gradient_of_another_denominator_is_no_answer(answers: Answers) -> None:
    assert set(answers("VAL-10", "divides_the_loss_only").values()) == {"another"}


def test_the_mean_of_nothing_is_read(answers: Answers) -> None:
    assert answers("VAL-13", "honest")["all rows ignored"] == "NaN, gradient 0"
    assert answers("VAL-13", "zero_for_nothing")["all rows ignored"] == "0, gradient 0"
    assert answers("VAL-13", "honest")["no rows"] == "NaN"


def test_a_mean_past_the_dtype_is_read(answers: Answers) -> None:
    assert set(answers("VAL-11", "honest", "float16").values()) == {"right"}
    assert set(answers("VAL-11", "honest", "bfloat16").values()) == {"right"}
    indices = answers("VAL-11", "float16_mean", "float16")
    assert indices["40960 equal losses, class indices"] == "+inf"
    assert indices["70000 equal losses, class indices"] == "NaN"


def test_arguments_out_of_range_are_read(answers: Answers) -> None:
    assert answers("VAL-14", "honest")["label_smoothing 1.5"] == "the formula"
    assert answers("VAL-14", "refuses_wide_smoothing")["label_smoothing 1.5"] == "refuses"
    assert answers("VAL-14", "no_negative_smoothing")["label_smoothing -0.1"] == "as without it"
    assert answers("VAL-14", "honest")["a negative class weight"] == "the formula"


def test_the_dtype_of_a_loss_is_read(answers: Answers) -> None:
    assert set(answers("VAL-12", "honest", "float64").values()) == {"the logits'"}
    assert answers("VAL-12", "float32_inside", "float16") == {
        "a loss per row": "float32",
        "labels of another dtype": "the labels'",
        "the mean": "float32",
    }


def test_broadcasting_is_read(answers: Answers) -> None:
    assert set(answers("SHP-11", "honest").values()) == {"refuses"}
    assert set(answers("SHP-11", "broadcasts").values()) == {"broadcasts"}


def test_a_bit_that_depends_on_the_batch_is_read(answers: Answers) -> None:
    assert set(answers("DET-10", "honest").values()) == {"loss and gradient the same"}
    assert set(answers("DET-10", "sums_in_the_order_of_the_batch").values()) == {"the same gradient"}
