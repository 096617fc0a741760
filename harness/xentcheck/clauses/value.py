"""VAL: loss and gradient against the float64 reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case, Edit
from xentcheck.clauses.clause import Clause, softmax_of_logits, takes
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.strategies import Scope, cases, with_ignored_rows
from xentcheck.verdict import Measurement
from xentcheck_adapters import WEIGHTED_MEAN, Subject

_FORMULA = "loss = log-sum-exp(x) - x[y], gradient = softmax(x) - onehot(y)"
_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"
_KERAS = "https://keras.io/api/losses/#standalone-usage-of-losses"
_PALM = "https://arxiv.org/abs/2204.02311"  # section 5: zeta = 1e-4
_GEMMA = "https://arxiv.org/abs/2408.00118"  # section 2: caps 50 and 30
# PaLM's, and one that a 16-bit loss can show
_ZETAS = (1e-4, 0.125)
# Gemma's two, and one that saturates on ordinary logits
_CAPS = (30.0, 50.0, 2.0)


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
        replace(plain, rows=4, classes=4),
        replace(plain, rows=4097, classes=3),
        # past 2**15 and 2**16 classes; float16 sums of more than 65504 equal terms overflow, which is another matter
        replace(plain, rows=1, classes=32769 if scope.dtype == "float16" else 65537, regime="normal"),
        replace(plain, rows=3, classes=4097, regime="wrong", focus="last", seed=7),  # exp(89) overflows in float32
        replace(plain, rows=4, classes=7, focus="first", seed=1, edits=tuple(Edit(row, 0, "-inf") for row in range(4))),
    )
    other_labels = tuple(replace(plain, label_dtype=dtype) for dtype in scope.subject.label_dtypes[1:])
    regimes = ("confident", "wrong", "offset", "masked")
    of_regimes = (replace(plain, regime=regime, seed=seed) for seed, regime in enumerate(regimes))
    return (*sizes, *other_labels, *of_regimes)


def _many_rows(scope: Scope) -> tuple[Case, ...]:
    """More rows than one block of any kernel."""
    if scope.subject.retraces:
        return ()
    plain = Case(dtype=scope.dtype, rows=4097, classes=3, upstream="random")
    many = (replace(plain, reduction="mean"), replace(plain, reduction="sum"))
    return (*_each_reduction(scope)[1:], *many)


def _each_weighted_reduction(scope: Scope) -> tuple[Case, ...]:
    """Every reduction, with labels of weight 0 too; and a mean whose only weight is 1/4, where a denominator clamped at
    1 shows."""
    light = Case(dtype=scope.dtype, rows=1, classes=3, weighted=True, reduction="mean", seed=30)
    some = _each_reduction(scope, weighted=True, weightless=True)
    return (light, *_each_reduction(scope, weighted=True), *some)


def _each_smoothed(scope: Scope) -> tuple[Case, ...]:
    """Much smoothing of few classes, so that each share counts."""
    kind = "index" if "index" in scope.subject.labels else "one-hot"
    return _each_reduction(scope, label_smoothing=0.5, labels=kind)


def _each_reduction(scope: Scope, **fields: Any) -> tuple[Case, ...]:
    """One small case for each reduction; a subject that compiles has its own shapes."""
    if scope.subject.retraces:
        return ()
    plain = Case(dtype=scope.dtype, rows=5, classes=3, regime="normal", upstream="random", seed=1)
    return tuple(replace(plain, reduction=reduction, **fields) for reduction in ("none", "mean", "sum"))


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


def _of_any_labels(scope: Scope) -> SearchStrategy[Case]:
    return cases(
        scope,
        labels=scope.kinds,
        regimes=FINITE_REGIMES,
        reductions=("none", "mean", "sum"),
        options=True,
        few_shapes=True,
    )


def _extremes(option: str, values: Sequence[float]) -> Callable[[Scope], tuple[Case, ...]]:
    """An argument at the ends of its range, which a shortcut may take for its absence."""

    def cases(scope: Scope) -> tuple[Case, ...]:
        kind = scope.kinds[0]
        plain = Case(dtype=scope.dtype, rows=4, classes=7, regime="normal", labels=kind, seed=1, upstream="random")
        changes: list[dict[str, Any]] = [{option: value} for value in values]
        return () if scope.subject.retraces else tuple(replace(plain, **change) for change in changes)

    return cases


def _with_z_loss(scope: Scope) -> SearchStrategy[Case]:
    def case(plain: Case, zeta: float, ignored: str) -> Case:
        return replace(with_ignored_rows(plain, ignored), z_loss=zeta)

    ignored = ("none", "some") if scope.subject.offers("ignore_index") else ("none",)
    return st.builds(case, _of_any_labels(scope), st.sampled_from(_ZETAS), st.sampled_from(ignored))


def _softcapped(scope: Scope) -> SearchStrategy[Case]:
    zetas = (0.0, 0.125) if scope.subject.offers("z_loss") else (0.0,)
    ignored = ("none", "some") if scope.subject.offers("ignore_index") else ("none",)
    return st.builds(
        lambda case, cap, zeta, ignored: replace(with_ignored_rows(case, ignored), softcap=cap, z_loss=zeta),
        _of_any_labels(scope),
        st.sampled_from(_CAPS),
        st.sampled_from(zetas),
        st.sampled_from(ignored),
    )


def _sample_weighted(scope: Scope) -> SearchStrategy[Case]:
    plain = cases(
        scope,
        labels=scope.kinds,
        regimes=FINITE_REGIMES,
        reductions=("none", "mean", "sum", WEIGHTED_MEAN),
        options=True,
        few_shapes=True,
        sample_weighted=True,
    )
    ignored = ("none", "some") if scope.subject.offers("ignore_index") else ("none",)
    return st.builds(with_ignored_rows, plain, st.sampled_from(ignored))


def _each_mean(scope: Scope) -> tuple[Case, ...]:
    """Each kind of labels; each mean over rows of which some have no weight; and over one row of weight 1/4, where a
    denominator clamped at 1 shows."""
    kind, *others = scope.kinds
    case = Case(dtype=scope.dtype, rows=4, classes=7, labels=kind, sample_weighted=True, upstream="random", seed=2)
    means = [replace(case, reduction=name) for name in ("mean", WEIGHTED_MEAN) if name in scope.subject.reductions]
    ignoring = [with_ignored_rows(mean, "some") for mean in means if scope.subject.offers("ignore_index")]
    alone = [replace(mean, rows=1, seed=0) for mean in means if not scope.subject.retraces]
    other_kinds = [replace(case, labels=other) for other in others if not scope.subject.retraces]
    return (case, *other_kinds, *means, *ignoring, *alone)


def _each_regime(**fields: Any) -> Callable[[Scope], tuple[Case, ...]]:
    return lambda scope: tuple(
        replace(Case(dtype=scope.dtype, rows=4, classes=7, seed=1, upstream="random", regime=regime), **fields)
        for regime in ("integers", "offset", "wrong")
    )


def _offers(option: str) -> Callable[[Subject], str | None]:
    def lacks(subject: Subject) -> str | None:
        lacking = softmax_of_logits(subject)
        return lacking or (None if subject.offers(option) else f"has no argument for {option}")

    return lacks


def _reduces(subject: Subject) -> str | None:
    if "mean" not in subject.reductions:
        return "has no argument for reduction"
    return takes("index", inputs="logits")(subject)


def _weighs_rows(subject: Subject) -> str | None:
    if subject.inputs != "logits":
        return "takes probabilities, not logits"
    return None if subject.offers("sample_weight") else "has no argument for sample_weight"


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
        _each_weighted_reduction,
        options=True,
    ),
    Clause(
        "VAL-4",
        "label smoothing mixes each label with the uniform distribution over all C classes",
        ("https://arxiv.org/abs/1512.00567", _TORCH),
        _smooths,
        _smoothed,
        matches_reference,
        lambda scope: (*_each_smoothed(scope), *_extremes("label_smoothing", (2.0**-12, 0.9, 1.0))(scope)),
        options=True,
    ),
    Clause(
        "VAL-5",
        "z-loss adds zeta times the squared log-sum-exp, in the loss and, doubled, in the gradient",
        (_PALM, "d/dx of zeta lse(x)² = 2 zeta lse(x) softmax(x)"),
        _offers("z_loss"),
        _with_z_loss,
        matches_reference,
        _each_regime(z_loss=0.125),
        options=True,
    ),
    Clause(
        "VAL-6",
        "soft-capping replaces the logits by c tanh(x/c), and the gradient has its derivative",
        (_GEMMA, "d/dx of c tanh(x/c) = 1 / cosh(x/c)²"),
        _offers("softcap"),
        _softcapped,
        matches_reference,
        lambda scope: (*_each_regime(softcap=30.0)(scope), *_extremes("softcap", (0.125, 1024.0))(scope)),
        options=True,
    ),
    Clause(
        "VAL-7",
        "sample weights multiply each row's loss and enter the mean's declared denominator",
        (_KERAS, "d/dx of s loss(x) = s d/dx loss(x)"),
        _weighs_rows,
        _sample_weighted,
        matches_reference,
        _each_mean,
        options=True,
    ),
)
