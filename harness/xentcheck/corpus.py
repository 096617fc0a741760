"""The replay corpus: what triggers each known bug, as a case of the clause that it breaks, kept in `corpus.toml`.

CE-024 = { clause = "IGN-2", case = { ignore_index = -100, ignored = "some", reduction = "mean" } }
CE-069 = { clause = "LAB-2", cell = "C", bad = "tensorflow before 2.4" }     # a policy asks for it
CE-145 = { outside = "the weights of a linear layer before the loss" }
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from xentcheck.bugs import Bug, load_bugs
from xentcheck.cases import Case, case_from_fields
from xentcheck.regimes import PROBABILITY_REGIMES
from xentcheck.strategies import Scope
from xentcheck.validation import first_problem
from xentcheck_adapters import Subject

_PLAIN = {"rows": 4, "classes": 7}
_MOVES_THE_AXIS = "SHP-2"


class CorpusError(ValueError):
    """An entry of the corpus that cannot be read; names the bug and the cause."""


class Trigger(BaseModel):
    """
    bug     what is triggered
    clause  the clause that it breaks; None for a bug that no call of a loss triggers
    case    a case of the clause, in whatever dtype is judged; None if a policy asks for it
    cell    the question of the policy
    outside why no call of a loss triggers it
    bad     in which versions it shows, and from which on no more, where that is known
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    bug: Bug
    clause: str | None = None
    case: Case | None = None
    cell: str | None = None
    outside: str | None = None
    bad: str | None = None


@cache
def load_corpus() -> Mapping[str, Trigger]:
    """Every trigger by the id of its bug. Raises CorpusError."""
    return parse_corpus((files("xentcheck") / "corpus.toml").read_text(encoding="utf-8"))


def parse_corpus(text: str) -> Mapping[str, Trigger]:
    """The triggers of a TOML text by bug. Raises CorpusError."""
    return {name: _trigger(name, entry) for name, entry in tomllib.loads(text).items()}


def _trigger(name: str, entry: dict[str, Any]) -> Trigger:
    if name not in load_bugs():
        raise CorpusError(f"{name}: no such bug in bugs.toml")
    try:
        case = case_from_fields(_PLAIN | entry.pop("case")) if "case" in entry else None
        trigger = Trigger(bug=load_bugs()[name], case=case, **entry)
    except ValidationError as error:
        raise CorpusError(f"{name}: {first_problem(error)}") from None
    except (TypeError, ValueError) as error:
        raise CorpusError(f"{name}: case: {error}") from None
    if sum(what is not None for what in (trigger.case, trigger.cell, trigger.outside)) != 1:
        raise CorpusError(f"{name}: expected a case, the cell of a policy, or why it is outside")
    if (trigger.clause is None) != (trigger.outside is not None):
        raise CorpusError(f"{name}: expected a clause, unless it is outside")
    return trigger


def triggers_of(clause: str) -> list[Trigger]:
    """The triggers of bugs that break a clause."""
    return [trigger for trigger in load_corpus().values() if trigger.clause == clause]


def corpus_cases(clause: str, scope: Scope) -> tuple[Case, ...]:
    """The triggers of a clause that a subject can be asked about; those of a described one are left to deeper levels,
    as its shapes are."""
    if scope.brief:
        return ()
    cases = (replace(trigger.case, dtype=scope.dtype) for trigger in triggers_of(clause) if trigger.case)
    return tuple(dict.fromkeys(case for case in cases if can_be_asked(case, clause, scope)))


def bugs_triggered_by(clause: str, case: Case) -> list[Bug]:
    """The bugs whose trigger a case is, in whatever dtype."""
    return [t.bug for t in triggers_of(clause) if t.case and replace(t.case, dtype=case.dtype) == case]


def can_be_asked(case: Case, clause: str, scope: Scope) -> bool:
    """Whether the subject has the arguments of a case of the clause and, if it compiles, compiles it anyway."""
    subject = scope.subject
    if not all(subject.offers(option) for option in _options(case)) or case.reduction not in subject.reductions:
        return False
    if subject.inputs == "probabilities" and case.regime not in PROBABILITY_REGIMES:
        return False
    if _kind(case) not in subject.labels or (case.labels == "index" and case.label_dtype not in subject.label_dtypes):
        return False
    if subject.keras_customs and not case.rows and case.reduction != "none":
        return False
    if (case.ignore_index or 0) > np.iinfo(subject.label_dtypes[0]).max:
        return False
    if case.procedure not in ("reverse", *subject.procedures) or not _has_axis(case, clause, subject):
        return False
    return not subject.retraces or _compiles_anyway(case, scope)


def _options(case: Case) -> list[str]:
    used = {
        "ignore_index": case.ignore_index is not None,
        "weight": case.weighted,
        "sample_weight": case.sample_weighted,
        "label_smoothing": case.label_smoothing != 0,
        "z_loss": case.z_loss != 0,
        "softcap": case.softcap is not None,
        "hvp": case.vector != "none" and case.procedure == "reverse",
    }
    return [option for option, is_used in used.items() if is_used]


def _kind(case: Case) -> str:
    return "index" if case.labels == "index" else "dense"


def _has_axis(case: Case, clause: str, subject: Subject) -> bool:
    """Logits of more dimensions have their classes at the documented place, unless an argument moves them."""
    axes = subject.class_axes if clause == _MOVES_THE_AXIS else subject.class_axes[:1]
    return not case.positions or case.class_axis in axes


def _compiles_anyway(case: Case, scope: Scope) -> bool:
    """Whether the case needs a shape of the level's, and a program of its own only where the level allows that."""
    level, subject = scope.level, scope.subject
    plain = case == Case(
        dtype=case.dtype,
        rows=case.rows,
        classes=case.classes,
        regime=case.regime,
        seed=case.seed,
        upstream=case.upstream,
    )
    own_programs = level.slow_own_programs if subject.slow_traces else level.own_programs
    return (case.rows, case.classes) in level.shapes(subject) and (plain or own_programs)
