"""The bench: where a clause puts a subject to the test. It hides workers, twins and the oracle from the clauses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from xentcheck.build import build_call
from xentcheck.cases import Case
from xentcheck.choices import Choices
from xentcheck.expectation import Expectation, expect
from xentcheck.known import load_choices
from xentcheck.verdict import Measurement, conform, returned, well_formed
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Call, Outcome, Returned, Subject


@cache
def at(subject: Subject, interpreter: str | None) -> Subject:
    """The same subject in an interpreter, the same one each time."""
    return subject.at(interpreter)


@dataclass(frozen=True)
class Target:
    """A subject on one device in one dtype: what a verdict is about."""

    subject: Subject
    device: str
    dtype: str

    @property
    def id(self) -> str:
        """As test ids show it: torch.eager-cpu-float32."""
        return f"{self.subject.name}-{self.device}-{self.dtype}"


@dataclass(frozen=True)
class Bench:
    """A target at work. `rules` are claims of a known divergence that replace what the subject declares of itself;
    `choices` are the answers to policies that the adapters declare."""

    target: Target
    pool: WorkerPool
    subjects: Mapping[str, Subject]
    rules: Mapping[str, Any] = field(default_factory=dict)
    choices: Choices = field(default_factory=load_choices)

    @property
    def subject(self) -> Subject:
        return self.target.subject

    def run(self, call: Call) -> Outcome:
        """Whatever the subject does with the call."""
        return self.pool.run(self.subject, self.target.device, call, self.target.dtype)

    def answer(self, call: Call) -> Returned:
        """The subject's answer; raises Deviation if it gives none, or one of a wrong shape or dtype."""
        return well_formed(returned(self.run(call)), call, self.target.dtype)

    def expect(self, call: Call) -> Expectation:
        """What an honest subject of the declared precision may answer."""
        return expect(call, self.subject, self.target.dtype, self.rules)

    def conforms(self, call: Call, case: Case) -> tuple[Returned, Measurement]:
        """The subject's answer and its errors relative to their bounds; raises Deviation if one exceeds it."""
        answer = self.answer(call)
        rules = self.rules
        if self.subject.empty_mean is None and answer.loss.ndim == 0 and answer.loss == 0:
            rules = {"empty_mean": 0.0, **rules}  # undeclared: 0 is as good an answer as NaN
        return answer, conform(answer, replace(self, rules=rules).expect(call), case.token)

    def of(self, twin: str) -> Bench:
        """The same bench for another subject of the same framework, in the same interpreter."""
        subject = at(self.subjects[twin], self.subject.interpreter)
        return replace(self, target=replace(self.target, subject=subject))

    @staticmethod
    def call(case: Case) -> Call:
        """The call of a case."""
        return build_call(case)
