"""NUM: extreme but honest numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import ml_dtypes
import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case, Explicit
from xentcheck.clauses.clause import Clause, has_gradient, softmax_of_logits
from xentcheck.estimate import ask
from xentcheck.expectation import expect
from xentcheck.regimes import TILED
from xentcheck.soft_labels import one_hot_rows
from xentcheck.strategies import Scope
from xentcheck.verdict import Deviation, Measurement, conform, nonzero
from xentcheck_adapters import Subject, dtype_named

_NARROW = ("float16", "bfloat16")
_CLASSES = 7


def _kind(subject: Subject) -> str:
    return "index" if "index" in subject.labels else "one-hot"


def _explicit(scope: Scope, rows: list[list[float]], labels: list[int]) -> Case:
    """Rows given as values, in the form of labels that the subject takes."""
    one_hot = _kind(scope.subject) == "one-hot"
    given = one_hot_rows(np.array(labels), _CLASSES) if one_hot else np.array(labels)
    return Case(
        dtype=scope.dtype,
        rows=len(rows),
        classes=_CLASSES,
        labels=_kind(scope.subject),
        explicit=Explicit.of(rows, given),
    )


def _info(scope: Scope) -> ml_dtypes.finfo:
    return ml_dtypes.finfo(dtype_named(scope.dtype))


def _equal_logits(scope: Scope) -> tuple[Case, ...]:
    info = _info(scope)
    values = (float(info.max), -float(info.max), float(info.max) / 2**20, float(info.smallest_subnormal))
    return (_explicit(scope, [[value] * _CLASSES for value in values], [0, 3, 6, 1]),)


def _is_log_c(case: Case, bench: Bench) -> Measurement:
    """Within the bounds of a form that subtracts the maximum, of whom the subject is described: log-sum-exp minus logit
    has no digit left here."""
    call, subject, dtype = bench.call(case), bench.subject, bench.target.dtype
    if subject.described:
        precision = replace(subject.precision[dtype], offset=False)
        subject = replace(subject, precision={**subject.precision, dtype: precision})
    return conform(bench.answer(call), expect(call, subject, dtype, bench.rules), case.token)


def _tiles(scope: Scope) -> tuple[Case, ...]:
    # 257 classes: two tiles of 128 and a rest; 256 is the largest label that bfloat16 holds
    plain = Case(dtype=scope.dtype, rows=8, classes=257, regime=TILED, labels=_kind(scope.subject), upstream="random")
    return tuple(replace(plain, seed=seed) for seed in range(2))


def _asked_about_masks(subject: Subject) -> str | None:
    """Softmax forms, but for a stranger of rows: where a label is 0 and its class masked, they say 0 * inf."""
    undeclared = subject.zero_times_inf == "any" and "index" not in subject.labels
    return softmax_of_logits(subject) or ("does not say what 0 * inf is to it" if undeclared else None)


def _skips_masked_tiles(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    answer, measurement = bench.conforms(call, case)
    masked = np.isneginf(call.logits.astype(np.float64))
    if answer.grad_logits is not None and (
        wrong := nonzero("grad_logits", answer.grad_logits, masked, "exactly 0 where the logit is -inf")
    ):
        raise wrong
    return measurement


def _poisons(scope: Scope) -> tuple[Case, ...]:
    plain = [0.5, -1.0, 2.0, 0.0, 1.0, -2.0, 0.25]
    rows = [
        [np.nan, *plain[1:]],
        [np.inf, *plain[1:]],
        [plain[0], np.inf, *plain[2:]],
        [-np.inf] * _CLASSES,
    ]
    return (_explicit(scope, rows, [0, 0, 0, 0]), _explicit(scope, rows, [1, 1, 0, 1]))


def _does_not_train(case: Case, bench: Bench) -> Measurement:
    """Such a row has no softmax: its gradient holds a NaN or an infinity, or is 0, but is no ordinary number."""
    grad = ask(bench, bench.call(case)).gradient.value
    ordinary = np.isfinite(grad).all(axis=1) & grad.any(axis=1)
    if ordinary.any():
        row = int(np.argmax(ordinary))
        raise Deviation(
            "grad_logits",
            expected=f"NaN, infinity or 0 in row {row}, which has no softmax",
            got=f"{grad[row].tolist()}",
            due=("grad_logits", (row,), "not np.isfinite(got).all() or not got.any()"),
        )
    return Measurement(values=grad.size)


def _subnormals(scope: Scope) -> tuple[Case, ...]:
    info = _info(scope)
    least, normal = float(info.smallest_subnormal), float(info.smallest_normal)
    rows = [
        [0.0, least, -least, 2 * least, normal / 2, -normal / 2, normal],
        [least, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [-least, 1.0, least, 1.0, normal / 2, 0.0, -1.0],
        [normal / 2, normal, -normal, 0.0, -0.0, least, -least],
    ]
    return (_explicit(scope, rows, [0, 0, 2, 4]),)


def _within_bounds(case: Case, bench: Bench) -> Measurement:
    return bench.conforms(bench.call(case), case)[1]


def _pulls(scope: Scope) -> tuple[Case, ...]:
    plain = Case(dtype=scope.dtype, rows=4, classes=_CLASSES, labels=_kind(scope.subject))
    few = tuple(replace(plain, regime=regime, seed=3) for regime in ("confident", "wrong", "near-tie", "tiny"))
    return few if scope.subject.retraces else (*few, replace(plain, rows=64, regime="horizon"))


def _has_its_signs(case: Case, bench: Bench) -> Measurement:
    """exp(0) is one of the terms of the sum, so its logarithm is not negative, and no term exceeds it: true of every
    order of additions, because rounding keeps the order of numbers."""
    call = bench.call(case)
    answer, label = ask(bench, call), call.labels.argmax(axis=1) if call.has_dense_labels else call.labels
    at_label = one_hot_rows(label, case.classes) > 0
    seen = {"loss": (answer.loss.value, answer.loss.value < 0)}
    if answer.grad_logits:
        grad = answer.grad_logits.value
        seen["grad_logits"] = (grad, np.where(at_label, grad > 0, grad < 0))
    for what, (values, wrong) in seen.items():
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise Deviation(
                what,
                expected="a loss of 0 or more, a gradient of 0 or less at the label and of 0 or more elsewhere",
                got=f"{what}{list(place)} {values[place]!r}",
                due=(what, place, "got <= 0" if what != "loss" and at_label[place] else "got >= 0"),
            )
    return Measurement(values=sum(values.size for values, _ in seen.values()))


def _past_65504(scope: Scope) -> tuple[Case, ...]:
    if scope.dtype != "float16":
        return ()
    kind = _kind(scope.subject)
    return (Case(dtype=scope.dtype, rows=1, classes=131072, regime="tiny", focus="last", labels=kind),)


def _many_rows(scope: Scope) -> tuple[Case, ...]:
    """Row losses that sum to more than float16 holds, and more rows than it can count."""
    if scope.dtype not in _NARROW:
        return ()
    plain = Case(dtype=scope.dtype, classes=2, labels=_kind(scope.subject), reduction="mean")
    heavy, many = replace(plain, rows=16384, regime="wrong"), replace(plain, rows=65537, regime="normal")
    if scope.brief:
        return (heavy,)
    soft = (replace(heavy, labels="soft"),) if "dense" in scope.subject.labels else ()
    return (heavy, many, *soft)


def _averages(case: Case, bench: Bench) -> Measurement:
    """Within the bounds, and finite where the mean itself is: no sum on the way to it may overflow."""
    call = bench.call(case)
    expectation = bench.expect(call)
    loss = expectation.parts["loss"]
    largest = float(ml_dtypes.finfo(call.logits.dtype).max)
    strict = replace(loss, may_be_infinite=np.abs(loss.value) + loss.bound > largest)
    expectation = replace(expectation, parts={**expectation.parts, "loss": strict})
    return conform(bench.answer(call), expectation, case.token)


def _averages_rows(subject: Subject) -> str | None:
    if "mean" not in subject.reductions:
        return "has no argument for reduction"
    return softmax_of_logits(subject)


def _overflows(scope: Scope) -> tuple[Case, ...]:
    largest = float(_info(scope).max)
    three_quarters = float(np.asarray(0.75 * largest).astype(dtype_named(scope.dtype)))
    rows = [
        [three_quarters, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        [largest, 0.0, 0.0, -largest, 0.0, 0.0, 0.0],
        [largest / 2, 0.0, -largest / 4, 0.0, 0.0, 0.0, 0.0],
        [largest, largest, 0.0, 0.0, 0.0, 0.0, -largest],
    ]
    return (_explicit(scope, rows, [1, 3, 2, 6]),)


def _clause(
    number: int,
    title: str,
    source: str,
    check: Callable[[Case, Bench], Measurement],
    always: Callable[[Scope], tuple[Case, ...]],
    *,
    lacks: Callable[[Subject], str | None] = softmax_of_logits,
    programs: bool = False,
    options: bool = False,
) -> Clause:
    return Clause(f"NUM-{number}", title, (source,), lacks, None, check, always, options=options, programs=programs)


CLAUSES = (
    _clause(
        2,
        "equal logits give log C and the gradient 1/C - q at any magnitude, the dtype's largest number included",
        "log(sum of C equal terms) = log C, if the maximum is subtracted first",
        _is_log_c,
        _equal_logits,
    ),
    _clause(
        3,
        "classes masked with -inf in whole tiles, or all but the label, leave a finite loss and gradients of exactly 0",
        "exp(-inf) = 0; a running maximum of -inf must not be subtracted from -inf",
        _skips_masked_tiles,
        _tiles,
        lacks=_asked_about_masks,
        programs=True,
    ),
    _clause(
        4,
        "a row with a NaN or +inf logit, or with none above -inf, has a gradient that is NaN, infinite or 0",
        "Such a row has no softmax; an ordinary number in its place trains the model without a word.",
        _does_not_train,
        _poisons,
        lacks=has_gradient(softmax_of_logits),
    ),
    _clause(
        5,
        "subnormal logits count as what they are, up to one flush to zero",
        "exp(x) = 1 + x for |x| far below the unit roundoff",
        _within_bounds,
        _subnormals,
    ),
    _clause(
        6,
        "no loss is negative, and no gradient pushes the label down or another class up",
        "softmax <= 1; rounding is monotone, so this holds for computed values as well",
        _has_its_signs,
        _pulls,
    ),
    _clause(
        7,
        "a float16 sum of more than 65504 nearly equal terms does not overflow",
        "log C is 12, however large C",
        _within_bounds,
        _past_65504,
        programs=True,
    ),
    _clause(
        8,
        "a 16-bit mean over many rows is finite where the mean itself is",
        "The mean lies between the smallest and the largest loss, whatever their sum.",
        _averages,
        _many_rows,
        lacks=_averages_rows,
        options=True,
        programs=True,
    ),
    _clause(
        9,
        "a loss near or past the largest number is that number or infinity, and its gradient 1 and -1",
        "x - max overflows to -inf, whose exp is 0",
        _within_bounds,
        _overflows,
    ),
)
