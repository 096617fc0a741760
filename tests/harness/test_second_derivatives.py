"""AD: a refusal is an answer, a wrong number and silence are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses import CLAUSES
from xentcheck.expectation import Expectation, expect
from xentcheck.verdict import Deviation, conform
from xentcheck_adapters import Returned, built_in_subjects
from xentcheck_reports import Status

CASE = Case(rows=4, classes=7, seed=1, upstream="random", vector="random")


def products(case: Case) -> tuple[Expectation, Returned]:
    """What AD expects of torch.eager, and an answer that is the reference."""
    expectation = expect(Bench.call(case), built_in_subjects()["torch.eager"], case.dtype)
    parts = {name: part.value.astype(case.dtype) for name, part in expectation.parts.items()}
    answer = Returned(parts["loss"], parts["grad_logits"], hvp=parts["hvp"])
    return replace(expectation, parts={"hvp": expectation.parts["hvp"]}), answer


def test_a_refusal_holds_and_is_remarked(bench: Callable[..., Bench]) -> None:
    seen = CLAUSES["AD-1"].check(CASE, bench("losses.py:refuses"))
    assert seen.remark == "refused: ValueError: no"
    assert seen.values == 0


def test_an_answer_without_the_product_is_silence(bench: Callable[..., Bench]) -> None:
    with pytest.raises(Deviation, match=r"hvp: expected an array of shape \(4, 7\), got nothing"):
        CLAUSES["AD-1"].check(CASE, bench("losses.py:honest"))


def test_a_crash_is_no_refusal(bench: Callable[..., Bench]) -> None:
    with pytest.raises(Deviation) as crash:
        CLAUSES["AD-1"].check(CASE, bench("losses.py:crashes_from_4_classes"))
    assert crash.value.status is Status.CRASH


@pytest.mark.parametrize("labels", ["index", "soft", "double"])
def test_the_product_itself_is_right(labels: str) -> None:
    expectation, answer = products(replace(CASE, labels=labels))
    worst = conform(answer, expectation, "").worst
    assert worst is not None
    assert worst.ratio < 1


@pytest.mark.parametrize("wrong", [np.zeros_like, np.negative, lambda product: product * np.float32(1 + 2e-5)])
def test_a_wrong_product_is_not(wrong: Callable[[np.ndarray], np.ndarray]) -> None:  # type: ignore[type-arg]
    expectation, answer = products(CASE)
    assert answer.hvp is not None
    with pytest.raises(Deviation, match="hvp"):
        conform(replace(answer, hvp=wrong(answer.hvp)), expectation, "")
