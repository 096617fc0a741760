"""The audit: which faults a test with a tolerance accepts, and what it accepts without looking for any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from xentcheck.audit.tolerance import Tolerance
from xentcheck.audit.trials import Trial, trials
from xentcheck.expectation import Expectation, expect
from xentcheck.faults import Fault
from xentcheck.verdict import error_ratio
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Call, Outcome, Returned, Subject, built_in_subjects, subject_from_spec
from xentcheck_adapters.numpy_callable import BUILT_IN

_ANY_FUNCTION = subject_from_spec("numpy:any:function")  # its precision is that of a function nobody knows


@dataclass(frozen=True)
class Audited:
    """A test: its dtype, tolerance, shape (N, C), and the upstream gradient of each row's loss."""

    dtype: str
    tolerance: Tolerance
    rows: int
    classes: int
    upstream: float = 1.0


@dataclass(frozen=True)
class Sight:
    """What the test sees of a fault: the largest error in tolerances, in how many derived bounds that fault is off
    where it is off most, and the trial that shows it. Infinite where there is no number to compare."""

    fault: Fault
    of_tolerance: float
    of_bound: float
    trial: str

    @property
    def seen(self) -> bool:
        """Whether the test fails."""
        return not self.of_tolerance <= 1

    @property
    def provoked(self) -> bool:
        """Whether any answer is wrong, whatever the tolerance makes of it."""
        return not self.of_bound <= 1


@dataclass(frozen=True)
class _Known:
    """A trial with the honest answer to it and the derived bounds."""

    trial: Trial
    honest: Returned
    expectation: Expectation


class Audit:
    """An audited test, with the honest answers that it compares with."""

    def __init__(self, test: Audited, pool: WorkerPool) -> None:
        self.test, self._pool = test, pool
        drawn = trials(test.dtype, test.rows, test.classes, test.upstream)
        self._known = [_Known(trial, self.honest(trial.call), self.bound(trial.call)) for trial in drawn]

    def honest(self, call: Call) -> Returned:
        """The answer of the built-in NumPy function, which the test compares with."""
        outcome = self._run(built_in_subjects()[BUILT_IN], call)
        assert isinstance(outcome, Returned), outcome
        return outcome

    def bound(self, call: Call) -> Expectation:
        """What any honest function may answer: derived from the input, nothing known of the function."""
        return expect(call, _ANY_FUNCTION, self.test.dtype)

    def sights(self, faults: Iterable[Fault]) -> Iterator[Sight]:
        """What the test sees of each fault; a fault that it sees is not looked at any further."""
        for fault in faults:
            yield self._sight(fault)

    def _sight(self, fault: Fault) -> Sight:
        subject = subject_from_spec(fault.spec)
        options = self._pool.open(subject, "cpu", self.test.dtype).options
        best = Sight(fault, 0.0, 0.0, "")
        for known in self._known:
            if known.trial.option in (None, *options):
                sight = self._compare(fault, known, self._run(subject, known.trial.call))
                if sight.seen:
                    return sight
                of_tolerance = max(best.of_tolerance, sight.of_tolerance)
                best = replace(max(best, sight, key=lambda s: s.of_bound), of_tolerance=of_tolerance)
        return best

    def _compare(self, fault: Fault, known: _Known, outcome: Outcome) -> Sight:
        of_tolerance = of_bound = 0.0
        for what, want in known.honest.results.items():
            got = outcome.results.get(what) if isinstance(outcome, Returned) else None
            share = float("inf") if got is None else self.test.tolerance.share(got, want)
            if got is None or got.shape != want.shape:
                return Sight(fault, float("inf"), float("inf"), known.trial.name)
            ratio = error_ratio(got, known.expectation.parts[what], self.test.dtype)
            of_tolerance, of_bound = max(of_tolerance, share), max(of_bound, float(ratio.max(initial=0.0)))
        return Sight(fault, of_tolerance, of_bound, known.trial.name)

    def _run(self, subject: Subject, call: Call) -> Outcome:
        return self._pool.run(subject, "cpu", call, self.test.dtype)
