"""Softmax cross-entropy of probabilities is that of their logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xentcheck_reference import (
    Problem,
    Profile,
    cross_entropy,
    cross_entropy_of_probabilities,
    error_bound,
)

RNG = np.random.default_rng(4)
LABELS: dict[str, np.ndarray] = {"index": RNG.integers(0, 6, 40), "soft": RNG.dirichlet(np.ones(6), 40)}
P = RNG.dirichlet(np.full(6, 2.0), 40) * RNG.choice([0.5, 1.0, 2.0], (40, 1))
U = 2.0**-53


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_value_and_chain_rule(labels: str, reduction: Any) -> None:
    options: dict[str, Any] = {"labels": LABELS[labels], "reduction": reduction, "label_smoothing": 0.1}
    direct = cross_entropy_of_probabilities(Problem(logits=P, **options))
    by_logits = cross_entropy(Problem(logits=np.log(P), **options))
    # log p errs by 2 u |log p| and the two evaluations by less than 64 u of the loss each
    units = 4 * (64 + 2 * np.abs(np.log(P)).max()) * U
    np.testing.assert_allclose(direct.loss, by_logits.loss, rtol=units, atol=0)
    np.testing.assert_allclose(direct.grad_logits * P, by_logits.grad_logits, rtol=0, atol=units)


def test_a_row_that_is_certain_keeps_relative_accuracy() -> None:
    p = np.array([[1.0, 2.0**-60, 2.0**-61]])
    got = cross_entropy_of_probabilities(Problem(logits=p, labels=np.array([0])))
    tail = 2.0**-60 + 2.0**-61
    assert abs(got.loss[0] - tail * (1 - tail / 2)) <= 4 * U * tail  # log1p(t) = t - t^2/2 + ...


def _normalise_and_log(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = p.sum(1, keepdims=True)
    return -(y * np.log(p / total)).sum(1), y.sum(1, keepdims=True) / total - y / p


def _log_and_softmax(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = np.log(p)
    d = x - x.max(1, keepdims=True)
    e = np.exp(d)
    s = e / e.sum(1, keepdims=True)
    return -(y * (d - np.log(e.sum(1, keepdims=True)))).sum(1), (y.sum(1, keepdims=True) * s - y) / p


def _does_not_normalise(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return -(y * np.log(p)).sum(1), -y / p


def _adds_an_epsilon(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _normalise_and_log(p + p.dtype.type(1e-3), y)


def _inside(kernel: Any, dtype: Any) -> bool:
    p, y = P.astype(dtype), LABELS["soft"].astype(dtype)
    problem = Problem(logits=p.astype(np.float64), labels=y.astype(np.float64))
    reference = cross_entropy_of_probabilities(problem)
    bound = error_bound(problem, reference, Profile(np.dtype(dtype).name, "uniform", "pairwise"))
    loss, grad = kernel(p, y)
    inside_loss = np.abs(loss - reference.loss) <= bound.loss
    return bool(inside_loss.all() and (np.abs(grad - reference.grad_logits) <= bound.grad_logits).all())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kernel", [_normalise_and_log, _log_and_softmax])
def test_honest_kernels_are_inside_the_bound(kernel: Any, dtype: Any) -> None:
    assert _inside(kernel, dtype)


@pytest.mark.parametrize("fault", [_does_not_normalise, _adds_an_epsilon])
def test_faults_are_outside_the_bound(fault: Any) -> None:
    assert not _inside(fault, np.float32)
