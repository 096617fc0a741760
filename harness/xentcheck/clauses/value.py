"""VAL: loss and gradient against the float64 reference."""

from __future__ import annotations

from dataclasses import replace

from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
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
    """Rows that every run looks at: one class, the largest quick class count, a label far ahead and far behind."""
    if scope.subject.retraces:
        return ()
    plain = Case(dtype=scope.dtype, rows=5, classes=17, upstream="random")
    sizes = (replace(plain, classes=1), replace(plain, rows=2, classes=4097, regime="normal", focus="last"))
    regimes = ("confident", "wrong", "offset", "masked")
    return sizes + tuple(replace(plain, regime=regime, seed=seed) for seed, regime in enumerate(regimes))


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
        options=True,
    ),
    Clause(
        "VAL-3",
        "class weights multiply each row's loss and enter the mean's declared denominator",
        (_TORCH,),
        takes("index", option="weight"),
        _weighted,
        matches_reference,
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
