"""The same subjects in several environments: where a clause or an answer differs, and from which version on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from typing import TypeAlias

from packaging.version import InvalidVersion, Version

from xentcheck_reports.records import Record
from xentcheck_reports.status import Status

_HOLDS = (Status.PASS, Status.UNEXPECTED_PASS)
_TELLS_NOTHING = (Status.NOT_RUN, Status.HARNESS_ERROR)


@dataclass(frozen=True)
class Environment:
    """
    interpreter  None for the harness' own
    versions     of the packages that differ between the environments compared, the framework's first
    """

    interpreter: str | None
    versions: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """`jax 0.6.2, numpy 1.26.4`; where the versions are the same, what tells it apart."""
        return _listed(self.versions) or self.place or "here"

    @property
    def main(self) -> str:
        """`jax 0.6.2`: without NumPy, if there is anything else."""
        return _listed(tuple(v for v in self.versions if v[0] != "numpy")) or self.label

    @property
    def place(self) -> str:
        """`@old`; the harness' own needs no name."""
        return f"@{self.interpreter}" if self.interpreter else ""


@dataclass(frozen=True)
class Seen:
    """What came of a clause, or of one question of a policy, in one environment.

    known  the reasons of the known divergences that it shows: a version may differ in another way than the next
    """

    status: Status
    answer: str = ""
    known: tuple[str, ...] = ()
    why: str = field(default="", compare=False)

    @property
    def holds(self) -> bool | None:
        """None where there is no right and wrong, or nothing was told."""
        if self.answer or not self.status.is_judged:
            return None
        return self.status in _HOLDS

    @property
    def verdict(self) -> object:
        """What makes it another one than an older version's, where both hold or neither does."""
        return self.answer or (self.status, self.known)


class Change(StrEnum):
    """What the newest version made of it; the members in the order in which somebody must hear of them."""

    BAD = "first bad version:"
    GOOD = "first good version:"
    OTHER = "changed in"


@dataclass(frozen=True)
class Difference:
    """
    question  of a policy, "" for a clause as a whole
    subjects  that differ alike, without their interpreters
    places    dtypes, with the device if that is not the CPU
    seen      parallel to the environments; None where nothing was told
    since     the oldest environment from which on all are as the newest
    """

    clause: str
    title: str
    question: str
    subjects: tuple[str, ...]
    places: tuple[str, ...]
    seen: tuple[Seen | None, ...]
    change: Change
    since: Environment

    @property
    def told(self) -> str:
        """`first bad version: torch 2.8.0`."""
        return f"{self.change} {self.since.main}" if self.since.versions else "the versions are the same"


@dataclass(frozen=True)
class VersionTable:
    """The subjects of one framework that ran in several environments, which go from the oldest version to the newest.

    shared   how many checks were made in more than one of them
    absent   subject, environment and reason, where an environment has no such subject
    """

    framework: str
    environments: tuple[Environment, ...]
    shared: int
    differences: tuple[Difference, ...]
    absent: tuple[tuple[str, Environment, str], ...]


_Check: TypeAlias = tuple[str, str, str, str]
"""Clause, subject without its interpreter, dtype, device."""
_Row: TypeAlias = tuple[str, str, str, tuple[Seen | None, ...]]


def version_tables(records: Sequence[Record]) -> list[VersionTable]:
    """A table per framework of which subjects ran in more than one environment."""
    tables = []
    for framework in dict.fromkeys(record.framework for record in records):
        own = [record for record in records if record.framework == framework]
        names = {(_subject(record), record.interpreter) for record in own}
        several = {name for name, _ in names if sum(name == other for other, _ in names) > 1}
        compared = [record for record in own if _subject(record) in several]
        environments = _environments(compared)
        if len(environments) > 1:
            tables.append(_table(framework, environments, compared))
    return tables


def _subject(record: Record) -> str:
    """The name of its subject without the interpreter."""
    return record.subject.removesuffix(f"@{record.interpreter}") if record.interpreter else record.subject


def _environments(records: Iterable[Record]) -> tuple[Environment, ...]:
    """The environments of which a worker said its versions, the oldest version first."""
    versions: dict[str | None, dict[str, str]] = {}
    for record in records:
        if record.versions:
            versions.setdefault(record.interpreter, {}).update(record.versions)
    packages = dict.fromkeys(package for those in versions.values() for package in those)
    by_weight = sorted(packages, key=lambda package: package == "numpy")
    differing = [p for p in by_weight if len({those.get(p) for those in versions.values()}) > 1]
    found = [
        Environment(interpreter, tuple((p, those.get(p, "none")) for p in differing))
        for interpreter, those in versions.items()
    ]
    return tuple(sorted(found, key=lambda environment: [_order(version) for _, version in environment.versions]))


def _listed(versions: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{package} {version}" for package, version in versions)


def _order(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:  # a build of somebody's own
        return Version("0")


def _table(framework: str, environments: tuple[Environment, ...], records: Sequence[Record]) -> VersionTable:
    checks: dict[_Check, dict[str | None, Record]] = {}
    for record in records:
        check = (record.clause, _subject(record), record.dtype, record.device)
        checks.setdefault(check, {})[record.interpreter] = record
    ran = {record.subject for record in records if record.versions}
    found: dict[_Row, list[tuple[str, str]]] = {}
    shared, absent = 0, dict[tuple[str, Environment], str]()
    for (clause, subject, dtype, device), made in checks.items():
        told = {i: r for i, r in made.items() if r.subject in ran and r.status not in _TELLS_NOTHING}
        if any(record.status.is_judged for record in told.values()):
            for environment in environments:
                lacking = made.get(environment.interpreter)
                if lacking and lacking.subject not in ran:
                    absent.setdefault((subject, environment), lacking.reason or "")
        if len(told) < 2:
            continue
        shared += 1
        title = next(iter(told.values())).title
        for question, seen in _differences([told.get(environment.interpreter) for environment in environments]):
            place = dtype if device == "cpu" else f"{dtype} on {device}"
            found.setdefault((clause, title, question, seen), []).append((subject, place))
    differences = [
        Difference(
            clause,
            title,
            question,
            _distinct(subject for subject, _ in where),
            _distinct(place for _, place in where),
            seen,
            *_since(environments, seen),
        )
        for (clause, title, question, seen), where in found.items()
    ]
    differences.sort(key=lambda difference: list(Change).index(difference.change))
    missing = tuple((subject, environment, reason) for (subject, environment), reason in absent.items())
    return VersionTable(framework, environments, shared, tuple(differences), missing)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _differences(records: Sequence[Record | None]) -> Iterator[tuple[str, tuple[Seen | None, ...]]]:
    """The questions that are answered differently; if there are none, the clause itself if it fares differently."""
    alike = True
    answers = [{c.cell: Seen(r.status, c.answer) for c in r.choices} if r else {} for r in records]
    for question in dict.fromkeys(question for those in answers for question in those):
        seen = tuple(those.get(question) for those in answers)
        if len({each.answer for each in seen if each}) > 1:
            alike = False
            yield question, seen
    whole = tuple(_whole(record) if record else None for record in records)
    if alike and len({each for each in whole if each}) > 1:
        yield "", whole


def _whole(record: Record) -> Seen:
    known = tuple(divergence.reason for divergence in record.divergences)
    got = record.failure.got if record.failure else ""
    return Seen(record.status, known=known, why=got or "; ".join(known) or record.reason or "")


def other_interpreters(records: Iterable[Record]) -> dict[str, dict[str, str]]:
    """The versions that the workers of other interpreters than the harness' own said."""
    found: dict[str, dict[str, str]] = {}
    for record in records:
        if record.interpreter and record.versions:
            found.setdefault(record.interpreter, {}).update(record.versions)
    return found


def _since(environments: Sequence[Environment], seen: Sequence[Seen | None]) -> tuple[Change, Environment]:
    """What changed, and from which version on all are as the newest that told something."""
    told = [(environment, each) for environment, each in zip(environments, seen, strict=True) if each]
    newest = told[-1][1]
    if {each.holds for _, each in told} == {True, False}:
        alike = takewhile(lambda pair: pair[1].holds == newest.holds, reversed(told))
        change = Change.GOOD if newest.holds else Change.BAD
    else:
        alike = takewhile(lambda pair: pair[1].verdict == newest.verdict, reversed(told))
        change = Change.OTHER
    *_, (first, _) = alike
    return change, first
