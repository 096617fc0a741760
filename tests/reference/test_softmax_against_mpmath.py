"""The oracle is right to its last digits, whatever the options: judged by the definition in 370 digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xentcheck_reference import Problem, Tier, cross_entropy, hessian_vector_product, oracle_error

if TYPE_CHECKING:
    from types import SimpleNamespace

U = 2.0**-53
# A-priori relative error in units of U while C < 128: twice the worst pairwise sum (19), exp, log1p and a handful of
# operations (16); plus max|x - m| where the argument of exp is itself rounded.
ORACLE = 2 * 19 + 16
# Below the smallest normal number accuracy is absolute: a few subnormal spacings, times weights of up to 10.
TINY = 2.0**-1068

logit = st.one_of(
    st.floats(-30, 30),
    st.floats(-350, 350),
    st.sampled_from([0.0, 1.0, 1.0 + 2.0**-52, -5.0, 46.0, 600.0]),
    st.floats(-1e-300, 1e-300),
)


@st.composite
def problems(draw: st.DrawFn, plain: bool | None = None) -> Problem:
    """Any problem; a plain one has neither z-loss nor softcap."""
    rows, classes = draw(st.integers(1, 3)), draw(st.integers(1, 4))

    def floats(element: Any, *shape: int) -> np.ndarray:
        count = int(np.prod(shape))
        return np.array(draw(st.lists(element, min_size=count, max_size=count)), np.float64).reshape(shape)

    reduction = draw(st.sampled_from(["none", "sum", "mean"]))
    plain = draw(st.booleans()) if plain is None else plain
    upstream_shape = [rows] if reduction == "none" else []
    options: dict[str, Any] = {
        "reduction": reduction,
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        "z_loss": 0.0 if plain else draw(st.sampled_from([0.0, 1e-4, 0.5])),
        "softcap": None if plain else draw(st.sampled_from([None, 30.0, 1.5])),
        "weight": draw(st.none() | st.builds(lambda: floats(st.floats(0.01, 10), classes))),
        "sample_weight": draw(st.none() | st.builds(lambda: floats(st.floats(0.01, 10), rows))),
        "upstream": draw(st.none() | st.builds(lambda: floats(st.floats(-3, 3), *upstream_shape))),
    }
    if draw(st.booleans()):
        labels = floats(st.sampled_from([0.0, 1.0, 0.25, 2.0, -0.5]), rows, classes)
        options["mean_divides_by"] = draw(st.sampled_from(["rows", "kept", "sample_weights"]))
    else:
        labels = floats(st.integers(0, classes - 1), rows).astype(np.int64)
        options["mean_divides_by"] = draw(st.sampled_from(["rows", "kept", "weights", "sample_weights"]))
        ignore = draw(st.sampled_from([None, 0, -100]))
        if ignore == -100:
            labels[0] = ignore
        if ignore is not None and (labels != ignore).any():
            options["ignore_index"] = ignore
        elif ignore == -100:
            labels[0] = 0
    return Problem(logits=floats(logit, rows, classes), labels=labels, **options)


def magnitudes(problem: Problem, reference: Any) -> tuple[np.ndarray, np.ndarray]:
    """Row loss and gradient with every term taken positive: what relative error is relative to where labels cancel."""
    positive = Problem(
        logits=problem.logits,
        labels=np.abs(problem.labels) if problem.soft else problem.labels,
        weight=problem.weight,
        ignore_index=problem.ignore_index,
        label_smoothing=problem.label_smoothing,
    )
    rows = cross_entropy(positive)
    q = np.zeros(problem.logits.shape)
    rows.rows.target.add_to(q, slice(None), np.ones(len(q)))
    mass = q.sum(axis=1, keepdims=True)
    return rows.loss, np.abs(reference.rows.scale)[:, None] * (mass * rows.rows.softmax + q)


@settings(max_examples=80, deadline=None)
@given(problem=problems(), tier=st.sampled_from(["float64", "double-word"]))
def test_loss_and_gradients_are_those_of_the_definition(exact: SimpleNamespace, problem: Problem, tier: Tier) -> None:
    got, true = cross_entropy(problem, tier=tier), exact.cross_entropy(problem)
    allowed = oracle_error(problem, got)
    assert (exact.error(got.loss, true.loss, got.loss_low) <= allowed.loss).all()
    assert (exact.error(got.grad_logits, true.grad_logits, got.grad_logits_low) <= allowed.grad_logits).all()
    if problem.soft:
        assert (exact.error(got.grad_labels, true.grad_labels, got.grad_labels_low) <= allowed.grad_labels).all()


@settings(max_examples=30, deadline=None)
@given(problem=problems(), tier=st.sampled_from(["float64", "double-word"]), data=st.data())
def test_a_hessian_vector_product_is_the_derivative_of_the_gradient(
    exact: SimpleNamespace, problem: Problem, tier: Tier, data: st.DataObject
) -> None:
    entries = data.draw(st.lists(st.floats(-4, 4), min_size=problem.logits.size, max_size=problem.logits.size))
    direction = np.array(entries).reshape(problem.logits.shape)
    got, true = hessian_vector_product(problem, direction, tier=tier), exact.hessian_vector_product(problem, direction)
    assert (exact.error(got.value, true, got.low) <= got.error).all()


@pytest.mark.parametrize("gap", [46.0, 600.0, 36.75, 1e-9])
@pytest.mark.parametrize("offset", [0.0, 1024.0, 2.0**50])
def test_a_confident_row_keeps_relative_accuracy(exact: SimpleNamespace, gap: float, offset: float) -> None:
    problem = Problem(logits=np.array([[offset + gap, offset, offset - 1.0]]), labels=np.array([0]))
    got, true = cross_entropy(problem, tier="double-word"), exact.cross_entropy(problem)
    assert (exact.error(got.loss, true.loss) <= ORACLE * U * got.loss).all()
    assert (exact.error(got.grad_logits, true.grad_logits) <= ORACLE * U * np.abs(got.grad_logits)).all()


def test_logits_an_offset_of_1e15_apart_keep_their_exact_differences(exact: SimpleNamespace) -> None:
    problem = Problem(logits=np.array([[1e15, 1e15 + 0.125, 1e-3, -0.5]]), labels=np.array([1]))
    got, true = cross_entropy(problem, tier="double-word"), exact.cross_entropy(problem)
    assert (exact.error(got.loss, true.loss) <= ORACLE * U * got.loss).all()


def test_the_double_word_tier_recovers_the_low_half_of_a_difference(exact: SimpleNamespace) -> None:
    # 0.1 - 600.3 has no float64: the rounded difference makes exp err by up to u * 600.
    rng = np.random.default_rng(1)
    problem = Problem(logits=np.array([[600.3, 0.1]]) + rng.normal(size=(8, 1)), labels=np.zeros(8, np.int64))
    true = exact.cross_entropy(problem).loss
    fast, paired = cross_entropy(problem), cross_entropy(problem, tier="double-word")
    assert exact.error(fast.loss, true).max() > 16 * U * float(true.max())
    assert exact.error(paired.loss, true, paired.loss_low).max() < 2.0**-20 * U * float(true.max())


def test_ties_share_the_probability_equally() -> None:
    got = cross_entropy(Problem(logits=np.full((1, 4), 7.0), labels=np.array([2])))
    assert got.loss[0] == np.log1p(3.0)
    assert got.grad_logits.tolist() == [[0.25, 0.25, -0.75, 0.25]]


@settings(max_examples=60, deadline=None)
@given(problem=problems(plain=True))
def test_gradient_rows_sum_to_zero(problem: Problem) -> None:
    got = cross_entropy(problem)
    _, gradient = magnitudes(problem, got)
    units = (ORACLE + np.ptp(problem.logits)) * U
    assert (np.abs(got.grad_logits.sum(axis=1)) <= units * gradient.sum(axis=1) + TINY).all()


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("classes", [1, 10, 70_000])
def test_a_row_does_not_depend_on_its_batch(classes: int, soft: bool) -> None:
    # 70,000 classes make every row a block of its own; 10 classes put thousands of rows in one.
    rng = np.random.default_rng(0)
    rows = 3 if classes > 10 else 7_000
    logits = rng.normal(size=(rows, classes))
    labels = rng.random((rows, classes)) if soft else rng.integers(0, classes, rows)
    together = cross_entropy(Problem(logits=logits, labels=labels))
    for i in (0, rows // 2, rows - 1):
        alone = cross_entropy(Problem(logits=logits[i : i + 1], labels=labels[i : i + 1]))
        assert np.abs(alone.loss - together.loss[i]) <= 2 * ORACLE * U * alone.loss
        assert (np.abs(alone.grad_logits - together.grad_logits[i]) <= 2 * ORACLE * U * 2).all()
