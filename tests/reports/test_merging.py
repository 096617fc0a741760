from collections.abc import Callable

import pytest

from xentcheck_reports import Record, Run, Status, merge


def test_the_later_run_wins_whatever_the_order_of_the_files(
    record: Callable[..., Record], run: Callable[..., Run]
) -> None:
    earlier = run(record(status="fail"), id="z", started=1)
    later = run(record(status="pass"), id="a", started=2)
    merged = merge([earlier, later])
    assert merged == merge([later, earlier])
    assert [kept.status for kept in merged.records] == [Status.PASS]
    assert [header.id for header in merged.headers] == ["z", "a"]


@pytest.mark.parametrize("part", ["clause", "subject", "device", "dtype"])
def test_records_about_different_things_are_all_kept(
    record: Callable[..., Record], run: Callable[..., Run], part: str
) -> None:
    merged = merge([run(record(), started=1), run(record(**{part: "another"}), started=2)])
    assert len(merged.records) == 2


@pytest.mark.parametrize("absence", [Status.NOT_RUN, Status.UNSUPPORTED])
def test_a_machine_without_the_device_does_not_hide_what_another_machine_found(
    record: Callable[..., Record], run: Callable[..., Run], absence: Status
) -> None:
    merged = merge([run(record(status="fail"), started=1), run(record(status=absence), started=2)])
    assert [kept.status for kept in merged.records] == [Status.FAIL]


def test_warnings_of_all_runs_are_kept(record: Callable[..., Record], run: Callable[..., Run]) -> None:
    cut_off = Run(run().header, (record(),), ("line 9: cut off",))
    assert merge([run(record()), cut_off]).warnings == ("line 9: cut off",)


def test_merging_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        merge([])
