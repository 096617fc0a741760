"""AD: second derivatives. A subject need not have them; what it returns as one must be right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.build import VECTORS
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, softmax_of_logits
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.soft_labels import DISTRIBUTIONS, NOT_DISTRIBUTIONS
from xentcheck.strategies import Scope, cases, with_ignored_rows
from xentcheck.verdict import Measurement, conform, describe, returned
from xentcheck_adapters import Refused, Subject

_HESSIAN = "d/dx of softmax(x) sum(q) - q along v = sum(q) softmax(x) (v - softmax(x).v)"
_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html"
_TF = "https://www.tensorflow.org/guide/advanced_autodiff#higher-order_gradients"


def _differentiates_twice(subject: Subject) -> str | None:
    lacking = softmax_of_logits(subject)
    return lacking or (None if subject.offers("hvp") else "has no gradient that could be differentiated")


def _takes_rows(subject: Subject) -> str | None:
    return _differentiates_twice(subject) or (None if "dense" in subject.labels else "takes no dense labels")


def _distributions(subject: Subject) -> tuple[str, ...]:
    kinds = {"index": ("index",), "dense": DISTRIBUTIONS}
    return tuple(kind for labels in subject.labels for kind in kinds[labels])


def _along_vectors(scope: Scope) -> SearchStrategy[Case]:
    plain = cases(
        scope,
        labels=_distributions(scope.subject),
        regimes=FINITE_REGIMES,
        reductions=("none", "mean"),
        options=True,
        few_shapes=True,
    )
    ignored = ("none", "some") if scope.subject.offers("ignore_index") and not scope.lean else ("none",)
    return st.builds(_with_vector, plain, st.sampled_from(VECTORS), st.sampled_from(ignored))


def _along_vectors_of_rows(scope: Scope) -> SearchStrategy[Case]:
    plain = cases(scope, labels=NOT_DISTRIBUTIONS, regimes=FINITE_REGIMES, min_classes=2, few_shapes=True)
    # upstream gradient, vector and the sum of more classes' labels are past float16's largest number when multiplied
    in_range = plain.filter(lambda case: case.labels != "multi-hot" or case.classes <= 4097)
    return st.builds(_with_vector, in_range, st.sampled_from(VECTORS))


def _with_vector(case: Case, vector: str, ignored: str = "none") -> Case:
    return replace(with_ignored_rows(case, ignored), vector=vector)


def _landmarks(kinds: Callable[[Subject], tuple[str, ...]]) -> Callable[[Scope], tuple[Case, ...]]:
    """Each kind of labels and of vectors, at logits where the terms of a product differ most in size."""
    regimes = ("integers", "confident", "offset")

    def always(scope: Scope) -> tuple[Case, ...]:
        plain = Case(dtype=scope.dtype, rows=4, classes=7, upstream="random", seed=1)
        return tuple(
            replace(plain, labels=kind, vector=vector, regime=regime)
            for kind in kinds(scope.subject)
            for vector, regime in zip(VECTORS, regimes, strict=True)
        )

    return always


def _right_or_refused(case: Case, bench: Bench) -> Measurement:
    """Judges the product alone: loss and gradient have clauses of their own."""
    call = bench.call(case)
    outcome = bench.run(call)
    if isinstance(outcome, Refused):
        return Measurement(remark=f"refused: {describe(outcome)}")
    answer, expectation = returned(outcome), bench.expect(call)
    return conform(answer, replace(expectation, parts={"hvp": expectation.parts["hvp"]}), case.token)


CLAUSES = (
    Clause(
        "AD-1",
        "a Hessian-vector product is right or refused",
        (_HESSIAN, _TORCH, _TF),
        _differentiates_twice,
        _along_vectors,
        _right_or_refused,
        _landmarks(_distributions),
        options=True,
        programs=True,
    ),
    Clause(
        "AD-2",
        "a Hessian-vector product is right or refused for label rows of any sum",
        (_HESSIAN, "https://github.com/tensorflow/tensorflow/issues/7403"),
        _takes_rows,
        _along_vectors_of_rows,
        _right_or_refused,
        _landmarks(lambda _: NOT_DISTRIBUTIONS[:3]),
        options=True,
        programs=True,
    ),
)
