"""Grades: which of a few standard precisions an implementation keeps, as text like "B-L" or "B-B-w".

accuracy  A  the loss of an index label is right relative to itself, however small: only log1p of the tail does that
          B  errors do not grow with the size of the logits
          C  the loss is log-sum-exp minus logit, and loses digits where the logits are large (`Profile.offset`)
          F  none of the above
sum       P  pairwise, B  blocks of 1024, L  four running sums
storage   of 16-bit dtypes only: w  wide, s  stored, u  uniform (see `Profile`)

Better grades are those with the better accuracy, then storage, then sum. A grade is measured on the survey's fixed
cases, with a margin where its bounds are a matter of constants, recorded as data, and from then on kept: a drop is a
regression.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np

from xentcheck.bench import Target
from xentcheck.expectation import Expectation, expect_of, softmax_reference
from xentcheck.survey import LONG_SUM
from xentcheck.verdict import Measurement, error_ratio
from xentcheck_adapters import Call, Returned, Subject, dtype_name
from xentcheck_reference import Problem, Profile, Reference
from xentcheck_reference.bounds import E_EXP
from xentcheck_reports import Grade

FAILED = "F"
_NARROW = ("float16", "bfloat16")
_SUMS: dict[str, Any] = {"P": "pairwise", "B": ("block", 1024), "L": ("lane", 4)}
_STORAGE: dict[str, Any] = {"w": "wide", "s": "stored", "u": "uniform"}


def margin(dtype: str) -> float:
    """How much of a grade's bounds has to be to spare for it to be measured.

    In float32 and float64 they are sums and constants that data seldom reach, so data that come close to them belong to
    a coarser implementation. In 16 bits they are two or three single roundings, each of which honest data do reach.
    """
    return 1.0 if dtype in _NARROW else 1.25


def grades_of(dtype: str) -> tuple[str, ...]:
    """Every grade but F, the best one first."""
    if dtype in _NARROW:
        return tuple("-".join((a, s, w)) for a, w, s in product("ABC", "wsu", "PBL"))
    return tuple("-".join(letters) for letters in product("ABC", "PBL"))


def grade_profile(grade: str, dtype: str) -> Profile:
    """The arithmetic that a grade stands for."""
    accuracy, sums, *storage = grade.split("-")
    return Profile(
        dtype,
        storage=_STORAGE[storage[0]] if storage else "stored",
        sum_model=_SUMS[sums],
        offset=accuracy == "C",
        row_sums="io",
    )


def is_drop(recorded: str, measured: str, dtype: str) -> bool:
    """Whether the second grade is worse than the first."""
    order = (*grades_of(dtype), FAILED)
    return order.index(measured) > order.index(recorded)


def grade_ratios(call: Call, answer: Returned, subject: Subject, dtype: str) -> dict[str, float]:
    """Largest error of an answer relative to the bound of each grade.

    Where a grade holds with the margin, each one that is looser in every respect gets its ratio without a look.
    """
    problem, reference = softmax_reference(call, subject, dtype)
    classes, ratios = call.logits.shape[1], dict[str, float]()
    for grade in grades_of(dtype):
        kept = (other for other, ratio in ratios.items() if ratio * margin(dtype) <= 1)
        tighter = [ratios[other] for other in kept if _is_looser(grade, other, dtype, classes)]
        ratios[grade] = min(tighter) if tighter else _ratio(grade, call, answer, problem, reference)
    return ratios


def _ratio(grade: str, call: Call, answer: Returned, problem: Problem, reference: Reference) -> float:
    dtype = dtype_name(call.logits.dtype)
    profile = grade_profile(grade, dtype)
    expectation = expect_of(call, problem, reference, profile)
    if grade.startswith("A"):
        expectation = _relative(expectation, reference, profile, call.logits.shape[1])
    ratios = {name: error_ratio(got, expectation.parts[name], dtype) for name, got in answer.results.items()}
    if grade.startswith("C"):
        # What C adds to B is one rounding of log-sum-exp, and data reach it: the margin is for what is left.
        tighter = expect_of(call, problem, reference, replace(profile, offset=False))
        for name, ratio in ratios.items():
            bound = expectation.parts[name].bound
            share = 1.0 - tighter.parts[name].bound / np.where(bound > 0, bound, np.inf)
            ratios[name] = np.maximum(ratio - share, 0.0) / (1.0 - share)
    return max(float(np.nan_to_num(ratio, nan=np.inf).max(initial=0)) for ratio in ratios.values())


def measured_grade(ratios: Mapping[str, float], dtype: str) -> str:
    """The best grade whose bounds hold with the margin."""
    return next((grade for grade in grades_of(dtype) if ratios[grade] * margin(dtype) <= 1), FAILED)


def _is_looser(grade: str, other: str, dtype: str, classes: int) -> bool:
    """Whether every bound of a grade is at least the other's; few classes have no order of sums worth 16 roundings."""
    letters = (scale.index(mine) >= scale.index(its) for scale, mine, its in _letters(grade, other))
    sums = (grade_profile(g, dtype).class_sum(classes) for g in (grade, other))
    return all(letters) and next(sums) >= next(sums)


def _letters(grade: str, other: str) -> Iterator[tuple[str, str, str]]:
    """The letters of accuracy and storage: scale, one, other."""
    (a, _, *s), (b, _, *t) = grade.split("-"), other.split("-")
    return zip(("ABC", "wsu"), (a, *s), (b, *t), strict=False)


def _relative(expectation: Expectation, reference: Reference, profile: Profile, classes: int) -> Expectation:
    """The loss within (rho + 4 u) of itself, rho the relative error of the tail T = sum of exp(d) but for the maximum:
    log1p(T (1 + rho)) errs by at most rho of itself, and log1p, sum, and output round four times."""
    rows, p = reference.rows, profile
    with np.errstate(all="ignore"):
        # the mean of |d| over the tail; `argument` is that over all of softmax, where the maximum has d = 0
        argument = np.where(rows.tail > 0, rows.argument * (1.0 + rows.tail) / rows.tail, 0.0)
        rho = p.u_elementwise * (argument + E_EXP) + p.class_sum(classes) * p.u_sum + p.u_stored_sum
        loss = expectation.parts["loss"]
        relative = (rho + 4.0 * p.u) * np.abs(loss.value) + p.eta
    both = replace(loss, bound=np.minimum(loss.bound, relative))
    return replace(expectation, parts={**expectation.parts, "loss": both})


@cache
def recorded_grades() -> dict[str, dict[str, str]]:
    """Subject -> dtype -> grade, as `xentcheck calibrate` recorded them."""
    document: dict[str, dict[str, str]] = json.loads(files(__package__).joinpath("grades.json").read_text("utf-8"))
    return document


def recorded_grade(target: Target) -> str | None:
    """The grade on record; None for a subject or dtype that has none, and on other devices than the calibrated one."""
    return recorded_grades().get(target.subject.known_as, {}).get(target.dtype) if target.device == "cpu" else None


def grade_of(measurement: Measurement, target: Target) -> tuple[Grade | None, str | None]:
    """The grade on record and the measured one, and a remark if that is better.

    Without a long sum among the rows there is no measured grade: on ten classes all orders of summation look alike.
    """
    if not measurement.grades:
        return None, None
    recorded, told = recorded_grade(target), measurement.longest_sum >= LONG_SUM
    measured = measured_grade(measurement.grades, target.dtype) if told else None
    better = recorded and measured and is_drop(measured, recorded, target.dtype)
    remark = f"measured grade {measured}, better than {recorded} on record: xentcheck calibrate renews it"
    return Grade(recorded=recorded, measured=measured), remark if better else None
