"""The kernels as losses of PyTorch and JAX: what autograd, torch.compile, jax.jit and jax.vmap make of them."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="module")
def torch(kernels: Any) -> Any:
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def jax(kernels: Any) -> Any:
    return pytest.importorskip("jax")


def tensors(torch: Any, dtype: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    return torch.randn(5, 7, dtype=dtype, requires_grad=True), torch.tensor([0, 6, -100, 3, 3])


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_the_gradient_is_the_derivative_of_the_loss(torch: Any, reduction: str) -> None:
    from xentcheck_kernels.torch_loss import cross_entropy

    logits, labels = tensors(torch, torch.float64)
    options = {"weight": torch.rand(7, dtype=torch.float64), "label_smoothing": 0.1, "z_loss": 0.1}
    torch.autograd.gradcheck(lambda x: cross_entropy(x, labels, reduction=reduction, **options), logits)


def test_the_operators_are_what_they_are_registered_as(torch: Any) -> None:
    from xentcheck_kernels import torch_loss

    for dtype in (torch.bfloat16, torch.float64):
        logits, labels = tensors(torch, dtype)
        options = (None, -100, 0.1, 0.1, "none")
        torch.library.opcheck(torch_loss._loss, (logits, labels, *options))
        upstream = torch.rand(5, dtype=torch.float64)
        torch.library.opcheck(torch_loss._gradient, (upstream, logits.detach(), labels, *options))


def test_what_has_no_derivative_is_refused(torch: Any) -> None:
    from xentcheck_kernels.torch_loss import cross_entropy

    logits, labels = tensors(torch, torch.float64)
    soft = torch.rand(5, 7, dtype=torch.float64, requires_grad=True)
    with pytest.raises(NotImplementedError, match="logits only"):
        torch.autograd.grad(cross_entropy(logits, soft), [logits, soft])
    (gradient,) = torch.autograd.grad(cross_entropy(logits, labels), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="no autograd formula"):
        torch.autograd.grad(gradient.sum(), logits)


def test_the_compiler_leaves_the_operator_whole(torch: Any) -> None:
    from xentcheck_kernels.torch_loss import cross_entropy

    logits, labels = tensors(torch, torch.float32)
    compiled = torch.compile(lambda x, y: cross_entropy(2 * x, y), fullgraph=True, backend="aot_eager")
    expected = torch.autograd.grad(cross_entropy(2 * logits, labels), logits)
    torch.testing.assert_close(torch.autograd.grad(compiled(logits, labels), logits), expected, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_tensors_are_neither_copied_nor_turned_into_arrays(kernels: Any, torch: Any, dtype: str) -> None:
    logits, labels = torch.ones(100, 1000, dtype=getattr(torch, dtype)), torch.zeros(100, dtype=torch.int64)
    kernels.cross_entropy(logits, labels)
    tracemalloc.start()
    loss, gradient = kernels.cross_entropy(logits, labels, grad=logits)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert gradient is logits
    assert loss.dtype == (torch.float64 if dtype == "float64" else torch.float32)
    assert float(logits[0, 0]) < 0
    assert peak < 10_000


def test_who_calls_does_not_matter_to_subnormal_numbers(kernels: Any, torch: Any) -> None:
    logits, labels = np.array([[100, 0]], np.float32), np.array([0])
    torch.set_flush_denormal(True)
    loss, gradient = kernels.cross_entropy(logits, labels, grad=True)
    torch.set_flush_denormal(False)
    assert (loss, gradient[0, 1]) == (np.float32(np.exp(-100.0)), np.float32(np.exp(-100.0)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_jax_gives_the_bits_that_numpy_gives(kernels: Any, jax: Any, dtype: str) -> None:
    from xentcheck_kernels.jax_loss import cross_entropy

    logits = jax.random.normal(jax.random.key(0), (5, 7), dtype)
    labels, weight = np.array([0, 6, -100, 3, 3], np.int32), np.arange(1, 8, dtype=np.float32)
    given = {"weight": weight, "label_smoothing": 0.1, "z_loss": 1e-3}
    expected = kernels.cross_entropy(np.asarray(logits), labels, grad=True, **given)
    for wrap in (jax.jit, lambda function: function):
        mine = wrap(jax.value_and_grad(lambda x: cross_entropy(x, labels, **given)))(logits)
        assert [np.asarray(part).tobytes() for part in mine] == [part.tobytes() for part in expected]


def test_jax_maps_over_batches_and_refuses_what_has_no_derivative(jax: Any) -> None:
    from xentcheck_kernels.jax_loss import cross_entropy

    logits, labels = jax.random.normal(jax.random.key(0), (3, 4, 7)), np.zeros((3, 4), np.int32)
    gradient = jax.grad(cross_entropy)
    mapped = jax.vmap(gradient)(logits, labels)
    np.testing.assert_array_equal(mapped, [gradient(x, y) for x, y in zip(logits, labels, strict=True)])
    with pytest.raises(NotImplementedError, match="logits only"):
        jax.grad(cross_entropy, argnums=1)(logits[0], jax.nn.softmax(logits[1]))
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda x: cross_entropy(x, labels[0]), (logits[0],), (logits[0],))
    with pytest.raises((ValueError, jax.errors.JaxRuntimeError), match="row 0 has 7, expected a class"):
        jax.block_until_ready(cross_entropy(logits[0], labels[0] + 7))
