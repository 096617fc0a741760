"""What the records of a run come to for one subject: a verdict, and one line that tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xentcheck.clauses import OTHER_DOORS
from xentcheck.exits import Exit
from xentcheck.panel import CLAUSE as PANEL
from xentcheck.plan import Plan
from xentcheck_adapters import Subject
from xentcheck_adapters.callables import OPTIONS
from xentcheck_reports import Record, Standing, Status, plural

_MOST_NAMED = 8


@dataclass(frozen=True)
class Conclusion:
    """
    subject   name
    holding   ids of the laws that hold in every dtype that they were judged in
    expected, otherwise  how many questions of policies are answered as a person expects, and how many are not
    known     ids of laws that do not hold, as documented
    failures  records of what does not hold, by clause, those in the order of the contract that are the plainest to read
    troubles  what was asked for and could not be judged
    lacking   options that it does not offer
    """

    subject: str
    holding: tuple[str, ...]
    expected: int
    otherwise: int
    known: tuple[str, ...]
    failures: Mapping[str, tuple[Record, ...]]
    troubles: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def exit(self) -> Exit:
        """The status that says so."""
        if self.failures:
            return Exit.DOES_NOT
        return Exit.NOT_JUDGED if self.troubles else Exit.HOLDS

    def line(self) -> str:
        """The verdict."""
        if self.failures:
            return f"{self.subject} does not conform: {_listed(self.failures)}"
        if self.troubles:
            return f"{self.subject} could not be judged: {'; '.join(self.troubles)}"
        return f"{self.subject} conforms: {self.counts()}"

    def counts(self) -> str:
        """What was found to be right, and what was not asked."""
        parts = []
        if self.holding:
            parts.append(f"{plural(len(self.holding), 'law')} {'holds' if len(self.holding) == 1 else 'hold'}")
        if self.expected:
            parts.append(f"{plural(self.expected, 'choice')} as expected")
        if self.otherwise:
            parts.append(f"{self.otherwise} otherwise (see the report)")
        if self.known:
            parts.append(f"{', '.join(self.known)} {'differs' if len(self.known) == 1 else 'differ'} as documented")
        if self.lacking:
            parts.append(f"{plural(len(self.lacking), 'option')} not offered ({', '.join(self.lacking)})")
        return ", ".join(parts) or "nothing was judged"


def conclude(plan: Plan, subject: Subject, records: Iterable[Record]) -> Conclusion:
    """The conclusion of a subject, as it was seen to be when it was opened, from its records."""
    own = [record for record in records if record.subject == subject.name]
    laws: dict[str, set[Status]] = {}
    standings: dict[tuple[str, str], set[Standing]] = {}
    failures: dict[str, list[Record]] = {}
    for record in own:
        if record.law and record.status.is_judged:
            laws.setdefault(record.clause, set()).add(record.status)
        for choice in record.choices:
            standings.setdefault((record.clause, choice.cell), set()).add(choice.standing)
        if record.status.is_failure and record.status is not Status.HARNESS_ERROR:
            failures.setdefault(record.clause, []).append(record)
    troubles = list(dict.fromkeys(_troubles(plan, own)))
    if not troubles and not any(record.status.is_judged for record in own):
        reasons = [record.reason or "" for record in own if record.status is Status.NOT_RUN]
        troubles = reasons[:1] or [f"none of the clauses is about it: {record.reason}" for record in own[:1]]
    expected = sum(seen == {Standing.EQUAL} for seen in standings.values())
    return Conclusion(
        subject.name,
        holding=tuple(clause for clause, seen in laws.items() if seen == {Status.PASS}),
        expected=expected,
        otherwise=len(standings) - expected,
        known=tuple(clause for clause, seen in laws.items() if Status.KNOWN_DIVERGENCE in seen),
        failures={clause: tuple(failures[clause]) for clause in sorted(failures, key=_by_another_door)},
        troubles=tuple(troubles),
        lacking=() if subject.described else tuple(name for name in OPTIONS if not subject.offers(name)),
    )


def _by_another_door(clause: str) -> bool:
    return clause.startswith(OTHER_DOORS)


def _troubles(plan: Plan, records: Iterable[Record]) -> Iterable[str]:
    planned = {target.id: target for target in plan.targets}
    for record in records:
        target = planned[f"{record.subject}-{record.device}-{record.dtype}"]
        if record.status is Status.HARNESS_ERROR:
            told = record.failure.summary if record.failure else record.reason
            yield f"{record.clause} in {record.dtype}: {told}"
        elif record.status is Status.NOT_RUN and record.clause != PANEL.id and plan.asks(record.clause, target):
            yield f"{record.device}: {record.reason}"


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
    return ", ".join(shown[:_MOST_NAMED]) + more
