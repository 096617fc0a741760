"""Runs as read from files, and several runs merged into one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xentcheck_reports.records import Record, RecordKey, RunHeader


@dataclass(frozen=True)
class Run:
    """One record file."""

    header: RunHeader
    records: tuple[Record, ...]
    warnings: tuple[str, ...] = ()

    @property
    def headers(self) -> tuple[RunHeader, ...]:
        return (self.header,)


@dataclass(frozen=True)
class MergedRun:
    """Several runs, oldest first, with one record per clause, subject, device and dtype."""

    headers: tuple[RunHeader, ...]
    records: tuple[Record, ...]
    warnings: tuple[str, ...] = ()


AnyRun: TypeAlias = Run | MergedRun


def merge(runs: Sequence[Run]) -> MergedRun:
    """Join runs; where two speak of the same clause, subject, device and dtype the later started one wins.

    A record of a check that was really made is never displaced by a later absence (unsupported, not run): the machine
    without the device knows less than the machine with it. The result does not depend on the order of `runs`.
    Raises ValueError when there is none.
    """
    if not runs:
        raise ValueError("merge needs at least one run, got none")
    in_order = sorted(runs, key=lambda run: (run.header.started, run.header.id))
    chosen: dict[RecordKey, Record] = {}
    for run in in_order:
        for record in run.records:
            earlier = chosen.get(record.key)
            if earlier is None or record.status.is_judged or not earlier.status.is_judged:
                chosen[record.key] = record
    return MergedRun(
        headers=tuple(run.header for run in in_order),
        records=tuple(chosen.values()),
        warnings=tuple(warning for run in in_order for warning in run.warnings),
    )
