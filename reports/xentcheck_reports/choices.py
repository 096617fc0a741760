"""Answers to policies folded for reading: a table per policy, what a subject is held to, and what changes in a port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from xentcheck_reports.records import Choice, Record
from xentcheck_reports.status import Standing

Place: TypeAlias = str
"""A dtype, with its device if that is not the CPU."""


@dataclass(frozen=True)
class Answer:
    """One answer and the dtypes that give it; none are named where all give it."""

    choice: Choice
    places: tuple[Place, ...] = ()

    @property
    def text(self) -> str:
        """`refuses`, or `refuses (float64)` where other dtypes answer otherwise."""
        return f"{self.choice.answer} ({', '.join(self.places)})" if self.places else self.choice.answer


Answers: TypeAlias = tuple[Answer, ...]
"""What one subject answers to one question."""


@dataclass(frozen=True)
class PolicyRow:
    """Subjects that give the same answers; `answers` runs parallel to the cells of the table, empty where unasked."""

    subjects: tuple[str, ...]
    answers: tuple[Answers, ...]


@dataclass(frozen=True)
class PolicyTable:
    """One policy: its questions across, who answers alike down."""

    clause: str
    title: str
    cells: tuple[str, ...]
    rows: tuple[PolicyRow, ...]


@dataclass(frozen=True)
class Coverage:
    """What one subject was held to: laws judged and policy questions answered, each per dtype and device."""

    subject: str
    laws: int
    answers: int
    of_standing: dict[Standing, int]


@dataclass(frozen=True)
class Change:
    """One question that two subjects answer differently."""

    clause: str
    title: str
    cell: str
    before: Answers
    after: Answers


@dataclass(frozen=True)
class Port:
    """What changes for who moves from one subject to another, among the questions that both were asked."""

    source: str
    target: str
    shared: int
    changes: tuple[Change, ...]


Asked: TypeAlias = dict[tuple[str, str], Answers]
"""(clause, cell) -> answers of one subject."""


def policy_tables(records: Sequence[Record]) -> list[PolicyTable]:
    """A table per policy, in the order of the records."""
    records = _answering(records)
    asked = {subject: _asked(records, subject) for subject in _subjects(records)}
    titles = {record.clause: record.title for record in records if record.choices}
    tables = []
    for clause, title in titles.items():
        cells = tuple(dict.fromkeys(cell for answers in asked.values() for of, cell in answers if of == clause))
        alike: dict[tuple[tuple[str, ...], ...], list[str]] = {}
        rows: dict[str, tuple[Answers, ...]] = {}
        for subject, answers in asked.items():
            row = tuple(answers.get((clause, cell), ()) for cell in cells)
            if any(row):
                rows[subject] = row
                key = tuple(tuple(f"{a.text}|{a.choice.standing}|{a.choice.link}" for a in cell) for cell in row)
                alike.setdefault(key, []).append(subject)
        tables.append(
            PolicyTable(clause, title, cells, tuple(PolicyRow(tuple(of), rows[of[0]]) for of in alike.values()))
        )
    return tables


def coverages(records: Sequence[Record]) -> list[Coverage]:
    """What each subject was held to; subjects of which nothing was judged are left out."""
    of_subject: dict[str, list[Record]] = {}
    for record in records:
        if record.status.is_judged:
            of_subject.setdefault(record.subject, []).append(record)
    found = []
    for subject, judged in of_subject.items():
        standings = Counter(choice.standing for record in judged for choice in record.choices)
        found.append(
            Coverage(
                subject,
                laws=sum(record.law for record in judged),
                answers=standings.total(),
                of_standing={standing: standings[standing] for standing in Standing},
            )
        )
    return found


def port(records: Sequence[Record], source: str, target: str) -> Port:
    """What changes between two subjects. Raises LookupError for one that answered no policy in these records."""
    records = _answering(records)
    before, after = _asked(records, source), _asked(records, target)
    for subject, answers in ((source, before), (target, after)):
        if not answers:
            known = ", ".join(_subjects(records)) or "none"
            raise LookupError(f"{subject!r} answered no policy in these records; subjects that did: {known}")
    titles = {record.clause: record.title for record in records}
    shared = [key for key in before if key in after]
    return Port(
        source,
        target,
        len(shared),
        tuple(
            Change(clause, titles[clause], cell, before[clause, cell], after[clause, cell])
            for clause, cell in shared
            if _texts(before[clause, cell]) != _texts(after[clause, cell])
        ),
    )


def main_ports(records: Sequence[Record]) -> list[Port]:
    """What changes between every two frameworks, each represented by its first subject."""
    records, first = _answering(records), dict[str, str]()
    for record in records:
        first.setdefault(record.framework, record.subject)
    return [port(records, source, target) for source, target in combinations(first.values(), 2)]


def _answering(records: Iterable[Record]) -> list[Record]:
    """The few that hold answers to a policy."""
    return [record for record in records if record.choices]


def _subjects(records: Iterable[Record]) -> list[str]:
    return list(dict.fromkeys(record.subject for record in records if record.choices))


def _asked(records: Iterable[Record], subject: str) -> Asked:
    """The subject's answers; those that all its dtypes give alike name none."""
    found: dict[tuple[str, str], dict[Place, Choice]] = {}
    for record in records:
        if record.subject == subject:
            place = record.dtype if record.device == "cpu" else f"{record.dtype} on {record.device}"
            for choice in record.choices:
                found.setdefault((record.clause, choice.cell), {})[place] = choice
    return {key: _folded(of_place) for key, of_place in found.items()}


def _folded(of_place: dict[Place, Choice]) -> Answers:
    groups: dict[tuple[str, Standing], list[Place]] = {}
    for place, choice in of_place.items():
        groups.setdefault((choice.answer, choice.standing), []).append(place)
    alone = len(groups) == 1
    return tuple(Answer(of_place[places[0]], () if alone else tuple(places)) for places in groups.values())


def _texts(answers: Answers) -> tuple[str, ...]:
    return tuple(answer.text for answer in answers)
