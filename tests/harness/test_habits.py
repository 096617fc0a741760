"""What the policies about labels and ignored rows call the habits of `subjects/habits.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from xentcheck.bench import Bench
from xentcheck.contract import CONTRACT
from xentcheck.levels import LEVELS
from xentcheck.strategies import Scope
from xentcheck_adapters import FLOAT_DTYPES

NAMED = [
    ("LAB-3", "1.7 for 1", "truncates", "truncates"),
    ("LAB-3", "1.7 for 1", "rounds", "rounds"),
    ("LAB-3", "1.7 for 1", "compares", "no class matches"),
    ("LAB-3", "float64", "compares", "accepts"),
    ("LAB-3", "bool", "truncates", "accepts"),
    ("LAB-3", "float32", "wraps", "refuses"),
    ("LAB-4", "(N, 1)", "flattens", "squeezes"),
    ("LAB-4", "(1, N), N = C", "flattens", "squeezes"),
    ("LAB-4", "(N+1,)", "flattens", "cuts"),
    ("LAB-4", "(C,)", "first_rows", "cuts"),
    ("LAB-4", "(1,)", "broadcasts", "broadcasts"),
    ("LAB-4", "()", "broadcasts", "broadcasts"),
    ("LAB-4", "(N, 1)", "a_loss_per_pair", "another shape"),
    ("LAB-4", "(N, 1)", "half_gradient_of_a_column", "another number"),
    ("LAB-5", "float64", "whole_numbers_as_rows", "accepts"),
    ("LAB-5", "int64", "whole_numbers_as_rows", "accepts"),
    ("LAB-5", "bool", "wraps", "refuses"),
    ("LAB-6", "(1, C)", "broadcasts", "broadcasts"),
    ("LAB-6", "(N, 1)", "broadcasts", "broadcasts"),
    ("LAB-6", "(C,), N = C", "broadcasts", "broadcasts"),
    ("LAB-6", "(N+1, C)", "first_rows", "cuts"),
    ("LAB-7", "257 of 513", "wraps", "accepts"),
    ("LAB-8", "indices (N,), N = C", "indices_as_a_row", "broadcasts"),
    ("LAB-8", "indices (N,), N = C", "compares", "reads as meant"),
    ("LAB-8", "one-hot integer rows", "arg_max", "reads as meant"),
    ("IGN-5", "-1", "compares", "0, gradient 0"),
    ("IGN-5", "-1, in a mean", "compares", "counts as loss 0"),
    ("IGN-5", "-1, in a mean", "ignores_negatives", "leaves the mean"),
    ("IGN-5", "-1, in a mean", "wraps", "class label + C"),
    ("IGN-5", "-100, in a mean", "wraps", "leaves the mean"),
    ("IGN-5", "one-hot row of -1", "wraps", "0, gradient 0"),
    ("IGN-5", "one-hot row of -1, in a mean", "wraps", "counts as loss 0"),
    ("IGN-5", "one-hot row of -1", "losses.py:p_minus_y", "0, gradient softmax"),
    ("IGN-6", "mean", "ignores_rows_too", "NaN, gradient 0"),
    ("IGN-6", "mean", "mean_of_nothing_is_zero", "0, gradient 0"),
    ("IGN-7", "ignore label 0", "ignores_rows_too", "ignores"),
    ("IGN-7", "ignore label 0", "wide_loss", "has no effect"),
    ("IGN-8", "0", "ignores_out_of_range_only", "has no effect"),
    ("IGN-8", "C", "ignores_out_of_range_only", "ignores"),
    ("IGN-8", "-100 beside ignore label 255", "ignores_minus_100_always", "0, gradient 0"),
    ("IGN-8", "-100 beside ignore label 255", "ignores_rows_too", "refuses"),
    ("IGN-9", "all nan", "ignores_rows_too", "0, gradient 0"),
    ("IGN-9", "all nan", "masks_afterwards", "NaN, gradient NaN"),
    ("IGN-9", "all +inf", "selects_losses_afterwards", "0, gradient NaN"),
    ("IGN-9", "sample weight 0, one nan", "ignores_rows_too", "NaN, gradient NaN"),
    ("IGN-9", "sample weight 0, one nan", "drops_rows_without_weight", "0, gradient 0"),
]


@pytest.fixture
def answer(bench: Callable[..., Bench]) -> Callable[..., str]:
    """The name that a policy gives to a habit's answer to one of its questions."""

    def ask(policy: str, cell: str, habit: str, dtype: str = "float32") -> str:
        table, clause = bench(habit if ":" in habit else f"habits.py:{habit}", dtype), CONTRACT[policy]
        forms = [("index", "dense"), ("index",), ("dense",)]
        scopes = [Scope(replace(table.subject, labels=labels), dtype, LEVELS["standard"]) for labels in forms]
        case = next(case for scope in scopes for case in clause.always(scope) if case.cell == cell)
        return clause.check(case, table).choices[0].answer

    return ask


@pytest.mark.parametrize(("policy", "cell", "habit", "named"), NAMED)
def test_a_habit_is_named_for_what_it_is(
    answer: Callable[..., str], policy: str, cell: str, habit: str, named: str
) -> None:
    assert answer(policy, cell, habit) == named


def test_a_loss_in_a_wider_dtype_than_the_logits_is_told(answer: Callable[..., str]) -> None:
    assert answer("LAB-5", "float64", "wide_loss") == "accepts, wider loss"
    assert answer("LAB-5", "float32", "wide_loss", "float64") == "accepts"


@pytest.mark.parametrize(
    ("dtype", "cell", "named"),
    [
        ("bfloat16", "257 of 513", "rounds to the logits' dtype"),
        ("float16", "257 of 513", "accepts"),
        ("float16", "2049 of 4095", "rounds to the logits' dtype"),
        ("float32", "2049 of 4095", "accepts"),
    ],
)
def test_a_label_that_passes_through_the_dtype_of_the_logits_is_rounded(
    answer: Callable[..., str], dtype: str, cell: str, named: str
) -> None:
    assert answer("LAB-7", cell, "through_the_dtype", dtype) == named


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
@pytest.mark.parametrize(
    ("cell", "habit", "named"),
    [
        ("-1, in a mean", "compares", "counts as loss 0"),
        ("-1, in a mean", "ignores_negatives", "leaves the mean"),
        ("-1, in a mean", "wraps", "class label + C"),
    ],
)
def test_what_a_mean_divides_by_is_told_apart_in_every_dtype(
    answer: Callable[..., str], dtype: str, cell: str, habit: str, named: str
) -> None:
    assert answer("IGN-5", cell, habit, dtype) == named
