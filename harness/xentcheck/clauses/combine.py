"""VAL: arguments together. Code paths multiply where each argument has one of its own, and each alone may be right."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, softmax_of_logits
from xentcheck.clauses.value import matches_reference
from xentcheck.strategies import OPTIONS, Scope
from xentcheck_adapters import Subject

_SOURCE = "https://csrc.nist.gov/projects/automated-combinatorial-testing-for-software"  # most faults need two settings


def _offered(subject: Subject) -> list[str]:
    return [name for name in OPTIONS if subject.offers(name)]


def _lacks(subject: Subject) -> str | None:
    return softmax_of_logits(subject) or (None if len(_offered(subject)) > 1 else "has no two arguments to combine")


def _together(scope: Scope) -> tuple[Case, ...]:
    """All arguments at once under every reduction; and each two of them, for class indices under every reduction, for
    rows of labels without one. A subject that compiles each anew is asked for all at once."""
    subject = scope.subject
    reductions = [name for name in ("none", "sum", "mean") if name in subject.reductions]
    cases: list[Case] = []
    for kind in scope.kinds:
        names = [name for name in _offered(subject) if name != "ignore_index" or kind == "index"]
        groups = [names] if subject.retraces else [names, *combinations(names, 2)]
        for group in groups:
            for reduction in reductions if kind == "index" or group is names else reductions[:1]:
                plain = Case(dtype=scope.dtype, rows=6, classes=7, regime="normal", labels=kind, upstream="random")
                for name in group:
                    plain = replace(plain, **OPTIONS[name])
                cases.append(replace(plain, reduction=reduction, seed=len(cases)))
    return tuple(cases)


CLAUSES = (
    Clause(
        "VAL-8",
        "arguments combine: all of them, and each two, give the value that the formula has with them",
        (_SOURCE, "sum over rows of s (sum over classes of w q (lse(x) - x) + zeta lse(x)²), divided as declared"),
        _lacks,
        None,
        matches_reference,
        _together,
        options=True,
        programs=True,
    ),
)
