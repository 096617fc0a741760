"""Claims about the Triton kernels under Triton's interpreter. Whether it interprets is settled when Triton is imported,
so `test_triton.py` gives these a process of their own, with TRITON_INTERPRET=1."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from xentcheck_kernels import triton_loss as losses

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of 0 and inf

FORMS = pytest.mark.parametrize("splits", [1, 3], ids=["rows", "slices"])


def rows(dtype: Any = torch.float32, classes: int = 40, many: int = 5) -> tuple[Any, Any]:
    """Logits and labels, the second of which is ignored."""
    torch.manual_seed(0)
    labels = torch.randint(classes, (many,))
    labels[1] = -100
    return 3 * torch.randn(many, classes, dtype=dtype), labels


@FORMS
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_the_gradient_is_the_derivative_of_the_loss(reduction: str, splits: int) -> None:
    logits, labels = rows(torch.float64, classes=5, many=2)
    options = {"weight": torch.rand(5, dtype=torch.float64), "label_smoothing": 0.1, "z_loss": 0.1, "splits": splits}
    options["reduction"] = reduction
    torch.autograd.gradcheck(
        lambda x: losses.cross_entropy(x, labels, **options), logits.requires_grad_(), fast_mode=True
    )


@FORMS
def test_one_call_gives_what_two_passes_give_also_in_place(splits: int) -> None:
    logits, labels = rows(torch.bfloat16)
    upstream = torch.tensor(0.3)
    loss = losses.cross_entropy(logits.requires_grad_(), labels, splits=splits)
    (of_two,) = torch.autograd.grad(loss, logits, upstream)
    logits = logits.detach()
    once, gradient = losses.value_and_grad(logits, labels, splits=splits, grad_output=upstream, out=logits)
    assert gradient is logits
    assert torch.equal(once, loss)
    assert torch.equal(gradient, of_two)


@FORMS
def test_a_loss_next_to_nothing_keeps_its_digits(splits: int) -> None:
    logits, labels = torch.zeros(1, 3000), torch.tensor([2999])  # more than one block
    logits[0, labels] = 50.0
    loss, gradient = losses.value_and_grad(logits, labels, splits=splits)
    expected = 2999 * math.exp(-50.0)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert gradient[0, labels].item() == pytest.approx(-expected, rel=1e-5)


@FORMS
def test_a_maximum_far_above_the_first_block_is_found(splits: int) -> None:
    logits, labels = rows(classes=5000, many=2)
    logits[0, :2100], logits[0, 4000] = -math.inf, 300.0
    loss, gradient = losses.value_and_grad(logits, labels, splits=splits, reduction="sum")
    wide = logits.double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(wide, labels, reduction="sum")
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(gradient.double(), torch.autograd.grad(expected, wide)[0], rtol=1e-5, atol=1e-30)


@FORMS
def test_a_row_that_is_ignored_is_not_read(splits: int) -> None:
    logits, labels = rows()
    logits[1] = math.nan
    loss, gradient = losses.value_and_grad(logits, labels, splits=splits)
    assert math.isfinite(loss)
    assert not gradient[1].any()


@FORMS
def test_a_row_has_the_same_bits_alone_and_without_a_gradient(splits: int) -> None:
    logits, labels = rows(classes=3000)
    given = {"splits": splits, "reduction": "none"}
    batch, gradient = losses.value_and_grad(logits, labels, **given)
    alone, of_one = losses.value_and_grad(logits[2:3], labels[2:3], **given)
    assert torch.equal(losses.cross_entropy(logits, labels, **given), batch)
    assert torch.equal(alone, batch[2:3])
    assert torch.equal(of_one, gradient[2:3])


def test_an_input_that_was_overwritten_has_no_gradient_any_more() -> None:
    logits, labels = rows()
    loss = losses.cross_entropy(logits.requires_grad_(), labels)
    labels.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
