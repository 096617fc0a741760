"""Hessian-vector products of the real frameworks, against the formula in float64; what has none refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xentcheck.selection import missing_modules
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Array, Call, Outcome, Refused, Returned, Subject, built_in_subjects, dtype_named

pytestmark = pytest.mark.frameworks

TWICE = {name: subject for name, subject in built_in_subjects().items() if subject.offers("hvp")}
REFUSING = ("torch.compile", "torch.linear.chunked", "kernels.triton", "kernels.triton.split", "kernels.pallas")
COMPILED_TWICE = {name: subject for name, subject in TWICE.items() if name not in REFUSING}
SOFTMAX = [
    name for name, subject in COMPILED_TWICE.items() if subject.inputs == "logits" and "multi-hot" not in subject.labels
]
OTHERS = [name for name in COMPILED_TWICE if name not in SOFTMAX]

LOGITS = np.array([[0.5, -1.0, 2.0, 0.25], [3.0, 3.0, -0.5, 1.0], [0.0, 0.0, 0.0, 0.0]])
VECTOR = np.array([[1.0, -0.5, 0.25, 2.0], [-1.0, 0.75, 0.0, 0.5], [0.0, 1.0, 0.0, 0.0]])
UPSTREAM = np.array([0.5, -2.0, 1.5])

Ask = Callable[..., Outcome]


@pytest.fixture
def ask(pool: WorkerPool) -> Ask:
    def run(name: str, dtype: str = "float64", **fields: Any) -> Outcome:
        subject = TWICE[name]
        missing = missing_modules(subject)
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
        arrays = {"logits": LOGITS, "labels": _labels(subject), "vector": VECTOR} | fields
        sent = {
            key: value.astype(dtype_named(dtype)) if getattr(value, "dtype", None) == np.float64 else value
            for key, value in arrays.items()
        }
        return pool.run(subject, "cpu", Call(**sent), dtype)

    return run


def _labels(subject: Subject) -> Array:
    return np.arange(3) if subject.labels[0] == "index" else np.eye(4)[:3]


def _product(logits: Array, vector: Array, scale: Array | float) -> Array:
    """(N, C) upstream times (diag s - s s') v, the Hessian of a row whose labels sum to one."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    s = e / e.sum(axis=1, keepdims=True)
    return np.asarray(np.broadcast_to(scale, 3)[:, None] * s * (vector - (s * vector).sum(axis=1, keepdims=True)))


def _hvp(outcome: Outcome) -> Array:
    assert isinstance(outcome, Returned), outcome
    assert outcome.hvp is not None
    return outcome.hvp


@pytest.mark.parametrize("name", SOFTMAX)
def test_the_product_is_the_derivative_of_the_gradient(ask: Ask, name: str) -> None:
    hvp = _hvp(ask(name, upstream=UPSTREAM))
    # numbers of size one, each rounded some ten times
    np.testing.assert_allclose(hvp, _product(LOGITS, VECTOR, UPSTREAM), rtol=0, atol=2.0**-46)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", SOFTMAX)
def test_the_product_comes_in_the_dtype_of_the_logits(ask: Ask, name: str, dtype: str) -> None:
    hvp = _hvp(ask(name, dtype))
    assert hvp.dtype == dtype_named(dtype)
    # eight significant bits, each operation rounded: a product without the upstream gradient or a sign is far away
    np.testing.assert_allclose(hvp.astype(np.float64), _product(LOGITS, VECTOR, 1.0), rtol=0, atol=2.0**-5)


def test_the_reduction_is_part_of_the_product(ask: Ask) -> None:
    hvp = _hvp(ask("torch.eager", reduction="mean", upstream=np.array(-2.0)))
    np.testing.assert_allclose(hvp, _product(LOGITS, VECTOR, -2 / 3), rtol=0, atol=2.0**-46)


@pytest.mark.parametrize("name", SOFTMAX)
def test_asking_for_the_product_does_not_change_loss_and_gradient(ask: Ask, name: str) -> None:
    plain, twice = ask(name, upstream=UPSTREAM, vector=None), ask(name, upstream=UPSTREAM)
    assert isinstance(plain, Returned)
    assert isinstance(twice, Returned)
    assert plain.hvp is None
    np.testing.assert_allclose(twice.loss, plain.loss, rtol=0, atol=2.0**-48)
    np.testing.assert_allclose(twice.grad_logits, plain.grad_logits, rtol=0, atol=2.0**-48)


@pytest.mark.parametrize("name", OTHERS)
def test_forms_without_a_softmax_of_logits_are_differentiated_twice_too(ask: Ask, name: str) -> None:
    quarter = np.full((3, 4), 0.25)
    hvp = _hvp(ask(name, logits=quarter if TWICE[name].inputs == "probabilities" else LOGITS))
    assert hvp.any()


@pytest.mark.parametrize("name", ["torch.linear.chunked", "kernels.pallas"])
def test_a_gradient_by_hand_refuses_to_be_differentiated_again(ask: Ask, name: str) -> None:
    assert isinstance(ask(name, "float32"), Refused)


@pytest.mark.slow
def test_a_compiled_torch_function_refuses_to_be_differentiated_twice(ask: Ask) -> None:
    outcome = ask("torch.compile", "float32")
    assert isinstance(outcome, Refused)
    assert "does not currently support double backward" in outcome.message
