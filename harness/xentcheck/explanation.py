"""What a clause is about, for people: its sentence, its sources, whom it concerns, and who differs from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from xentcheck.clauses import Clause
from xentcheck.corpus import triggers_of
from xentcheck.divergence import Ledger
from xentcheck_adapters import Subject


def explain_clause(clause: Clause, subjects: Iterable[Subject], ledger: Ledger) -> Iterator[str]:
    """The clause as lines of plain text."""
    yield f"{clause.id} ({clause.kind}): {clause.title}"
    yield ""
    yield from (f"  source  {source}" for source in clause.sources)
    reasons: dict[str | None, list[str]] = defaultdict(list)
    for subject in subjects:
        reasons[clause.lacks(subject)].append(subject.name)
    yield f"  applies to  {', '.join(reasons.pop(None, [])) or 'no built-in subject'}"
    yield from (f"  not to  {', '.join(names)}: {reason}" for reason, names in reasons.items())
    yield from (f"  answer  {name}: {meaning}" for name, meaning in clause.answers.items())
    for entry in ledger.entries:
        if entry.clause == clause.id:
            yield f"  known divergence  {', '.join(entry.subjects)}: {entry.reason}"
            yield f"      {entry.link}"
    for trigger in triggers_of(clause.id):
        bad = f" ({trigger.bad})" if trigger.bad else ""
        yield f"  known bug  {trigger.bug.id}, {trigger.bug.name}{bad}: {trigger.bug.trigger}"
