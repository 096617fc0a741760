"""A kill matrix: what it counts, its page, and the line that the conformance report gives it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from xentcheck_reports import (
    Accusation,
    Bug,
    Example,
    Failure,
    Hearing,
    Kill,
    KillMatrix,
    Record,
    RecordFileError,
    Run,
    RunHeader,
    Trial,
    read_kills,
    render_self_test,
    write_kills,
    write_report,
    write_self_test,
)

Build = Callable[..., KillMatrix]


@pytest.fixture
def trial(failure: Callable[..., Failure]) -> Callable[..., Trial]:
    def build(name: str, killed_after: float | None = 0.5, size: tuple[int, int] = (1, 2), **fields: object) -> Trial:
        kill = [Kill(clause="VAL-1", dtype="float32", seconds=killed_after)] if killed_after is not None else []
        example = Example(rows=size[0], classes=size[1], failure=failure()) if kill else None
        given = {
            "fault": f"numpy:faults.numbers:{name}",
            "about": f"what {name} gets wrong",
            "clause": "VAL-1",
            "dtype": "float32",
            "looked": ["VAL-1"],
            "kills": kill,
            "example": example,
        }
        return Trial.model_validate(given | fields)

    return build


@pytest.fixture
def matrix(header: Callable[..., RunHeader]) -> Build:
    def build(*trials: Trial, **fields: object) -> KillMatrix:
        given = {
            "header": header(level="fast"),
            "clauses": {"VAL-1": "losses and gradients are right", "VAL-2": "reductions are right"},
            "faults": len(trials),
            "hearings_due": 0,
            "known_bugs": 3,
            "trials": list(trials),
            "hearings": [],
        }
        return KillMatrix.model_validate(given | fields)

    return build


def test_a_fault_survives_if_another_clause_than_the_targeted_one_kills_it(trial: Callable[..., Trial]) -> None:
    elsewhere = trial("Mean.wrong", clause="VAL-2", looked=["VAL-1", "VAL-2"])
    assert elsewhere.survives
    assert not trial("Mean.wrong").survives
    assert not trial("Mean.wrong", killed_after=None, not_judged="needs a framework").survives


@pytest.mark.parametrize(
    ("size", "large", "too_large"),
    [((4, 8), False, False), ((5, 1), False, True), ((1, 9), False, True), ((1, 9), True, False)],
)
def test_an_example_is_too_large_unless_size_is_the_trigger(
    trial: Callable[..., Trial], size: tuple[int, int], large: bool, too_large: bool
) -> None:
    assert trial("Sum.wrong", size=size, large=large).too_large == too_large


def test_a_bug_is_caught_by_any_fault_that_recreates_it(trial: Callable[..., Trial], matrix: Build) -> None:
    one, two = Bug(id="CE-001", url="https://example.org/1"), Bug(id="CE-002", url="https://example.org/2")
    kills = matrix(
        trial("Sum.seen", bugs=[one], conventional="loss"),
        trial("Sum.unseen", bugs=[one, two], killed_after=None),
        trial("Sum.slow", bugs=[one], killed_after=1.5, size=(2, 3)),
    )
    assert (kills.bugs, kills.caught_bugs, kills.conventionally_caught_bugs) == (
        ["CE-001", "CE-002"],
        ["CE-001"],
        ["CE-001"],
    )
    assert kills.median_seconds == 1.0
    assert kills.largest_example is kills.trials[2]


def test_it_passes_if_all_are_killed_nobody_is_accused_and_examples_can_be_read(
    trial: Callable[..., Trial], matrix: Build
) -> None:
    killed, absent = trial("Sum.wrong"), trial("Sum.other", killed_after=None, not_judged="needs a framework")
    blamed = Accusation(clause="VAL-1", dtype="float32", summary="", replay="")
    accused = Hearing(function="numpy:honest:wide", dtype="float32", accusations=[blamed])
    assert matrix(killed, absent).passes
    assert not matrix(trial("Sum.lost", killed_after=None)).passes
    assert not matrix(trial("Sum.wide", size=(1, 9))).passes
    assert not matrix(killed, hearings=[accused], hearings_due=1).passes
    assert not matrix(killed, faults=2).passes


def test_the_page_shows_survivors_bugs_and_accusations(trial: Callable[..., Trial], matrix: Build) -> None:
    accused = Hearing(
        function="numpy:honest:wide",
        dtype="float32",
        looked=40,
        accusations=[Accusation(clause="VAL-2", dtype="float32", summary="1 < 2", replay="xentcheck replay a b c")],
    )
    page = render_self_test(
        matrix(
            trial("Sum.wrong", bugs=[Bug(id="CE-002", url="https://example.org/2")], conventional="loss at (8, 32)"),
            trial("Sum.lost", killed_after=None),
            hearings=[accused],
            hearings_due=2,
        )
    )
    assert '<a href="https://example.org/2" rel="noreferrer">CE-002</a>' in page
    assert page.count('class="fail target"') == 1
    assert "1 &lt; 2" in page
    assert "1 of 2 faults killed, 1 of 1 honest function accused" in page
    assert "Interrupted" in page
    assert "<script" not in page


def test_the_file_comes_back_as_it_went_and_another_is_refused(
    tmp_path: Path, trial: Callable[..., Trial], matrix: Build
) -> None:
    kills = matrix(trial("Sum.wrong"))
    path = write_kills(kills, tmp_path)
    assert read_kills(path) == kills
    path.write_text("{}")
    with pytest.raises(RecordFileError, match="no kill matrix"):
        read_kills(path)


def test_the_report_states_the_rates_of_a_self_test_beside_it(
    tmp_path: Path, trial: Callable[..., Trial], matrix: Build, run: Callable[..., Run], record: Callable[..., Record]
) -> None:
    alone = write_report(run(record()), tmp_path).read_text(encoding="utf-8")
    assert "self-test.html" not in alone
    kills = matrix(
        trial("Sum.wrong", bugs=[Bug(id="CE-002", url="https://example.org/2")]), trial("Sum.lost", killed_after=None)
    )
    write_kills(kills, tmp_path)
    write_self_test(kills, tmp_path)
    page = write_report(run(record()), tmp_path).read_text(encoding="utf-8")
    assert '<a href="self-test.html">' in page
    assert "1 of 2 faults" in page
    assert "1 of 1 known bug caught" in page
