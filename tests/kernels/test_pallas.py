"""The Pallas kernels, as the CPU interprets them and as they are lowered for a GPU: no device is asked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="module")
def jax() -> Any:
    pytest.importorskip("xentcheck_kernels", reason="not installed: pip install ./adapters/kernels")
    return pytest.importorskip("jax")


def test_rows_of_several_blocks_give_softmax_minus_label(jax: Any) -> None:
    """All classes of the first block are masked, the largest logit is in the second, and one row is ignored."""
    from xentcheck_kernels.pallas_loss import value_and_grad

    logits = np.random.default_rng(0).normal(size=(3, 2100)).astype(np.float32)
    logits[0, :2050], logits[0, 2080], logits[1] = -np.inf, 60.0, np.nan
    loss, gradient = value_and_grad(jax.numpy.array(logits), jax.numpy.array([2070, -100, 7]), reduction="sum")
    wide = logits[::2].astype(np.float64)
    log_softmax = wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)
    expected = np.exp(log_softmax)
    expected[[0, 1], [2070, 7]] -= 1.0
    np.testing.assert_allclose(loss, -log_softmax[[0, 1], [2070, 7]].sum(), rtol=1e-6)
    np.testing.assert_allclose(gradient[::2], expected, rtol=1e-5, atol=1e-30)
    assert not gradient[1].any()


def test_a_loss_next_to_nothing_keeps_its_digits_in_one_call_and_by_two_passes(jax: Any) -> None:
    from xentcheck_kernels.pallas_loss import cross_entropy, value_and_grad

    logits, label = jax.numpy.array([[50.0, 0.0]]), jax.numpy.array([0])
    loss, gradient = value_and_grad(logits, label)
    np.testing.assert_allclose([loss, -gradient[0, 0], gradient[0, 1]], math.exp(-50.0), rtol=1e-5)
    np.testing.assert_array_equal(jax.grad(cross_entropy)(logits, label), gradient)


def test_its_gradient_refuses_to_be_differentiated(jax: Any) -> None:
    from xentcheck_kernels.pallas_loss import cross_entropy

    gradient = jax.grad(lambda x: cross_entropy(x, jax.numpy.array([0])))
    with pytest.raises(NotImplementedError, match="has no derivative of its own"):
        jax.grad(lambda x: gradient(x)[0, 0])(jax.numpy.ones((1, 2)))


def test_the_kernels_are_lowered_for_a_device_that_is_not_there(jax: Any) -> None:
    from xentcheck_kernels.pallas_loss import cross_entropy, value_and_grad

    shapes = [jax.ShapeDtypeStruct((8, 5000), "bfloat16"), jax.ShapeDtypeStruct((8,), "int32")]
    weight = jax.numpy.ones(5000)
    options = {"weight": weight, "label_smoothing": 0.1, "z_loss": 0.1}
    for function in (value_and_grad, jax.grad(cross_entropy), lambda x, y: value_and_grad(x, y, **options)):
        lowered = jax.jit(function).trace(*shapes).lower(lowering_platforms=("cuda",))
        assert "__gpu$xla.gpu.triton" in lowered.as_text()
