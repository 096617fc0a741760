"""Every pair of frameworks is compared on one shared panel of cases."""

from __future__ import annotations

import base64
from collections.abc import Callable

import numpy as np
import pytest

from xentcheck.bench import Bench
from xentcheck.cases import case_from_token
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Divergence, Ledger
from xentcheck.panel import PanelAnswer, answer_panel, compare_panels, panel_cases
from xentcheck.verdict import Deviation
from xentcheck_adapters import built_in_subjects
from xentcheck_reports import Record, Status

SUBJECTS = built_in_subjects()


@pytest.fixture
def honest(bench: Callable[..., Bench]) -> PanelAnswer:
    answer = answer_panel(bench("losses.py:honest"), Ledger(()))
    assert isinstance(answer, PanelAnswer)
    return answer.model_copy(update={"subject": "numpy"})


def answered_by(name: str, answer: PanelAnswer, error: float = 0.0, **changes: str) -> PanelAnswer:
    """The same answers in another subject's name, the last gradient off by an error."""
    values = np.frombuffer(base64.b64decode(answer.data), np.float64).copy()
    values[-1] += error
    return answer.model_copy(update={"subject": name, "data": base64.b64encode(values.tobytes()).decode(), **changes})


def compared(*answers: PanelAnswer) -> list[Record]:
    return compare_panels(answers, SUBJECTS.__getitem__)


def test_equal_answers_agree_bitwise(honest: PanelAnswer) -> None:
    for record in compared(honest, answered_by("torch.eager", honest)):
        assert record.status is Status.PASS
        (rate,) = record.bitwise
        assert rate.equal == rate.of == record.values > 0
        assert record.examples > 0


def test_a_disagreement_names_both_subjects_and_the_case(honest: PanelAnswer) -> None:
    numpy, torch = compared(honest, answered_by("torch.eager", honest, error=0.5))
    for record, other in ((numpy, "torch.eager"), (torch, "numpy")):
        assert record.status is Status.FAIL
        assert record.failure is not None
        assert record.subject in record.failure.summary
        assert other in record.failure.summary
        assert "grad_logits[3, 6]" in record.failure.summary
        assert case_from_token(record.failure.replay.split()[4]).rows == 4


def test_the_third_framework_is_compared_with_both(honest: PanelAnswer) -> None:
    answers = (honest, answered_by("torch.eager", honest, error=0.5), answered_by("optax.int.jit", honest))
    numpy, torch, optax = compared(*answers)
    assert [record.status for record in (numpy, torch, optax)] == [Status.FAIL] * 3
    assert [rate.against for rate in optax.bitwise] == ["numpy", "torch.eager"]
    assert optax.failure is not None
    assert "numpy" not in optax.failure.summary


def test_one_framework_alone_is_not_run(honest: PanelAnswer) -> None:
    (record,) = compared(honest)
    assert record.status is Status.NOT_RUN
    assert record.reason == "no second framework took part in this run"


def test_subjects_of_one_framework_are_not_compared_here(honest: PanelAnswer) -> None:
    answers = (answered_by("optax.int.jit", honest), answered_by("optax.int.eager", honest, error=0.5))
    assert {record.status for record in compared(*answers)} == {Status.NOT_RUN}


def test_dtypes_are_not_compared_with_one_another(honest: PanelAnswer) -> None:
    answers = (honest, answered_by("torch.eager", honest, dtype="float64"))
    assert {record.status for record in compared(*answers)} == {Status.NOT_RUN}


def test_no_answers_are_no_records() -> None:
    assert compared() == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("losses.py:mean_of_everything", Status.FAIL),
        ("losses.py:flat_gradient", Status.FAIL),
        ("losses.py:refuses", Status.FAIL),
        ("losses.py:crashes_from_4_classes", Status.CRASH),
        ("nowhere.py:loss", Status.NOT_RUN),
    ],
)
def test_a_subject_that_does_not_answer_has_a_record_instead(
    bench: Callable[..., Bench], name: str, status: Status
) -> None:
    record = answer_panel(bench(name), Ledger(()))
    assert isinstance(record, Record), "a malformed answer must not reach the comparison"
    assert record.status is status


@pytest.mark.parametrize(("classes", "status"), [({"max": 7}, Status.KNOWN_DIVERGENCE), ({"min": 8}, None)])
def test_a_subject_known_to_differ_on_the_panel_is_not_compared(
    bench: Callable[..., Bench], classes: dict[str, int], status: Status | None
) -> None:
    known = {"clause": "VAL-1", "also": ["EQ-2"], "subjects": ["numpy:*"], "when": {"classes": classes}}
    entry = Divergence.model_validate({**known, "link": "https://example.org", "reason": "float32", "example": {}})
    answer = answer_panel(bench("losses.py:honest"), Ledger((entry,)))
    assert (answer.status if isinstance(answer, Record) else None) is status


def test_the_panel_of_a_subject_without_gradients_is_about_losses(honest: PanelAnswer) -> None:
    losses = honest.rows().loss
    forward = honest.model_copy(update={"data": base64.b64encode(losses.tobytes()).decode()})
    forward = forward.model_copy(update={"subject": "keras.numpy.scce"})
    mine, _ = compared(forward, answered_by("torch.eager", honest, error=0.5))
    assert mine.status is Status.PASS
    assert mine.values == losses.size


def test_replaying_a_panel_case_tells_the_wrong_subject_from_the_right_one(bench: Callable[..., Bench]) -> None:
    case, replay = panel_cases("float32")[1], CONTRACT["EQ-2"].check
    assert replay(case, bench("losses.py:honest")).worst is not None
    with pytest.raises(Deviation, match="grad_logits"):
        replay(case, bench("losses.py:doubled_gradient"))
