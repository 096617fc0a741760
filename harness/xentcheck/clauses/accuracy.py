"""ACC: how accurate, over a survey of fixed rows, and not only whether within bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xentcheck.aggregate import Knowledge, batch_statistics, thresholds
from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, has_gradient, softmax_of_logits
from xentcheck.estimate import in_numbers
from xentcheck.expectation import Expectation, Expected, declared_profile, softmax_reference
from xentcheck.grades import FAILED, grade_ratios, measured_grade, recorded_grade
from xentcheck.rounding import misrounded
from xentcheck.row_errors import row_errors
from xentcheck.survey import aggregate_cases, common_mode_cases, grade_cases, survey_cases
from xentcheck.verdict import Deviation, Measurement, conform
from xentcheck_adapters import Returned, Subject
from xentcheck_reference import common_mode

_ULP = "https://hal.science/inria-00070503"  # Muller, On the definition of ulp(x)
_BOUNDS = (
    "Higham, Accuracy and Stability of Numerical Algorithms, chapters 3 and 4; https://doi.org/10.1093/imanum/draa038"
)


def _within_bounds(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    answer, expectation = bench.answer(call), bench.expect(call)
    errors = row_errors(case, answer, expectation)
    try:
        measurement = conform(answer, expectation, case.token)
        if bench.subject.precision[bench.target.dtype].output is None:
            _rounds_its_result(answer, expectation)
        return replace(measurement, errors=errors)
    except Deviation as deviation:
        deviation.measurement = replace(deviation.measurement, errors=errors)
        raise


def _rounds_its_result(answer: Returned, expectation: Expectation) -> None:
    """Raises Deviation at the first value that the last rounding cannot have made of an honest one (16 bits only)."""
    for what, expected in expectation.parts.items():
        got = getattr(answer, what)
        places = np.argwhere(misrounded(got, expected, expectation.dtype))
        if len(places):
            place = tuple(int(i) for i in places[0])
            true = float(expected.value[place])
            raise Deviation(
                what,
                expected=f"{what}{list(place)} = {true:.9g}, or what earlier roundings make of it, rounded once more",
                got=f"{float(got[place]):.9g}, as {len(places)} of {got.size} values",
            )


def _keeps_its_grade(case: Case, bench: Bench) -> Measurement:
    """Within the bounds of the declared precision, or there is nothing to grade; then within those of the grade."""
    call, dtype = bench.call(case), bench.target.dtype
    answer = bench.answer(call)
    conform(answer, bench.expect(call), case.token)
    ratios = grade_ratios(call, answer, bench.subject, dtype)
    recorded = recorded_grade(bench.target)
    measurement = Measurement(values=case.rows * (1 + case.classes), grades=ratios, longest_sum=case.classes)
    if recorded and recorded != FAILED and ratios[recorded] > 1:
        raise Deviation(
            "grade",
            expected=f"errors within the bounds of the recorded grade {recorded}",
            got=f"{ratios[recorded]:.3g} × the bound: grade dropped from {recorded} to {measured_grade(ratios, dtype)}",
            measurement=measurement,
        )
    return measurement


def _looks_honest(case: Case, bench: Bench) -> Measurement:
    call, target = bench.call(case), bench.target
    statistics = batch_statistics(bench.answer(call), bench.expect(call))
    knowledge: Knowledge = "declared" if target.subject.described else "unknown"
    said = thresholds().exceeds(knowledge, target.dtype, case.regime, statistics)
    if said:
        raise Deviation("aggregate", expected="errors that look like those of honest implementations", got=said)
    return Measurement(values=case.rows * (1 + case.classes))


def _shares_one_mode(case: Case, bench: Bench) -> Measurement:
    """The gradient is within the bounds around what its row's shared error makes of it."""
    call, dtype = bench.call(case), bench.target.dtype
    answer = in_numbers(bench.answer(call), bench.expect(call))
    problem, reference = softmax_reference(call, bench.subject, dtype)
    profile = declared_profile(bench.subject.precision[dtype], dtype, call.layout)
    assert answer.grad_logits is not None
    got = answer.grad_logits.astype(np.float64)
    split = common_mode(problem, reference, profile, got)
    around = Expected(got - split.residual, split.residual_bound, np.zeros(got.shape, bool))
    return conform(answer, Expectation(dtype, {"grad_logits": around}), case.token)


def _is_unknown(subject: Subject) -> str | None:
    if subject.described:
        return "declares the order of its sums, and is held to that"
    return softmax_of_logits(subject)


CLAUSES = (
    Clause(
        "ACC-1",
        "errors of loss and gradient stay within their bounds over a survey of all regimes and sizes",
        (_BOUNDS, _ULP),
        softmax_of_logits,
        None,
        _within_bounds,
        survey_cases,
    ),
    Clause(
        "ACC-2",
        "the accuracy is no worse than the grade on record",
        (_BOUNDS,),
        softmax_of_logits,
        None,
        _keeps_its_grade,
        grade_cases,
    ),
    Clause(
        "ACC-3",
        "over a batch, rms and bias of error / bound stay below what honest implementations reach",
        ("The roundings of honest arithmetic are mostly far below their bounds and point both ways.",),
        softmax_of_logits,
        None,
        _looks_honest,
        aggregate_cases,
        statistical=True,
    ),
    Clause(
        "ACC-4",
        "the errors of a row's softmax share one mode, and no column strays from it",
        ("What errs in the sum over the classes errs in every column alike.",),
        has_gradient(_is_unknown),
        None,
        _shares_one_mode,
        common_mode_cases,
    ),
)
