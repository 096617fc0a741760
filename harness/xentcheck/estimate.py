"""Estimates: arrays computed from a subject's answers, with the largest error that the answers' bounds explain.

A law between answers, such as "N times the mean is the sum of the row losses", is written as a formula of estimates.
It holds if its two sides are no farther apart than their errors together; no value of the reference enters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xentcheck.bench import Bench
from xentcheck.expectation import Expectation, Expected
from xentcheck.randomness import Array
from xentcheck.verdict import Deviation, Measurement, conform
from xentcheck_adapters import Call, Returned

_U64 = 2.0**-53


@dataclass(frozen=True, eq=False)
class Estimate:
    """float64 values and the largest error of each, same shapes. Every operation adds its own rounding to the error."""

    value: Array
    bound: Array

    def __add__(self, other: Estimate) -> Estimate:
        return _rounded(self.value + other.value, self.bound + other.bound)

    def __sub__(self, other: Estimate) -> Estimate:
        with np.errstate(invalid="ignore"):  # of two infinities: NaN, which nothing agrees with
            return _rounded(self.value - other.value, self.bound + other.bound)

    def __mul__(self, factor: Array | float) -> Estimate:
        return _rounded(self.value * factor, self.bound * np.abs(factor))

    def __getitem__(self, where: Any) -> Estimate:
        return Estimate(self.value[where], self.bound[where])

    def total(self, axis: int) -> Estimate:
        """The sum along an axis."""
        # n - 1 additions, in any order
        roundings = max(self.value.shape[axis] - 1, 0) * _U64 * np.abs(self.value).sum(axis)
        return Estimate(self.value.sum(axis), self.bound.sum(axis) + roundings)


def known(value: Array | float) -> Estimate:
    """A number of the check's own, of at most two roundings."""
    array = np.asarray(value, np.float64)
    return Estimate(array, 2.0 * _U64 * np.abs(array))


def joined(parts: Sequence[Estimate]) -> Estimate:
    """Row after row."""
    return Estimate(np.concatenate([p.value for p in parts]), np.concatenate([p.bound for p in parts]))


def _rounded(value: Array, bound: Array) -> Estimate:
    return Estimate(value, bound + _U64 * np.abs(value))


@dataclass(frozen=True, eq=False)
class Estimates:
    """A subject's answer to a call, or what a law makes of several answers: loss (N,) or (), and grad_logits (N, C),
    None where the subject is not differentiable."""

    loss: Estimate
    grad_logits: Estimate | None

    @property
    def gradient(self) -> Estimate:
        """grad_logits of a subject that is known to have one."""
        assert self.grad_logits is not None
        return self.grad_logits

    def __mul__(self, factor: float) -> Estimates:
        return Estimates(self.loss * factor, self.grad_logits and self.grad_logits * factor)

    def rows(self, which: Any) -> Estimates:
        """Some rows of an answer without a reduction."""
        return Estimates(self.loss[which], self.grad_logits and self.grad_logits[which])

    def changed(
        self, gradient: Callable[[Estimate], Estimate], loss: Callable[[Estimate], Estimate] = lambda loss: loss
    ) -> Estimates:
        """Another function of each result."""
        return Estimates(loss(self.loss), self.grad_logits and gradient(self.grad_logits))


def ask(bench: Bench, call: Call) -> Estimates:
    """The subject's answer to a call; raises Deviation if there is none, or one of a wrong form or without numbers."""
    expected = bench.expect(call)
    answer = in_numbers(bench.answer(call), expected)
    parts = {
        name: Estimate(array.astype(np.float64), expected.parts[name].bound) for name, array in answer.results.items()
    }
    return Estimates(parts["loss"], parts.get("grad_logits"))


def in_numbers(answer: Returned, expectation: Expectation) -> Returned:
    """The answer; raises Deviation where it holds a NaN or an infinity and a number is due. Of two sides that are not
    numbers every law holds."""
    for what, array in answer.results.items():
        expected, values = expectation.parts[what], array.astype(np.float64)
        infinite = np.isinf(values) & np.isfinite(expected.value) & ~expected.may_be_infinite
        wrong = infinite | (np.isnan(values) & ~np.isnan(expected.value))
        if wrong.any():
            place = [int(i) for i in np.argwhere(wrong)[0]]
            raise Deviation(what, expected="a finite number", got=f"{what}{place or ''} {values[tuple(place)]!r}")
    return answer


def agree(mine: Estimates, other: Estimates, bench: Bench, token: str) -> Measurement:
    """Both results of two sides of a law; raises Deviation where they are farther apart than their errors. Counts how
    many values are bitwise equal."""
    parts, equal = {}, 0
    sides = {"loss": (mine.loss, other.loss)}
    if mine.grad_logits and other.grad_logits:
        sides["grad_logits"] = (mine.grad_logits, other.grad_logits)
    for name, (a, b) in sides.items():
        nowhere = np.zeros(b.value.shape, bool)
        parts[name] = Expected(np.asarray(b.value), np.asarray(a.bound + b.bound), nowhere)
        equal += int(((a.value == b.value) | (np.isnan(a.value) & np.isnan(b.value))).sum())
    returned = Returned(np.asarray(mine.loss.value), None if mine.grad_logits is None else mine.grad_logits.value)
    measured = conform(returned, Expectation(bench.target.dtype, parts), token)
    return measured + Measurement(bitwise_equal=equal, bitwise_of=measured.values)


def at_least(what: str, larger: Estimate, smaller: Estimate) -> Measurement:
    """An inequality; raises Deviation where the larger side is smaller by more than the errors of both."""
    with np.errstate(invalid="ignore"):  # infinities are no smaller than each other
        missing = smaller.value - larger.value - (larger.bound + smaller.bound)
    if (missing > 0).any():
        row = int(np.argmax(missing))
        raise Deviation(
            what,
            expected=f"in row {row} at least {smaller.value[row]:.9g}, or {larger.bound[row] + smaller.bound[row]:.3g} "
            "less for rounding",
            got=f"{larger.value[row]:.9g}",
        )
    return Measurement(values=missing.size)
