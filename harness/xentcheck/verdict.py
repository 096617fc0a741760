"""Verdicts: what a check measured, and what it raises when a subject deviates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from xentcheck.expectation import Expectation, Expected
from xentcheck.randomness import Array
from xentcheck_adapters import (
    FLOAT_DTYPES,
    Call,
    Crashed,
    Outcome,
    OutOfMemory,
    Refused,
    Returned,
    TimedOut,
    dtype_name,
    dtype_named,
)
from xentcheck_reports import Choice, Status, Worst

if TYPE_CHECKING:
    from xentcheck.row_errors import RowErrors


@dataclass(frozen=True)
class Measurement:
    """What a check saw: the comparison nearest to its bound, how many values were compared, how many of those
    compared with a twin were bitwise equal, a remark for the report, and the answers to a policy. A survey adds the
    errors of every row, and the largest error relative to the bound of each grade."""

    worst: Worst | None = None
    values: int = 0
    bitwise_equal: int = 0
    bitwise_of: int = 0
    remark: str | None = None
    choices: tuple[Choice, ...] = ()
    errors: tuple[RowErrors, ...] = ()
    grades: Mapping[str, float] = field(default_factory=dict)
    longest_sum: int = 0
    """Most classes of a row that was graded"""

    def __add__(self, other: Measurement) -> Measurement:
        both = [worst for worst in (self.worst, other.worst) if worst]
        return Measurement(
            worst=max(both, key=lambda worst: worst.ratio, default=None),
            values=self.values + other.values,
            bitwise_equal=self.bitwise_equal + other.bitwise_equal,
            bitwise_of=self.bitwise_of + other.bitwise_of,
            remark=other.remark or self.remark,
            choices=self.choices + other.choices,
            errors=self.errors + other.errors,
            grades={
                name: max(m.grades.get(name, 0.0) for m in (self, other)) for name in {**self.grades, **other.grades}
            },
            longest_sum=max(self.longest_sum, other.longest_sum),
        )

    def without_verdict(self, *, known: bool) -> Measurement:
        """What is kept of a case that deviates: a survey's errors and a policy's answers, which are facts whatever is
        made of them; `known` if a known divergence predicts the deviation."""
        errors = tuple(replace(part, known=known) for part in self.errors)
        return Measurement(errors=errors, grades=self.grades, longest_sum=self.longest_sum, choices=self.choices)


class Deviation(Exception):
    """A subject did not do what the clause says.

    what      the result or the kind of deviation: "grad_logits", "refusal"
    due       what the clause says where that is not the measurement's worst comparison: a result, its place (row and
              column, or a whole row) and the condition on what is `got` there, as an expression
    repeated  whether it is the same call that was answered in two ways
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str,
        got: str,
        status: Status = Status.FAIL,
        detail: str | None = None,
        measurement: Measurement | None = None,
        due: tuple[str, tuple[int, ...], str] | None = None,
        repeated: bool = False,
    ) -> None:
        super().__init__(f"{what}: expected {expected}, got {got}")
        self.what, self.expected, self.got = what, expected, got
        self.status, self.detail = status, detail
        self.measurement = measurement or Measurement()
        self.due, self.repeated = due, repeated


def nonzero(what: str, array: Array, where: Array, expected: str) -> Deviation | None:
    """The deviation of a result that is not exactly 0 everywhere in a mask of its shape; None if it is."""
    places = np.argwhere(where & (array.astype(np.float64) != 0))
    if not len(places):
        return None
    place = tuple(int(i) for i in places[0])
    got = f"{what}{list(place)} {float(array[place])!r}"
    return Deviation(what, expected=expected, got=got, due=(what, place, "got == 0"))


def returned(outcome: Outcome) -> Returned:
    """The arrays of an outcome; raises Deviation if the subject did anything else than answer."""
    if isinstance(outcome, Returned):
        if outcome.mutated:
            names = ", ".join(outcome.mutated)
            raise Deviation("mutated inputs", expected="inputs left as they were", got=f"{names} written to")
        return outcome
    raise no_answer(outcome, expected="an answer")


def well_formed(answer: Returned, call: Call, dtype: str) -> Returned:
    """The answer, fit to be indexed by row and class; raises Deviation if a shape or dtype is wrong."""
    _check_form("loss", answer.loss, call.logits.shape[:1] if call.reduction == "none" else (), dtype)
    if answer.grad_logits is not None:
        _check_form("grad_logits", answer.grad_logits, call.logits.shape, dtype)
    return answer


def no_answer(outcome: Refused | Crashed | TimedOut | OutOfMemory, *, expected: str) -> Deviation:
    """The deviation of a subject that did not answer."""
    if isinstance(outcome, Refused):
        return Deviation("refusal", expected=expected, got=describe(outcome))
    status, what, detail = {
        Crashed: (Status.CRASH, "crash", getattr(outcome, "stack", None)),
        TimedOut: (Status.TIMEOUT, "timeout", getattr(outcome, "stack", None)),
        OutOfMemory: (Status.OUT_OF_MEMORY, "out of memory", None),
    }[type(outcome)]
    return Deviation(what, expected=expected, got=describe(outcome), status=status, detail=detail)


def describe(outcome: Outcome) -> str:
    """One line about an outcome."""
    if isinstance(outcome, Refused):
        first = outcome.message.strip().splitlines()[0] if outcome.message.strip() else ""
        # a lone surrogate, as file names can hold, could not be written to a record
        return f"{outcome.error}: {first}".encode(errors="backslashreplace").decode()
    if isinstance(outcome, Crashed):
        return f"its process {outcome.cause}"
    if isinstance(outcome, TimedOut):
        return f"no answer within {outcome.seconds:g} s"
    if isinstance(outcome, OutOfMemory):
        return f"out of memory: {outcome.message}"
    return f"loss {outcome.loss!s:.200}"


def conform(answer: Returned, expectation: Expectation, token: str) -> Measurement:
    """Compare an answer with its expectation, element by element.

    Raises Deviation if a shape or dtype is wrong or an error exceeds its bound.
    """
    measurement = Measurement()
    for what, expected in expectation.parts.items():
        got = getattr(answer, what)
        if got is None:
            raise Deviation(what, expected=f"an array of shape {expected.value.shape}", got="nothing")
        _check_form(what, got, expected.value.shape, expectation.dtype)
        ratio = error_ratio(got, expected, expectation.dtype)
        measurement += Measurement(values=ratio.size)
        if ratio.size:
            measurement += Measurement(worst=_worst(what, ratio, got, expected, token))
    worst = measurement.worst
    if worst and not worst.ratio <= 1:
        if expectation.explain and worst.row is not None:
            named = worst.model_copy(update={"term": expectation.explain(worst.row)})
            measurement = replace(measurement, worst=named)
        raise exceeded(measurement)
    return measurement


def exceeded(measurement: Measurement) -> Deviation:
    """The deviation of a measurement whose worst error exceeds its bound."""
    worst = measurement.worst
    assert worst is not None
    low, high = worst.expected - worst.bound, worst.expected + worst.bound
    place = "" if worst.row is None else f"[{worst.row}]" if worst.column is None else f"[{worst.row}, {worst.column}]"
    interval = f"{worst.expected!r}" if np.isnan(worst.expected) or low == high else f"in [{low:.9g}, {high:.9g}]"
    return Deviation(
        worst.what,
        expected=f"{worst.what}{place} {interval} (reference {worst.expected:.17g})",
        got=f"{worst.got!r} (error {worst.ratio:.3g} × bound)",
        measurement=measurement,
    )


def error_ratio(got: Array, expected: Expected, dtype: str) -> Array:
    """|got − expected| / bound per element; inf where one is NaN and the other is not.

    Infinity counts as the first value past the dtype's range (the OpenCL conformance suite's rule), so a true value
    that rounds to infinity and infinity itself are equals.
    """
    limit = first_overflow(dtype)
    with np.errstate(all="ignore"):
        mine, true = (np.clip(np.asarray(v).astype(np.float64), -limit, limit) for v in (got, expected.value))
        error = np.abs((mine - true) - expected.low)
        ratio = np.where(error == 0, 0.0, error / expected.bound)
        overflowed = (np.abs(mine) >= limit) & (np.sign(mine) == np.sign(true)) & expected.may_be_infinite
        ratio = np.where(overflowed, 0.0, ratio)
        mismatch = np.isnan(mine) != np.isnan(true)
        return np.where(mismatch | (np.isnan(ratio) & ~np.isnan(true)), np.inf, np.where(np.isnan(true), 0.0, ratio))


def first_overflow(dtype: str) -> float:
    """The first value past the finite range of a dtype; the largest float64 stands for float64's own."""
    info = ml_dtypes.finfo(dtype_named(dtype))
    if dtype == "float64":
        return float(info.max)
    return 2.0 * float(np.ldexp(1.0, int(np.frexp(float(info.max))[1]) - 1))


def _check_form(what: str, got: Array, shape: tuple[int, ...], dtype: str) -> None:
    if got.shape != shape:
        raise Deviation(f"{what} shape", expected=f"{what} of shape {shape}", got=str(got.shape))
    name = dtype_name(got.dtype)
    if name not in FLOAT_DTYPES or precision(name) < precision(dtype):
        raise Deviation(f"{what} dtype", expected=f"{what} in {dtype} or wider", got=name)


def precision(dtype: str) -> int:
    """Bits of the fraction."""
    return int(ml_dtypes.finfo(dtype_named(dtype)).nmant)


def _worst(what: str, ratio: Array, got: Array, expected: Expected, token: str) -> Worst:
    index = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    place = [int(i) for i in index]
    return Worst(
        ratio=float(ratio[index]),
        what=what,
        row=place[0] if place else None,
        column=place[1] if len(place) > 1 else None,
        got=float(got[index]),
        expected=float(expected.value[index]),
        bound=float(expected.bound[index]),
        token=token,
    )


def with_twin(measurement: Measurement, mine: Returned, other: Returned) -> Measurement:
    """The measurement, with the number of losses and gradients that are bitwise equal to another subject's."""
    equal = of = 0
    theirs = other.results
    for a, b in ((array, theirs[name]) for name, array in mine.results.items() if name in theirs):
        same = np.asarray(a).astype(np.float64) == np.asarray(b).astype(np.float64)
        both_nan = np.isnan(a.astype(np.float64)) & np.isnan(b.astype(np.float64))
        equal, of = equal + int((same | both_nan).sum()), of + same.size
    return replace(measurement, bitwise_equal=equal, bitwise_of=of)
