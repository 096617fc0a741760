"""The other ways to ask for a derivative: declared ones exist, and answer as the formula does or refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xentcheck.selection import missing_modules
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Array, Call, Outcome, Refused, Returned, Subject, built_in_subjects, subject_from_spec
from xentcheck_adapters.procedures import LOSS_ALONE, PROCEDURES, contracted

SUBJECTS = built_in_subjects()
STRANGERS = {
    spec: subject_from_spec(spec)
    for spec in (
        "torch:torch.nn.functional:cross_entropy",
        "jax:optax:softmax_cross_entropy",
        "tf:tensorflow.nn:softmax_cross_entropy_with_logits",
    )
}
KNOWN = {**SUBJECTS, **STRANGERS}
# One of each way in which a framework is asked
ASKED = ("torch.eager", "tf.sparse.eager", "tf.dense.xla", "jax.log_softmax.eager", "jax.log_softmax.jit")
ALONG = ("jvp", "two backward passes", "forward-over-reverse", "reverse-over-reverse", "hessian", "mixed")

LOGITS = np.array([[0.5, -1.0, 2.0, 0.25], [3.0, 3.0, -0.5, 1.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
VECTOR = np.array([[1.0, -0.5, 0.25, 2.0], [-1.0, 0.75, 0.0, 0.5], [0.0, 1.0, 0.0, 0.0]], np.float32)
UPSTREAM = np.array([-2.0, -2.0, -2.0], np.float32)
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
CENTRED = VECTOR - (SOFTMAX * VECTOR).sum(axis=1, keepdims=True)
ONE_HOT = np.eye(3, 4, dtype=np.float32)


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_declares_known_procedures_only(name: str) -> None:
    assert SUBJECTS[name].procedures < set(PROCEDURES)


def test_every_procedure_is_somebodys() -> None:
    everybody = (*SUBJECTS.values(), *STRANGERS.values())
    assert set(PROCEDURES) == {"reverse"}.union(*(subject.procedures for subject in everybody))


def test_a_hessian_is_contracted_over_rows_and_classes() -> None:
    hessian = np.arange(16.0).reshape(2, 2, 2, 2)
    vector = np.array([[1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_array_equal(contracted(hessian, vector), hessian[:, :, 0, 0] + 2 * hessian[:, :, 1, 1])


Ask = Callable[[str, str], Outcome]


@pytest.fixture
def ask(pool: WorkerPool) -> Ask:
    def run(name: str, procedure: str) -> Outcome:
        subject = KNOWN[name]
        missing = missing_modules(subject)
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
        takes_rows_only = "index" not in subject.labels or name.partition(":")[0] in ("jax", "tf")
        labels = ONE_HOT if procedure == "mixed" or takes_rows_only else np.arange(3)
        vector = VECTOR if procedure in ALONG else None
        logits = LOGITS - LOGITS.min() + 1 if procedure == "behind relu" else LOGITS
        call = Call(logits, labels, upstream=UPSTREAM, vector=vector, procedure=procedure)
        return pool.run(subject, "cpu", call, "float32")

    return run


def _expected(procedure: str) -> dict[str, Any]:
    gradient = UPSTREAM[:, None] * (SOFTMAX - ONE_HOT)
    tangent = ((SOFTMAX - ONE_HOT) * VECTOR).sum(axis=1)
    along: dict[str, Array] = {
        "jvp": tangent,
        "two backward passes": tangent,
        "mixed": -UPSTREAM[:, None] * CENTRED,
        "hvp": UPSTREAM[:, None] * SOFTMAX * CENTRED,
    }
    if procedure == LOSS_ALONE:
        return {"loss": -np.log(SOFTMAX[ONE_HOT > 0])}
    names = {"jvp": "tangent", "two backward passes": "tangent", "mixed": "mixed"}
    if procedure not in ALONG:
        return {"grad_logits": gradient * (2 if procedure == "accumulated" else 1)}
    return {"grad_logits": gradient, names.get(procedure, "hvp"): along[procedure if procedure in names else "hvp"]}


def _asked() -> list[tuple[str, str]]:
    silently_wrong = {("tf.dense.xla", "mixed")}  # AD-9's known divergence
    of_subjects = set().union(*(subject.procedures for subject in SUBJECTS.values()))
    asked = [(name, procedure) for name in ASKED for procedure in sorted(SUBJECTS[name].procedures)]
    asked += [(name, p) for name, stranger in STRANGERS.items() for p in sorted(stranger.procedures - of_subjects)]
    return [each for each in asked if each not in silently_wrong and _is_fit(KNOWN[each[0]], each[1])]


def _is_fit(subject: Subject, procedure: str) -> bool:
    return procedure != "mixed" or "dense" in subject.labels


@pytest.mark.frameworks
@pytest.mark.parametrize(("name", "procedure"), _asked())
def test_a_procedure_answers_as_the_formula_does_or_refuses(ask: Ask, name: str, procedure: str) -> None:
    outcome = ask(name, procedure)
    if isinstance(outcome, Refused):
        assert procedure in ("freed", "overwritten labels"), outcome
        return
    assert isinstance(outcome, Returned), outcome
    assert outcome.mutated == ()
    for part, value in _expected(procedure).items():
        # numbers of size one, each rounded some twenty times
        np.testing.assert_allclose(getattr(outcome, part), value, rtol=0, atol=2.0**-18, err_msg=part)


@pytest.mark.frameworks
@pytest.mark.parametrize("procedure", ["freed", "overwritten labels"])
def test_torch_refuses_what_it_can_no_longer_differentiate(ask: Ask, procedure: str) -> None:
    outcome = ask("torch.eager", procedure)
    assert isinstance(outcome, Refused)
    assert outcome.error == "RuntimeError"
