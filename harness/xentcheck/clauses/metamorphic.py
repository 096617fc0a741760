"""MET: laws between a subject's own answers. No value of the reference enters, only the error that each answer may
have: a mistake that the reference shares with its subject would show here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import ml_dtypes
import numpy as np
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.build import build_call
from xentcheck.cases import Case, Edit
from xentcheck.clauses.clause import Clause, has_gradient, softmax_of_logits, takes
from xentcheck.estimate import Estimates, agree, ask, at_least, joined, known
from xentcheck.randomness import Array, Bits
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Deviation, Measurement
from xentcheck_adapters import Call

_PERMUTATION_STREAM = 1 << 65  # past every seed and the stream of vectors
# VAL goes through the sizes; a relation shows in small ones, and costs two calls a case.
_CELLS = 1 << 12


def _fixed(*regimes: str) -> Callable[[Scope], tuple[Case, ...]]:
    """One case of each regime for every kind of labels, in the shape that a compiling subject knows already; of the
    first regime only where a quick look is taken at a described subject."""

    def always(scope: Scope) -> tuple[Case, ...]:
        plain = Case(dtype=scope.dtype, rows=4, classes=7, upstream="random")
        kinds = scope.kinds
        return tuple(
            replace(plain, regime=regime, labels=kind, seed=seed)
            for seed, regime in enumerate(regimes[:1] if scope.brief else regimes)
            for kind in (kinds[:1] if scope.brief and scope.subject.retraces else kinds)
        )

    return always


def _drawn(
    *, reductions: Sequence[str] = ("none",), min_rows: int = 1, min_classes: int = 1, options: bool = False
) -> Callable[[Scope], SearchStrategy[Case] | None]:
    def draw(scope: Scope) -> SearchStrategy[Case] | None:
        if scope.brief:
            return None
        return cases(
            replace(scope, level=replace(scope.level, cells=_CELLS)),
            labels=scope.kinds,
            regimes=FINITE_REGIMES,
            reductions=reductions,
            min_rows=min_rows,
            min_classes=min_classes,
            options=options,
            few_shapes=True,
        )

    return draw


def _labels_over(call: Call, classes: Array) -> Array:
    """The labels over other classes: column j of the new logits is column classes[j] of the old ones, each once."""
    if call.has_dense_labels:
        return call.labels[:, classes]
    return np.argsort(classes)[call.labels].astype(call.labels.dtype)


def _shifts(case: Case, bench: Bench) -> Measurement:
    """log-sum-exp(x + c) - (x_y + c): a power of two added to logits of which every digit survives the addition."""
    call = bench.call(case)
    wide = call.logits.astype(np.float64)
    # Far enough above the logits to cost the offset forms digits, near enough to leave some of the logits'.
    digits = int(ml_dtypes.finfo(call.logits.dtype).nmant)
    top = int(np.frexp(max(1.0, float(np.abs(wide).max())))[1])
    shift = float(np.ldexp(1.0, min(top + digits // 2, int(ml_dtypes.finfo(call.logits.dtype).maxexp) - 2)))
    shifted = (wide + shift).astype(call.logits.dtype)
    exact = (shifted.astype(np.float64) - shift).astype(call.logits.dtype)
    return agree(ask(bench, replace(call, logits=exact)), ask(bench, replace(call, logits=shifted)), bench, case.token)


def _permutes(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    order = np.argsort(Bits(_PERMUTATION_STREAM + case.seed).uniform((case.classes,)), kind="stable")
    weight = None if call.weight is None else call.weight[order]
    other = ask(bench, replace(call, logits=call.logits[:, order], labels=_labels_over(call, order), weight=weight))
    back = other.changed(lambda gradient: gradient[:, np.argsort(order)])
    return agree(ask(bench, call), back, bench, case.token)


def _duplicates(case: Case, bench: Bench) -> Measurement:
    """Each class twice, labels on the first: the sum doubles, so a loss gains log 2 and each softmax halves."""
    call = bench.call(case)
    none = np.zeros_like(call.labels)
    labels = np.concatenate([call.labels, none], axis=1) if call.has_dense_labels else call.labels
    one, two = ask(bench, call), ask(bench, replace(call, logits=np.tile(call.logits, 2), labels=labels))
    mass = call.labels.astype(np.float64).sum(axis=1) if call.has_dense_labels else np.ones(case.rows)
    both = two.changed(lambda gradient: gradient[:, : case.classes] + gradient[:, case.classes :])
    grown = one.changed(lambda gradient: gradient, lambda loss: loss + known(np.log(2.0) * mass))
    return agree(grown, both, bench, case.token)


def _splits(case: Case, bench: Bench) -> Measurement:
    """N rows are N1 rows and N2 rows: their losses follow one another, or add up, or average with their shares."""
    call, half = bench.call(case), case.rows // 2
    sizes = {"none": (1.0, 1.0, 1.0), "sum": (1.0, 1.0, 1.0), "mean": (float(case.rows), half, case.rows - half)}
    whole, *parts = (
        ask(bench, part) * factor
        for part, factor in zip(
            (call, _rows(call, slice(half)), _rows(call, slice(half, None))), sizes[case.reduction], strict=True
        )
    )
    loss = joined([p.loss for p in parts]) if case.reduction == "none" else parts[0].loss + parts[1].loss
    gradients = [part.grad_logits for part in parts if part.grad_logits]
    return agree(whole, Estimates(loss, joined(gradients) if gradients else None), bench, case.token)


def _rows(call: Call, which: slice | Array) -> Call:
    """Some rows of a call."""
    upstream = call.upstream if call.upstream is None or call.reduction != "none" else call.upstream[which]
    return replace(call, logits=call.logits[which], labels=call.labels[which], upstream=upstream)


def _deletes(case: Case, bench: Bench) -> Measurement:
    """Class 0 is at -inf in every row, or is not there."""
    call = bench.call(case)
    labels = np.maximum(call.labels, 1)
    masked = ask(bench, replace(call, labels=labels))
    without = ask(bench, replace(call, logits=call.logits[:, 1:], labels=labels - 1))
    kept = masked.changed(lambda gradient: gradient[:, 1:])
    if masked.grad_logits and (gone := masked.grad_logits.value[:, 0]).any():
        raise Deviation("grad_logits", expected="exactly 0 at a class masked with -inf", got=f"{gone[gone != 0][0]!r}")
    return agree(kept, without, bench, case.token)


def _mask(scope: Scope) -> tuple[Case, ...]:
    plain = Case(dtype=scope.dtype, rows=4, classes=7, upstream="random")
    regimes = ("normal",) if scope.brief else ("normal", "wrong")
    return tuple(_masked(replace(plain, regime=regime, seed=seed)) for seed, regime in enumerate(regimes))


def _masked(case: Case) -> Case:
    return replace(case, edits=tuple(Edit(row, 0, "-inf") for row in range(case.rows)))


def _drawn_masks(scope: Scope) -> SearchStrategy[Case] | None:
    drawn = _drawn(min_classes=2)(replace(scope, subject=replace(scope.subject, labels=("index",))))
    return None if drawn is None else drawn.map(_masked)


def _balances(case: Case, bench: Bench) -> Measurement:
    """sum_j (S softmax_j - q_j) = 0; a z-loss adds 2 zeta lse, where lse is the loss without it plus x_y."""
    call = bench.call(case)
    rows, zero = ask(bench, call).gradient.total(axis=1), known(np.zeros(case.rows))
    seen = at_least("row sum", rows, zero) + at_least("row sum", zero, rows)
    if bench.subject.offers("z_loss") and not call.has_dense_labels:
        plain = replace(call, weight=None, label_smoothing=0.0, upstream=None)
        at_label = plain.logits.astype(np.float64)[np.arange(case.rows), plain.labels]
        slope = (ask(bench, plain).loss + known(at_label)) * (2 * _ZETA)
        rows = ask(bench, replace(plain, z_loss=_ZETA)).gradient.total(axis=1)
        seen += at_least("row sum", rows, slope) + at_least("row sum", slope, rows)
    return seen


_ZETA = 0.125


def _is_convex(case: Case, bench: Bench) -> Measurement:
    """The loss lies above its tangent: f(b) - f(a) >= <f'(a), b - a>, and the same from b."""
    a = replace(bench.call(case), upstream=None)
    b = replace(a, logits=build_call(replace(case, seed=case.seed ^ 1)).logits)
    return _above_tangents(a, b, bench)


def _grows_with_scale(case: Case, bench: Bench) -> Measurement:
    """Along t x the same holds between t = 1 and t = 2, where doubling is exact."""
    a = replace(bench.call(case), upstream=None)
    return _above_tangents(a, replace(a, logits=a.logits + a.logits), bench)


def _above_tangents(a: Call, b: Call, bench: Bench) -> Measurement:
    step = b.logits.astype(np.float64) - a.logits.astype(np.float64)
    at_a, at_b = ask(bench, a), ask(bench, b)
    rise = at_b.loss - at_a.loss
    low, high = ((at.gradient * step).total(axis=1) for at in (at_a, at_b))
    return at_least("convexity", rise, low) + at_least("convexity", high, rise)


CLAUSES = (
    Clause(
        "MET-1",
        "adding a constant to all logits of a row changes neither loss nor gradient",
        ("log-sum-exp(x + c) = log-sum-exp(x) + c",),
        softmax_of_logits,
        _drawn(),
        _shifts,
        _fixed("normal", "integers"),
    ),
    Clause(
        "MET-2",
        "permuting the classes, with their labels, permutes the gradient and nothing else",
        ("The sum over the classes has no order.",),
        softmax_of_logits,
        _drawn(min_classes=2),
        _permutes,
        _fixed("normal", "wrong"),
    ),
    Clause(
        "MET-3",
        "when every class is there twice the loss grows by log 2 and the copies share the gradient",
        ("log(2 sum exp(x)) = log 2 + log-sum-exp(x)",),
        softmax_of_logits,
        _drawn(),
        _duplicates,
        _fixed("normal", "constant-tail"),
        programs=True,
    ),
    Clause(
        "MET-4",
        "a batch is its parts: losses follow one another, sums add up, means average with their shares of the rows",
        ("Rows are independent.",),
        softmax_of_logits,
        _drawn(reductions=("none", "mean", "sum"), min_rows=2),
        _splits,
        lambda scope: tuple(
            replace(case, reduction=reduction)
            for case in _fixed("normal")(scope)
            for reduction in ("none", "sum", "mean")
            if reduction in scope.subject.reductions
        ),
        options=True,
        programs=True,
    ),
    Clause(
        "MET-5",
        "a class masked with -inf in every row is as good as deleted, and its own gradient is exactly 0",
        ("exp(-inf) = 0",),
        takes("index", inputs="logits"),
        _drawn_masks,
        _deletes,
        _mask,
        programs=True,
    ),
    Clause(
        "MET-6",
        "the gradient of a row sums to 0, and with a z-loss to 2 zeta times its log-sum-exp",
        ("The softmax sums to 1, and a common shift of the logits changes no loss but the z-loss.",),
        has_gradient(softmax_of_logits),
        _drawn(options=True),
        _balances,
        _fixed("normal", "confident"),
    ),
    Clause(
        "MET-7",
        "the loss is convex in the logits: it lies above its tangents, so loss and gradient belong together",
        ("Boyd and Vandenberghe, Convex Optimization, sections 3.1.3 and 3.1.5",),
        has_gradient(softmax_of_logits),
        _drawn(),
        _is_convex,
        _fixed("normal", "spike"),
    ),
    Clause(
        "MET-8",
        "doubling all logits changes the loss by no less than the slope before and no more than the slope after",
        ("f(2x) - f(x) lies between <f'(x), x> and <f'(2x), x> for convex f.",),
        has_gradient(softmax_of_logits),
        _drawn(),
        _grows_with_scale,
        _fixed("normal", "confident"),
    ),
)
