"""A Clause: one numbered sentence of the contract, to whom it applies, what is drawn for it, and its check.

A law binds every subject. A policy (see `policy.py`) asks for a choice, and has named answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.corpus import corpus_cases
from xentcheck.strategies import Scope
from xentcheck.verdict import Measurement
from xentcheck_adapters import Subject


@dataclass(frozen=True)
class Clause:
    """
    id        FAMILY-n
    title     the sentence, as test ids and pages show it
    sources   links to the documents that promise it, or the formula it follows from
    lacks     why the clause does not apply to a subject ("takes no index labels"), or None if it does
    draw      cases for a subject, or None where the fixed cases are all; None in its place for a clause that is about
              fixed cases and runs all of `always`
    check     evaluates one case; raises Deviation where the subject does not do what the sentence says
    always    cases that every run checks before it draws any, for the dtype given
    options   whether its cases use reductions or other arguments that a compiling subject compiles anew for
    programs  whether its cases need shapes or derivatives that a compiling subject compiles for no other clause
    statistical  whether it is about a batch as a whole, of which fewer rows or other values prove nothing
    processes whether it starts a second process for the subject: from level standard on, and in one dtype
    answers   of a policy: what each answer means; a law has none
    """

    id: str
    title: str
    sources: tuple[str, ...]
    lacks: Callable[[Subject], str | None]
    draw: Callable[[Scope], SearchStrategy[Case] | None] | None
    check: Callable[[Case, Bench], Measurement]
    always: Callable[[Scope], tuple[Case, ...]] = lambda _: ()
    options: bool = False
    programs: bool = False
    statistical: bool = False
    processes: bool = False
    answers: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """ "law" or "policy"."""
        return "policy" if self.answers else "law"

    @property
    def family(self) -> str:
        """The letters of the id."""
        return self.id.split("-")[0]

    @property
    def number(self) -> int:
        """The number of the id."""
        return int(self.id.split("-")[1])

    def fixed(self, scope: Scope) -> tuple[Case, ...]:
        """Those of the cases that every run checks which the subject can be asked about: the clause's own, and the
        triggers of known bugs that break it."""
        reductions = scope.subject.reductions
        cases = dict.fromkeys((*self.always(scope), *corpus_cases(self.id, scope)))
        return tuple(c for c in cases if scope.allows(c.rows, c.classes) and c.reduction in reductions)


def softmax_of_logits(subject: Subject) -> str | None:
    """Applicability to every softmax form that takes logits, with labels of either kind."""
    if subject.inputs != "logits" or "multi-hot" in subject.labels:
        return "is no softmax cross-entropy of logits"
    return None


def has_gradient(lacks: Callable[[Subject], str | None]) -> Callable[[Subject], str | None]:
    """Applicability of a clause that is about gradients only, to the differentiable ones among its subjects."""
    return lambda subject: lacks(subject) or (None if subject.differentiable else "has no gradient")


def takes(kind: str, *, option: str | None = None, inputs: str | None = None) -> Callable[[Subject], str | None]:
    """Applicability by the kind of labels a subject takes, an option it offers, and its inputs."""

    def lacks(subject: Subject) -> str | None:
        if kind not in subject.labels:
            return f"takes no {kind} labels"
        if option and not subject.offers(option):
            return f"has no argument for {option}"
        if inputs and subject.inputs != inputs:
            return f"takes {subject.inputs}, not {inputs}"
        return None

    return lacks
