"""Records sorted into the sections of the page; pure data, the templates only lay it out."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from xentcheck_reports.records import Bitwise, Divergence, Record
from xentcheck_reports.status import Status

Key = TypeVar("Key")
Member = TypeVar("Member")


@dataclass(frozen=True)
class FailureGroup:
    """One status of one clause on one subject; most often the dtypes of one fault."""

    status: Status
    clause: str
    subject: str
    records: list[Record]


@dataclass(frozen=True)
class DivergenceGroup:
    """One documented divergence and everything that still shows it."""

    clause: str
    title: str
    divergence: Divergence
    dtypes_of_subject: dict[str, list[str]]


@dataclass(frozen=True)
class AbsenceGroup:
    """Checks that were not made for one and the same reason."""

    status: Status
    reason: str
    subjects: list[str]
    clauses: list[str]
    count: int


@dataclass(frozen=True)
class EqualityRow:
    """How often one subject's results were bitwise equal to another's; dtypes without a comparison are missing."""

    clause: str
    subject: str
    against: str
    device: str
    of_dtype: dict[str, Bitwise]


def status_counts(records: Iterable[Record]) -> list[tuple[Status, int]]:
    """Every status, worst first, also those that did not occur: the counts are the page's legend too."""
    counts = Counter(record.status for record in records)
    return [(status, counts[status]) for status in Status]


def probe_lines(records: Iterable[Record]) -> list[str]:
    """What was found of callables that nobody described, a line each."""
    return list(dict.fromkeys(record.probe for record in records if record.probe))


def failure_groups(records: Iterable[Record]) -> list[FailureGroup]:
    """What somebody must act on, worst status first, else in the order of the records."""
    failed = (
        ((record.status, record.clause, record.subject), record) for record in records if record.status.is_failure
    )
    groups = [FailureGroup(*key, records=members) for key, members in _grouped(failed).items()]
    return sorted(groups, key=lambda group: group.status.severity)


def divergence_groups(records: Iterable[Record]) -> list[DivergenceGroup]:
    """Known divergences, the same one on several subjects and dtypes told once."""
    shown = (
        ((record.clause, divergence), record)
        for record in records
        if record.status is Status.KNOWN_DIVERGENCE
        for divergence in record.divergences
    )
    groups = []
    for (clause, divergence), members in _grouped(shown).items():
        dtypes = _grouped((record.subject, record.dtype) for record in members)
        distinct = {subject: _distinct(names) for subject, names in dtypes.items()}  # one dtype on several devices
        groups.append(DivergenceGroup(clause, members[0].title, divergence, distinct))
    return groups


def absence_groups(records: Iterable[Record]) -> list[AbsenceGroup]:
    """Unsupported and not-run checks by status and reason."""
    absent = (((record.status, record.reason or ""), record) for record in records if not record.status.is_judged)
    return [
        AbsenceGroup(
            status=status,
            reason=reason,
            subjects=_distinct(record.subject for record in members),
            clauses=_distinct(record.clause for record in members),
            count=len(members),
        )
        for (status, reason), members in sorted(_grouped(absent).items(), key=lambda item: item[0][0].severity)
    ]


def equality_rows(records: Iterable[Record]) -> list[EqualityRow]:
    """The bitwise comparisons, one row per clause, pair and device."""
    compared = (
        ((record.clause, record.subject, bitwise.against, record.device), (record.dtype, bitwise))
        for record in records
        for bitwise in record.bitwise
    )
    return [EqualityRow(*key, of_dtype=dict(members)) for key, members in _grouped(compared).items()]


def _grouped(pairs: Iterable[tuple[Key, Member]]) -> dict[Key, list[Member]]:
    """Members by key, keys in order of first appearance."""
    groups: dict[Key, list[Member]] = {}
    for key, member in pairs:
        groups.setdefault(key, []).append(member)
    return groups


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
