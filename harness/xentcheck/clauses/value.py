"""VAL: loss and gradient against the float64 reference."""

from __future__ import annotations

from dataclasses import replace

from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case, Edit
from xentcheck.clauses.clause import Clause, takes
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Measurement
from xentcheck_adapters import Subject

_FORMULA = "loss = log-sum-exp(x) - x[y], gradient = softmax(x) - onehot(y)"
_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"


def matches_reference(case: Case, bench: Bench) -> Measurement:
    """The answer to a case is within the bound of the reference."""
    return bench.conforms(bench.call(case), case)[1]


def _plain(scope: Scope) -> SearchStrategy[Case]:
    # NaN and +inf logits are left to NUM: what a poisoned row returns is not a value
    return cases(scope, edits=("-inf", "tie", "subnormal", "huge"))


def _landmarks(scope: Scope) -> tuple[Case, ...]:
    """What every run looks at, because random shapes are mostly small: one class; N = C; more classes and more rows
    than one block of any kernel; a last class so far ahead that exp overflows if another maximum is subtracted; labels
    whose own class is masked, so that the loss is infinite and the gradient is not."""
    if scope.subject.retraces:
        return ()
    plain = Case(dtype=scope.dtype, rows=5, classes=17, upstream="random")
    sizes = (
        replace(plain, classes=1),
        replace(plain, rows=7, classes=7),
        replace(plain, rows=4097, classes=3),
        # past 2**15 and 2**16 classes; float16 sums of more than 65504 equal terms overflow, which is another matter
        replace(plain, rows=1, classes=32769 if scope.dtype == "float16" else 65537, regime="normal"),
        replace(plain, rows=3, classes=4097, regime="wrong", focus="last", seed=7),  # exp(89) overflows in float32
        replace(plain, rows=4, classes=7, focus="first", seed=1, edits=tuple(Edit(row, 0, "-inf") for row in range(4))),
    )
    regimes = ("confident", "wrong", "offset", "masked")
    return sizes + tuple(replace(plain, regime=regime, seed=seed) for seed, regime in enumerate(regimes))


def _many_rows(scope: Scope) -> tuple[Case, ...]:
    """More rows than one block of any kernel."""
    if scope.subject.retraces:
        return ()
    plain = Case(dtype=scope.dtype, rows=4097, classes=3, upstream="random")
    return (replace(plain, reduction="mean"), replace(plain, reduction="sum"))


def _light_row(scope: Scope) -> tuple[Case, ...]:
    """A mean whose only weight is 1/4: a denominator clamped at 1 shows."""
    return (Case(dtype=scope.dtype, rows=1, classes=3, weighted=True, reduction="mean", seed=30),)


def _reduced(scope: Scope) -> SearchStrategy[Case]:
    return cases(scope, reductions=("mean", "sum"), options=False, regimes=FINITE_REGIMES)


def _weighted(scope: Scope) -> SearchStrategy[Case]:
    return cases(scope, reductions=("none", "mean", "sum"), regimes=FINITE_REGIMES, weighted=True, min_classes=2)


def _smoothed(scope: Scope) -> SearchStrategy[Case]:
    kind = "index" if "index" in scope.subject.labels else "one-hot"
    strategy = cases(
        scope, labels=(kind,), reductions=("none", "mean", "sum"), regimes=FINITE_REGIMES, options=True, min_classes=2
    )
    return strategy.filter(lambda case: case.label_smoothing > 0)


def _reduces(subject: Subject) -> str | None:
    if "mean" not in subject.reductions:
        return "has no argument for reduction"
    return takes("index", inputs="logits")(subject)


def _smooths(subject: Subject) -> str | None:
    kind = "index" if "index" in subject.labels else "dense"
    return takes(kind, option="label_smoothing", inputs="logits")(subject)


CLAUSES = (
    Clause(
        "VAL-1",
        "loss and gradient match the float64 reference for class-index labels",
        (_FORMULA, _TORCH),
        takes("index", inputs="logits"),
        _plain,
        matches_reference,
        _landmarks,
    ),
    Clause(
        "VAL-2",
        "sum and mean reductions match the reference, with the mean's declared denominator",
        (_TORCH,),
        _reduces,
        _reduced,
        matches_reference,
        _many_rows,
        options=True,
    ),
    Clause(
        "VAL-3",
        "class weights multiply each row's loss and enter the mean's declared denominator",
        (_TORCH,),
        takes("index", option="weight"),
        _weighted,
        matches_reference,
        _light_row,
        options=True,
    ),
    Clause(
        "VAL-4",
        "label smoothing mixes each label with the uniform distribution over all C classes",
        ("https://arxiv.org/abs/1512.00567", _TORCH),
        _smooths,
        _smoothed,
        matches_reference,
        options=True,
    ),
)
