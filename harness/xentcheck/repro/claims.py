"""Claims: what is right about one result of a call, as the lines of a script that print what came and assert it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np

from xentcheck.literals import number
from xentcheck.verdict import first_overflow, precision
from xentcheck_adapters import FLOAT_DTYPES, Call
from xentcheck_reports import Worst

_NAMES = {"grad_logits": "grad"}


class Claim(Protocol):
    """Something to assert about a call, of which a script makes `loss`, `grad` and so on."""

    def lines(self, recipe: Sequence[str], call: Call) -> list[str]:
        """The recipe's lines, and those that assert the claim; the last one is an assertion."""


@dataclass(frozen=True)
class Between:
    """A result lies in an interval at one place, given as row and column; `reference` is the true value."""

    what: str
    place: tuple[int, ...]
    low: float
    high: float
    reference: float | None = None

    def lines(self, recipe: Sequence[str], call: Call) -> list[str]:
        """See `Claim`."""
        got = f"float({element(self.what, self.place, call)})"
        if self.reference is not None and np.isnan(self.reference):
            return [*recipe, f"got = {got}", 'print("got", got, "expected nan")', "assert np.isnan(got)"]
        if self.low == self.high:
            told = f'print("got", got, "expected", {number(self.low)})'
            return [*recipe, f"got = {got}", told, f"assert got == {number(self.low)}"]
        low, high = number(self.low), number(self.high)
        true = "" if self.reference is None else f"  # the reference is {self.reference!r}"
        return [
            *recipe,
            f"got, low, high = {got}, {low}, {high}{true}",
            'print("got", got, "expected between", low, "and", high)',
            "assert low <= got <= high",
        ]

    @classmethod
    def of(cls, worst: Worst, dtype: str) -> Between:
        """What the worst comparison of an answer allowed."""
        limit = first_overflow(dtype)
        true = float(np.clip(worst.expected, -limit, limit))
        low, high = true, true
        if worst.bound:  # rounded outward
            low, high = np.nextafter(true - worst.bound, -np.inf), np.nextafter(true + worst.bound, np.inf)
        place = tuple(index for index in (worst.row, worst.column) if index is not None)
        ends = (float(low) if low > -limit else -np.inf, float(high) if high < limit else np.inf)
        return cls(worst.what, place, *ends, worst.expected)

    def excludes(self, got: float) -> bool:
        """Whether what came is outside, told in float64."""
        if self.reference is not None and np.isnan(self.reference):
            return not np.isnan(got)
        return not self.low <= got <= self.high


@dataclass(frozen=True)
class Fulfils:
    """A result fulfils a condition on `got`, at one place or in a whole row."""

    what: str
    place: tuple[int, ...]
    condition: str

    def lines(self, recipe: Sequence[str], call: Call) -> list[str]:
        """See `Claim`."""
        at = element(self.what, self.place, call)
        whole_row = self.what != "loss" and len(self.place) == 1
        got = f"np.array([float(v) for v in {at}])" if whole_row else f"float({at})"
        return [*recipe, f"got = {got}", f'print("got", got, "expected {self.condition}")', f"assert {self.condition}"]


@dataclass(frozen=True)
class HasShape:
    """A result has a shape, or a dtype of at least that precision."""

    what: str
    shape: tuple[int, ...] | None = None
    dtype: str = ""

    def lines(self, recipe: Sequence[str], call: Call) -> list[str]:
        """See `Claim`."""
        name = _NAMES.get(self.what, self.what)
        if self.shape is not None:
            shape = presented(self.what, self.shape, call)
            got = [f"got = tuple({name}.shape)", f'print("got", got, "expected", {shape})', f"assert got == {shape}"]
        else:
            allowed = [dtype for dtype in FLOAT_DTYPES if precision(dtype) >= precision(self.dtype)]
            got = [
                f'got = str({name}.dtype).strip("\'<>").replace("\'", ".").split(".")[-1]',
                f'print("got", got, "expected one of", {allowed})',
                f"assert got in {allowed}",
            ]
        return [*recipe, *got]


@dataclass(frozen=True)
class Answers:
    """The call is answered, and not refused."""

    def lines(self, recipe: Sequence[str], call: Call) -> list[str]:
        """See `Claim`."""
        return [*_caught(recipe, "loss"), 'print("got", repr(got))', "assert not isinstance(got, Exception)"]


@dataclass(frozen=True)
class Survives:
    """The call does not end its process."""

    def lines(self, recipe: Sequence[str], call: Call) -> list[str]:
        """See `Claim`."""
        return [*recipe, 'print("the process goes on")']


@dataclass(frozen=True)
class Refuses:
    """The call is refused; or the result at a place is no ordinary number, where that is as good."""

    what: str = "loss"
    place: tuple[int, ...] | None = None
    otherwise: str = ""

    def lines(self, recipe: Sequence[str], call: Call) -> list[str]:
        """See `Claim`."""
        got = "loss" if self.place is None else f"float({element(self.what, self.place, call)})"
        allowed = f" or {self.otherwise}" if self.otherwise else ""
        told = f'print("got", repr(got), "expected a refusal{allowed}")'
        return [*_caught(recipe, got), told, f"assert isinstance(got, Exception){allowed}"]


@dataclass(frozen=True)
class Untouched:
    """The arrays of the call are what they were."""

    names: tuple[str, ...]

    def lines(self, recipe: Sequence[str], call: Call) -> list[str]:
        """See `Claim`."""
        arrays = f"({', '.join(self.names)},)"
        return [
            f"before = [a.copy() for a in {arrays}]",
            *recipe,
            f'print("before", before, "after", {arrays})',
            f"assert all(a.tobytes() == b.tobytes() for a, b in zip(before, {arrays}))",
        ]


@dataclass(frozen=True)
class Repeats:
    """The same call gives the same bits each time."""

    what: str
    times: int = 20

    def lines(self, recipe: Sequence[str], call: Call) -> list[str]:
        """See `Claim`."""
        loop = [f"    {line}" for line in recipe]
        bits = f"    seen.add(np.array({_NAMES.get(self.what, self.what)}).tobytes())"
        told = f'print(len(seen), "different answers to {self.times} equal calls")'
        return ["seen = set()", f"for _ in range({self.times}):", *loop, bits, told, "assert len(seen) == 1"]


def _caught(recipe: Sequence[str], got: str) -> list[str]:
    inside = [f"    {line}" for line in [*recipe, f"got = {got}"]]
    return ["try:", *inside, "except Exception as error:", "    got = error"]


def element(what: str, place: tuple[int, ...], call: Call) -> str:
    """The element of a result as a subject gives it: `grad[0, 3]`."""
    name = _NAMES.get(what, what)
    if not place:
        return name
    row = () if call.single else tuple(int(i) for i in np.unravel_index(place[0], rows_of(call)))
    index = [*row]
    if len(place) > 1:
        index.insert(call.class_axis % (len(index) + 1), place[1])
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def presented(what: str, shape: tuple[int, ...], call: Call) -> tuple[int, ...]:
    """The shape (N,) or (N, C) as a subject gives it."""
    if not shape:
        return ()
    spread = [] if call.single else list(rows_of(call))
    if len(shape) > 1:
        spread.insert(call.class_axis % (len(spread) + 1), shape[1])
    return tuple(spread)


def rows_of(call: Call) -> tuple[int, ...]:
    """Batch and positions."""
    return (len(call.logits) // prod(call.positions), *call.positions)
