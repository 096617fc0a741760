"""Trials: whether a smaller case still shows the same failure, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses import OTHER_DOORS, Clause
from xentcheck.verdict import Deviation
from xentcheck_adapters import Unavailable, built_in_subjects
from xentcheck_adapters.numpy_callable import BUILT_IN, subject_from_spec

_MOST_CHECKS = 1000


class Exhausted(Exception):
    """Time or checks are used up."""


class Trials:
    """Tries cases on a clause and target until time or checks are used up. The smallest that worked is `case`; the
    smallest of which a token can be told, with its deviation, is `told`.

    A case of arbitrary numbers may break what the clause takes for granted of its cases; then an honest subject fails
    as well. So every failure is also tried on one: the NumPy subject that the project brings. Where that cannot be
    asked, `has_witness` is False, and only changes that keep every assumption are to be tried.
    """

    def __init__(
        self,
        clause: Clause,
        bench: Bench,
        case: Case,
        deviation: Deviation,
        is_known: Callable[[Case, Deviation], bool],
        seconds: float,
    ) -> None:
        self._clause, self._bench, self._is_known = clause, bench, is_known
        self._deadline, self._left = time.monotonic() + seconds, _MOST_CHECKS
        self._tried: set[Case] = {case}
        self._witness: Bench | None = _witness(clause, bench)
        self.case, self.deviation = case, deviation
        self.told = case, deviation
        if self._witness and not self._holds(case, self._witness):
            self._witness = None

    @property
    def has_witness(self) -> bool:
        """Whether an honest subject is there to tell a failure from a broken assumption."""
        return self._witness is not None

    def works(self, case: Case | None) -> bool:
        """Whether the case fails as the first one did; then it is the smallest so far. Raises Exhausted."""
        if self._left <= 0 or time.monotonic() >= self._deadline:
            raise Exhausted
        if case is None or case in self._tried:
            return False
        self._tried.add(case)
        self._left -= 1
        deviation = self._deviation(case, self._bench)
        if deviation is None or not self._same(deviation) or self._is_known(case, deviation):
            return False
        if self._witness and not self._holds(case, self._witness):
            return False
        self.case, self.deviation = case, deviation
        if case.fits_a_token:
            self.told = case, deviation
        return True

    def _same(self, deviation: Deviation) -> bool:
        return (deviation.what, deviation.status) == (self.deviation.what, self.deviation.status)

    def _holds(self, case: Case, bench: Bench) -> bool:
        try:
            if self._clause.lacks(bench.subject):  # what is asked behind another door is right at the main one
                bench.conforms(replace(bench.call(case), procedure="reverse", vector=None), case)
            else:
                self._clause.check(case, bench)
        except Exception:  # a deviation, or a case that the clause cannot take
            return False
        return True

    def _deviation(self, case: Case, bench: Bench) -> Deviation | None:
        try:
            self._clause.check(case, bench)
        except Deviation as deviation:
            return deviation
        except Unavailable:
            self._left = 0  # it crashed, and could not be opened again
        except Exception:  # the clause cannot take such a case: too few rows for it, say
            return None
        return None


def _witness(clause: Clause, bench: Bench) -> Bench | None:
    """The honest subject in the place of the one under test: described if that is, unknown if it is not."""
    honest = built_in_subjects()[BUILT_IN]
    if not bench.subject.described:
        honest = subject_from_spec(f"numpy:{honest.api.rpartition('.')[0]}:{honest.api.rpartition('.')[2]}")
    if clause.lacks(honest) and clause.family not in OTHER_DOORS:
        return None
    target = replace(bench.target, subject=honest, device="cpu")
    return replace(bench, target=target, subjects={**bench.subjects, honest.name: honest}, rules={})
