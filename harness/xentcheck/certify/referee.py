"""Holds the oracle's two tiers against the exact side, value by value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import numpy as np

import xentcheck_reference as reference
from xentcheck.randomness import Array
from xentcheck_adapters import built_in_subjects
from xentcheck_reference import Problem, Profile, Reference, Tier

from .arb import ExactValues, exact_results
from .comparison import Comparison
from .conditioning import magnitudes
from .rows import Batch

TIERS: tuple[Tier, ...] = ("float64", "double-word")


@dataclass(frozen=True, eq=False)
class Answer:
    """What a tier says of one result, as whole arrays, and what it may err by."""

    value: Array
    low: Array | None
    bound: Array
    tightest: Array | None


def referee(batch: Batch) -> list[Comparison]:
    """Every result of both tiers on a batch, compared with the exact values."""
    exact, sizes = exact_results(batch), magnitudes(batch.problem, batch.vector)
    compared = []
    for tier in TIERS:
        answers = answers_of(batch, tier)
        compared += [compare(batch, tier, what, answers[what], exact[what], sizes) for what in exact]
    return compared


def answers_of(batch: Batch, tier: Tier) -> dict[str, Answer]:
    """The oracle's own answers, by result."""
    problem, vector = batch.problem, batch.vector
    answer = reference.cross_entropy(problem, tier=tier)
    error = reference.oracle_error(problem, answer)
    product = reference.hessian_vector_product(problem, vector, tier=tier)
    tight: dict[str, Array] = {}
    if tier == "float64":
        tight = _tightest(problem, answer)
        if problem.softcap is None:  # no subject offers a second derivative through it
            tight["product"] = reduce(
                np.minimum,
                (reference.hessian_error_bound(problem, answer, vector, product, profile) for profile in _profiles()),
            )
    answers = {"product": Answer(product.value, product.low, product.error, tight.get("product"))}
    for what in ("loss", "grad_logits", *(("grad_labels",) if problem.soft else ())):
        value, low = getattr(answer, what), getattr(answer, f"{what}_low")
        answers[what] = Answer(value, low, getattr(error, what), tight.get(what))
    return answers


def compare(
    batch: Batch, tier: Tier, what: str, answer: Answer, exact: ExactValues, sizes: dict[str, Array]
) -> Comparison:
    """One result of one tier beside the exact values at the judged places."""
    rows, columns = np.array(exact.rows), np.array(exact.columns)
    place: Any = (rows, columns) if what != "loss" else () if batch.problem.reduction != "none" else rows

    def judged(values: Array) -> Array:
        return np.atleast_1d(values[place])

    got, nearest = judged(answer.value), np.array(exact.nearest())
    nothing = np.zeros(len(got))
    low = nothing if answer.low is None else judged(answer.low)
    high_error = np.array(exact.distances(got.tolist(), nothing.tolist()))
    return Comparison(
        batch=batch,
        tier=tier,
        what=what,
        rows=rows,
        columns=columns,
        got=got,
        exact=nearest,
        error=np.array(exact.distances(got.tolist(), low.tolist())) if low.any() else high_error,
        high_error=high_error,
        magnitude=np.maximum(np.abs(nearest), judged(sizes[what])),
        bound=judged(answer.bound),
        tightest=None if answer.tightest is None else judged(answer.tightest),
    )


def _tightest(problem: Problem, answer: Reference) -> dict[str, Array]:
    bounds = [vars(reference.error_bound(problem, answer, profile)) for profile in _profiles()]
    whats = ("loss", "grad_logits", *(("grad_labels",) if problem.soft else ()))
    return {what: reduce(np.minimum, (bound[what] for bound in bounds)) for what in whats}


@cache
def _profiles() -> tuple[Profile, ...]:
    """Every way in which a known subject sums float32: bounds differ in nothing else but looser."""
    declared = {subject.precision["float32"] for subject in built_in_subjects().values() if "float32" in subject.dtypes}
    sums: Any = {p.sums if p.sums == "pairwise" else (p.sums, p.width) for p in declared}
    return tuple(Profile("float32", "wide", model) for model in sums)
