"""`run_guarded`: whatever a subject does to its inputs or raises becomes an outcome."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from xentcheck_adapters import LAYOUTS, REDUCTIONS, Call, OutOfMemory, Refused, Returned
from xentcheck_adapters.worker import run_guarded


def _answer(call: Call) -> Returned:
    return Returned(np.zeros(len(call.labels)), np.zeros(call.logits.shape))


def test_an_honest_answer_mutates_nothing(call: Callable[..., Call]) -> None:
    outcome = run_guarded(_answer, call())
    assert isinstance(outcome, Returned)
    assert outcome.mutated == ()


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout not in ("read-only", "broadcast")])
@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (3, 1)])
@pytest.mark.parametrize("name", ["logits", "labels", "weight", "upstream", "vector"])
def test_a_write_to_an_input_is_seen_and_harms_nobody(
    call: Callable[..., Call], name: str, layout: str, shape: tuple[int, int]
) -> None:
    def vandal(received: Call) -> Returned:
        getattr(received, name)[...] = 7
        return _answer(received)

    rows, classes = shape
    arrays = {"weight": np.ones(classes), "upstream": np.ones(rows), "vector": np.ones(shape)}
    given = call(rows, classes, layout=layout, **arrays)
    before = getattr(given, name).copy()
    outcome = run_guarded(vandal, given)
    assert isinstance(outcome, Returned)
    assert outcome.mutated == (name,)
    np.testing.assert_array_equal(getattr(given, name), before)


def test_changing_the_sign_of_a_zero_is_a_mutation(call: Callable[..., Call]) -> None:
    def vandal(received: Call) -> Returned:
        received.logits[received.logits == 0] = -0.0
        return _answer(received)

    outcome = run_guarded(vandal, call())
    assert isinstance(outcome, Returned)
    assert outcome.mutated == ("logits",)


def test_an_exception_is_a_refusal_with_its_name_and_message(call: Callable[..., Call]) -> None:
    def refuse(_: Call) -> Returned:
        raise IndexError("Target -1 is out of bounds.")

    assert run_guarded(refuse, call()) == Refused("IndexError", "Target -1 is out of bounds.")


def test_a_memory_error_is_out_of_memory(call: Callable[..., Call]) -> None:
    def devour(_: Call) -> Returned:
        raise MemoryError

    assert run_guarded(devour, call()) == OutOfMemory("MemoryError")


def test_an_endless_message_is_cut(call: Callable[..., Call]) -> None:
    def ramble(_: Call) -> Returned:
        raise ValueError("x" * 1_000_000)

    outcome = run_guarded(ramble, call())
    assert isinstance(outcome, Refused)
    assert len(outcome.message) < 10_000


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_default_upstream_gradient_is_ones_shaped_like_the_loss(call: Callable[..., Call], reduction: str) -> None:
    cotangent = call(dtype="float16", reduction=reduction).cotangent()
    expected = np.ones((3,) if reduction == "none" else (), np.float16)
    np.testing.assert_array_equal(cotangent, expected, strict=True)
