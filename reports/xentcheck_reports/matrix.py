"""Records folded into a matrix of subjects by clauses: the data behind the terminal summary and the page."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from xentcheck_reports.records import Record
from xentcheck_reports.runs import AnyRun
from xentcheck_reports.status import Status, worst_status


@dataclass(frozen=True)
class ClauseHead:
    """One column."""

    id: str
    title: str
    family: str


@dataclass(frozen=True)
class Cell:
    """All dtypes and devices of one clause on one subject. `records` is never empty."""

    records: tuple[Record, ...]

    @property
    def status(self) -> Status:
        """The worst over dtypes and devices."""
        return worst_status(record.status for record in self.records)

    @property
    def ratio(self) -> float | None:
        """Worst error/bound among the records that have the cell's status; None where nothing was compared."""
        status = self.status
        ratios = [record.worst.ratio for record in self.records if record.status is status and record.worst]
        return max(ratios, key=lambda ratio: math.inf if math.isnan(ratio) else ratio, default=None)

    @property
    def judged(self) -> int:
        """How many of the records come from a real call of the subject."""
        return sum(record.status.is_judged for record in self.records)


@dataclass(frozen=True)
class SubjectRow:
    """One row; `cells` runs parallel to `Matrix.clauses`, None where there is no record. `label` is the subject with
    the last part of its interpreter's path, where that tells them apart."""

    subject: str
    label: str
    framework: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Matrix:
    """Subjects by clauses; the rows of one framework and the columns of one family stand together."""

    clauses: tuple[ClauseHead, ...]
    rows: tuple[SubjectRow, ...]


def summary_matrix(run: AnyRun) -> Matrix:
    """Fold the records of a run into subjects x clauses.

    Subjects of which nothing was judged have no row: a line among the absences tells why. Frameworks, subjects and
    families keep the order in which the records name them; clauses of one family are in numeric order.
    """
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in run.records:
        cells.setdefault((record.subject, record.clause), []).append(record)
    folded = {key: Cell(tuple(records)) for key, records in cells.items()}
    clauses = _clauses(run.records)
    frameworks = {record.subject: record.framework for record in run.records if record.status.is_judged}
    labels = _labels(run.records)
    rank = _ranks(frameworks.values())
    return Matrix(
        clauses=clauses,
        rows=tuple(
            SubjectRow(
                subject,
                labels[subject],
                frameworks[subject],
                tuple(folded.get((subject, clause.id)) for clause in clauses),
            )
            for subject in sorted(frameworks, key=lambda subject: rank[frameworks[subject]])  # a stable sort
        ),
    )


def _labels(records: Iterable[Record]) -> dict[str, str]:
    """Short names of subjects: `torch.eager@old` for an environment in a folder of that name, if no other is."""
    interpreters = {record.subject: record.interpreter for record in records}
    names = {path: PurePath(path).name for path in interpreters.values() if path}
    labels = {}
    for subject, path in interpreters.items():
        alone = path and list(names.values()).count(names[path]) == 1
        labels[subject] = subject.removesuffix(path) + names[path] if path and alone else subject
    return labels


def _clauses(records: Iterable[Record]) -> tuple[ClauseHead, ...]:
    heads = {record.clause: ClauseHead(record.clause, record.title, record.family) for record in records}
    rank = _ranks(head.family for head in heads.values())
    return tuple(sorted(heads.values(), key=lambda head: (rank[head.family], _natural_order(head.id))))


def _ranks(names: Iterable[str]) -> dict[str, int]:
    """The place of each name in order of first appearance."""
    return {name: rank for rank, name in enumerate(dict.fromkeys(names))}


def _natural_order(clause: str) -> list[tuple[int, str]]:
    """`IGN-10` after `IGN-2`."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", clause)]
