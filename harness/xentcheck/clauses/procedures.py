"""AD: the same derivative asked for in another way is the same derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.build import VECTORS
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, softmax_of_logits
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Deviation, Measurement, conform, describe, returned, well_formed
from xentcheck_adapters import Array, Call, Refused, Returned, Subject

_TORCH = "https://docs.pytorch.org/docs/stable/"
_TF = "https://www.tensorflow.org/"
_JAX = "https://docs.jax.dev/en/latest/"

_REPEATED = ("twice", "accumulated", "interleaved", "strided upstream", "expanded upstream")
_HAZARDS = ("overwritten logits", "overwritten labels", "overwritten loss", "behind relu", "freed")
_TANGENTS = ("jvp", "two backward passes")
_UNRECORDED = ("no-grad", "inference mode", "constant logits")
_PRODUCTS = ("forward-over-reverse", "reverse-over-reverse", "hessian")

_ROTATION = ("normal", "confident", "offset")
# A procedure costs as much as several calls, and a framework that traces it a graph.
_EXAMPLES_PER_CASE = 16


def finite_regimes(subject: Subject) -> tuple[str, ...]:
    """The regimes of finite numbers that a subject's inputs can be."""
    if subject.inputs == "logits":
        return FINITE_REGIMES
    return ("unit-interval",) if "multi-hot" in subject.labels else ("probabilities",)


def finite_cases(scope: Scope, labels: Sequence[str], **fields: Any) -> SearchStrategy[Case]:
    """Cases of finite inputs, in few shapes."""
    regimes = finite_regimes(scope.subject)
    strategy = cases(
        scope,
        labels=labels,
        regimes=regimes,
        reductions=("none", "mean"),
        layouts=("contiguous",),
        few_shapes=True,
        **fields,
    )
    # rows of probabilities are drawn in so many quanta
    return strategy.filter(lambda case: case.classes <= 256) if "probabilities" in regimes else strategy


def gradient_of(answer: Returned) -> Array:
    """The gradient to the logits of an answer that cannot be without one."""
    assert answer.grad_logits is not None
    return answer.grad_logits


def _offers(*procedures: str) -> Callable[[Subject], str | None]:
    def lacks(subject: Subject) -> str | None:
        return None if subject.procedures.intersection(procedures) else f"is not asked: {', '.join(procedures)}"

    return lacks


def _softmax_offers(*procedures: str) -> Callable[[Subject], str | None]:
    return lambda subject: softmax_of_logits(subject) or _offers(*procedures)(subject)


def _offers_mixed(subject: Subject) -> str | None:
    return _softmax_offers("mixed")(subject) or (None if "dense" in subject.labels else "takes no dense labels")


def _fixed(*procedures: str, vectors: tuple[str, ...] = ("none",)) -> Callable[[Scope], tuple[Case, ...]]:
    """Every procedure and kind of labels at logits where the terms of a derivative differ most in size; as many cases
    of each as the level affords."""

    def always(scope: Scope) -> tuple[Case, ...]:
        subject, plain = scope.subject, Case(dtype=scope.dtype, rows=4, classes=7, upstream="negative")
        regimes = _ROTATION if subject.inputs == "logits" else finite_regimes(subject)
        return tuple(
            replace(
                plain,
                procedure=procedure,
                labels=kind,
                regime=regimes[seed % len(regimes)],
                vector=vectors[seed % len(vectors)],
                seed=seed,
            )
            for procedure in procedures
            if procedure in subject.procedures
            for kind in scope.kinds
            if kind != "index" or procedure != "mixed"
            for seed in range(max(1, scope.level.examples(subject) // _EXAMPLES_PER_CASE))
        )

    return always


def _drawn(*procedures: str, vectors: tuple[str, ...] = ("none",)) -> Callable[[Scope], SearchStrategy[Case]]:
    def draw(scope: Scope) -> SearchStrategy[Case]:
        subject = scope.subject
        kinds = [kind for kind in scope.kinds if kind != "index" or procedures != ("mixed",)]
        plain = finite_cases(scope, kinds, options=True)
        offered = [procedure for procedure in procedures if procedure in subject.procedures]
        asked = st.builds(_asked, plain, st.sampled_from(offered), st.sampled_from(vectors))
        # a common shift, times exp(x - max) and added up over more classes, is past float16's largest number
        return asked.filter(lambda case: (case.dtype, case.vector) != ("float16", "shift") or case.classes <= 4097)

    return draw


def _asked(case: Case, procedure: str, vector: str) -> Case:
    return replace(case, procedure=procedure, vector=vector)


def _plain(call: Call) -> Call:
    return replace(call, procedure="reverse", vector=None)


def _same_gradient(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    if case.procedure == "expanded upstream":
        call = replace(call, upstream=np.full_like(call.cotangent(), call.cotangent().flat[0]))
    passes = call.logits.dtype.type(2 if case.procedure == "accumulated" else 1)
    expected = gradient_of(bench.answer(_plain(call))) * passes
    return _bitwise("grad_logits", gradient_of(bench.answer(call)), expected, case.procedure)


def _same_loss(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    if not bench.subject.described:  # it may have a faster formula where nothing is recorded
        expectation = bench.expect(call)
        return conform(bench.answer(call), replace(expectation, parts={"loss": expectation.parts["loss"]}), case.token)
    return _bitwise("loss", bench.answer(call).loss, bench.answer(_plain(call)).loss, case.procedure)


def _same_gradient_or_refused(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    if case.procedure == "behind relu":
        call = replace(call, logits=np.abs(call.logits) + call.logits.dtype.type(1))
    outcome, expected = bench.run(call), bench.answer(_plain(call))
    if isinstance(outcome, Refused):
        return Measurement(remark=f"refused: {describe(outcome)}")
    answer = well_formed(returned(outcome), call, bench.target.dtype)
    return _bitwise("grad_logits", gradient_of(answer), gradient_of(expected), case.procedure)


def _bitwise(what: str, got: Array, expected: Array, procedure: str) -> Measurement:
    """But for the signs of zeros: a traced function of TensorFlow has another backward pass for a persistent tape."""
    zero = got.dtype.type(0)
    mine, theirs = (got + zero).tobytes(), (expected.astype(got.dtype) + zero).tobytes()  # -0 + 0 is 0
    different = np.frombuffer(mine, np.uint8) != np.frombuffer(theirs, np.uint8)
    if different.any():
        place = int(np.argmax(different)) // got.dtype.itemsize
        raise Deviation(
            what,
            expected=f"bitwise what one backward pass gives: {float(expected.flat[place])!r} at element {place}",
            got=f"{float(got.flat[place])!r} ({procedure})",
        )
    return Measurement(values=got.size, bitwise_equal=got.size, bitwise_of=got.size)


def _judged_by(*parts: str) -> Callable[[Case, Bench], Measurement]:
    """Judges these parts of the answer alone, by the oracle: the others have clauses of their own."""

    def right_or_refused(case: Case, bench: Bench) -> Measurement:
        call = bench.call(case)
        outcome = bench.run(call)
        if isinstance(outcome, Refused):
            return Measurement(remark=f"refused: {describe(outcome)}")
        expectation = bench.expect(call)
        if expectation.parts["loss"].may_be_infinite.any():
            return Measurement()  # its derivatives are no numbers either, where a sum on the way overflows
        asked = {part: expectation.parts[part] for part in parts}
        return conform(returned(outcome), replace(expectation, parts=asked), case.token)

    return right_or_refused


CLAUSES = (
    Clause(
        "AD-3",
        "a second backward pass, accumulated gradients, another forward pass in between and strided or expanded "
        "upstream gradients give bitwise the gradient of one pass",
        (
            f"{_TORCH}generated/torch.autograd.backward.html",
            f"{_TF}guide/autodiff#persistent_tapes",
            f"{_JAX}_autosummary/jax.vjp.html",
        ),
        _offers(*_REPEATED),
        _drawn(*_REPEATED),
        _same_gradient,
        _fixed(*_REPEATED),
        options=True,
        programs=True,
    ),
    Clause(
        "AD-4",
        "inputs or the loss overwritten and buffers freed before the backward pass change no gradient, and neither "
        "does what the loss leaves in the memory of its inputs; or it is refused",
        (f"{_TORCH}notes/autograd.html#in-place-correctness-checks", f"{_TF}api_docs/python/tf/GradientTape"),
        _offers(*_HAZARDS),
        _drawn(*_HAZARDS),
        _same_gradient_or_refused,
        _fixed(*_HAZARDS),
        options=True,
        programs=True,
    ),
    Clause(
        "AD-5",
        "the loss is the same whether or not it is recorded for a backward pass: bitwise, and within its bounds of a "
        "function that nobody described",
        (
            f"{_TORCH}generated/torch.no_grad.html",
            f"{_TORCH}generated/torch.autograd.grad_mode.inference_mode.html",
            f"{_JAX}_autosummary/jax.custom_vjp.html",
        ),
        _offers(*_UNRECORDED),
        _drawn(*_UNRECORDED),
        _same_loss,
        _fixed(*_UNRECORDED),
        options=True,
        programs=True,
    ),
    Clause(
        "AD-6",
        "the tangent, of forward mode or of two backward passes, is the gradient times the vector, or is refused",
        (
            f"{_TORCH}generated/torch.func.jvp.html",
            f"{_TF}api_docs/python/tf/autodiff/ForwardAccumulator",
            f"{_JAX}_autosummary/jax.jvp.html",
        ),
        _softmax_offers(*_TANGENTS),
        _drawn(*_TANGENTS, vectors=VECTORS),
        _judged_by("tangent"),
        _fixed(*_TANGENTS, vectors=VECTORS),
        options=True,
        programs=True,
    ),
    Clause(
        "AD-7",
        "a Hessian-vector product by another composition of modes, or from the whole Hessian, is right or refused",
        (
            f"{_TORCH}generated/torch.func.hessian.html",
            f"{_TF}guide/advanced_autodiff#hessian",
            f"{_JAX}_autosummary/jax.hessian.html",
        ),
        _softmax_offers(*_PRODUCTS),
        None,
        _judged_by("hvp"),
        _fixed(*_PRODUCTS, vectors=VECTORS),
        options=True,
        programs=True,
    ),
    Clause(
        "AD-8",
        "loss and gradient of one row, mapped over the rows, are the rows' losses and gradients, or are refused",
        (
            f"{_TORCH}func.whirlwind_tour.html#vmap",
            f"{_TF}api_docs/python/tf/vectorized_map",
            f"{_JAX}notebooks/autodiff_cookbook.html",
        ),
        _softmax_offers("per-sample"),
        None,
        _judged_by("loss", "grad_logits"),
        _fixed("per-sample"),
        options=True,
        programs=True,
    ),
    Clause(
        "AD-9",
        "the derivative to the labels of the gradient times a vector is minus the vector, centred by the softmax, or "
        "is refused",
        ("d/dy of (softmax(x) sum(y) - y).v = softmax(x).v - v",),
        _offers_mixed,
        _drawn("mixed", vectors=VECTORS),
        _judged_by("mixed"),
        _fixed("mixed", vectors=VECTORS),
        options=True,
        programs=True,
    ),
)
