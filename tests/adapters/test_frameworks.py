"""The adapters with the real frameworks behind them, in workers: the test process imports none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xentcheck.selection import missing_modules
from xentcheck.workers import WorkerPool
from xentcheck.workers.pool import state_of
from xentcheck_adapters import Call, Crashed, Outcome, Refused, Returned, built_in_subjects, dtype_named

pytestmark = pytest.mark.frameworks

SUBJECTS = built_in_subjects()
# Variants may answer wider than they are asked, and cost a compilation each.
QUICK = [
    name
    for name, subject in SUBJECTS.items()
    if subject.framework != "numpy"
    and subject.variant_of is None
    and subject.inputs != "scores"
    and name != "torch.compile"
]

Ask = Callable[..., Outcome]


@pytest.fixture
def ask(pool: WorkerPool, call: Callable[..., Call]) -> Ask:
    def run(name: str, dtype: str = "float32", **fields: Any) -> Outcome:
        subject = SUBJECTS[name]
        missing = missing_modules(subject)
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
        return pool.run(subject, "cpu", call(dtype=dtype, **fields), dtype)

    return run


def _inputs(name: str, dtype: str) -> dict[str, Any]:
    """Uniform rows and one-hot labels, in the form that the subject takes."""
    logits, one_hot = np.zeros((3, 4)), np.eye(4)[:3]
    takes_index = SUBJECTS[name].labels[0] == "index"
    return {
        "logits": (logits + 0.25 * (SUBJECTS[name].inputs == "probabilities")).astype(dtype_named(dtype)),
        "labels": np.arange(3) if takes_index else one_hot.astype(dtype_named(dtype)),
    }


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("name", QUICK)
def test_a_subject_answers_in_its_own_dtype(ask: Ask, name: str, dtype: str) -> None:
    outcome = ask(name, dtype, **_inputs(name, dtype))
    assert isinstance(outcome, Returned), outcome
    of_loss = "float32" if name.startswith("kernels.") else dtype  # local kernels round no loss to 16 bits
    assert outcome.loss.dtype == dtype_named(of_loss)
    assert outcome.grad_logits is None or outcome.grad_logits.dtype == dtype_named(dtype)
    shapes = [result.shape for result in outcome.results.values()]
    assert shapes == ([(3,), (3, 4)] if SUBJECTS[name].differentiable else [(3,)])
    assert outcome.mutated == ()


@pytest.mark.parametrize(
    "name", ["torch.eager", "tf.sparse.eager", "optax.int.jit", "keras.jax.scce", "keras.numpy.scce"]
)
def test_float64_stays_float64(ask: Ask, name: str) -> None:
    outcome = ask(name, "float64")
    assert isinstance(outcome, Returned), outcome
    assert {result.dtype for result in outcome.results.values()} == {np.dtype(np.float64)}
    assert (outcome.loss != outcome.loss.astype(np.float32)).any()


@pytest.mark.parametrize("layout", ["transposed", "strided", "read-only"])
@pytest.mark.parametrize("name", ["torch.eager", "tf.dense.eager", "optax.dense.jit"])
def test_a_layout_does_not_change_what_a_subject_reads(ask: Ask, name: str, layout: str) -> None:
    inputs: dict[str, Any] = {"dtype": "bfloat16", "labels": np.eye(4)[:3].astype(dtype_named("bfloat16"))}
    plain, other = ask(name, **inputs), ask(name, layout=layout, **inputs)
    assert isinstance(plain, Returned)
    assert isinstance(other, Returned)
    assert other.mutated == ()
    np.testing.assert_array_equal(other.loss, plain.loss)


@pytest.mark.parametrize(
    "name", ["torch.eager", "tf.dense.eager", "tf.dense.xla", "jax.log_softmax.jit", "optax.safe.eager"]
)
def test_the_gradient_to_labels_comes_back(ask: Ask, name: str) -> None:
    outcome = ask(name, want_grad_labels=True, **_inputs(name, "float32") | {"labels": np.eye(4, dtype=np.float32)[:3]})
    assert isinstance(outcome, Returned), outcome
    assert outcome.grad_labels is not None
    # -log softmax of equal logits is log C, to the rounding of one log and one subtraction
    np.testing.assert_allclose(outcome.grad_labels, np.log(4), rtol=4 * 2.0**-23)


def test_a_loss_of_another_shape_is_an_answer_and_no_error_of_the_adapter(ask: Ask) -> None:
    outcome = ask("optax.dense.eager", logits=np.zeros((1, 4), np.float32), labels=np.eye(4, dtype=np.float32))
    assert isinstance(outcome, Returned), outcome
    assert outcome.loss.shape == (4,)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("torch.eager", "IndexError"),
        ("tf.sparse.eager", "InvalidArgumentError"),
        ("tf.sparse.function", "InvalidArgumentError"),
        ("keras.torch.scce", "IndexError"),
    ],
)
def test_a_label_out_of_range_reaches_the_api_as_it_is(ask: Ask, name: str, error: str) -> None:
    outcome = ask(name, labels=np.array([0, -1, 2]))
    assert isinstance(outcome, Refused)
    assert outcome.error == error


@pytest.mark.parametrize("backend", ["tf", "torch", "jax", "numpy"])
def test_sample_weights_reach_a_keras_loss(ask: Ask, backend: str) -> None:
    weights = np.array([0.0, 1.0, 2.0], np.float32)
    plain, weighted = ask(f"keras.{backend}.scce"), ask(f"keras.{backend}.scce", sample_weight=weights)
    assert isinstance(plain, Returned), plain
    assert isinstance(weighted, Returned), weighted
    assert weighted.mutated == ()
    np.testing.assert_array_equal(weighted.loss, weights * plain.loss)


@pytest.mark.parametrize(("mode", "mass"), [("eager", 1.0), ("deterministic", 2.0)])
def test_deterministic_operations_replace_the_gradient_of_rows_of_any_sum(ask: Ask, mode: str, mass: float) -> None:
    twos = {"logits": np.zeros((3, 4), np.float32), "labels": 2 * np.eye(4, dtype=np.float32)[:3]}
    outcome = ask(f"tf.dense.{mode}", **twos)
    assert isinstance(outcome, Returned), outcome
    assert outcome.grad_logits is not None
    np.testing.assert_array_equal(outcome.grad_logits, mass / 4 - twos["labels"])


@pytest.mark.parametrize(("dtype", "equal"), [("float32", True), ("float16", False)])
def test_a_raw_kernel_lacks_the_cast_of_the_function_around_it(ask: Ask, dtype: str, equal: bool) -> None:
    logits = np.random.default_rng(0).normal(size=(64, 100)).astype(dtype)
    given: dict[str, Any] = {"dtype": dtype, "logits": logits, "labels": np.arange(64)}
    raw, function = ask("tf.raw.sparse", **given), ask("tf.sparse.eager", **given)
    assert isinstance(raw, Returned), raw
    assert isinstance(function, Returned), function
    assert np.array_equal(raw.loss, function.loss) is equal


def test_modes_of_a_process_have_processes_of_their_own() -> None:
    def state(name: str) -> object:
        return state_of(SUBJECTS[name], "cpu", "float32")

    assert state("tf.sparse.deterministic") == state("tf.dense.deterministic") != state("tf.sparse.eager")
    assert len({state(f"keras.{backend}.scce") for backend in ("tf", "torch", "jax", "numpy")}) == 4


@pytest.mark.slow
def test_a_bad_label_under_torch_compile_costs_its_worker_only(ask: Ask) -> None:
    assert isinstance(ask("torch.compile", labels=np.array([0, 4, 1])), Crashed)
    assert isinstance(ask("torch.compile", labels=np.array([0, 3, 1])), Returned)
