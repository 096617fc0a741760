"""What EXC-5 reads in a loss of probabilities: from which numbers it was computed. Those here are the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from xentcheck.build import build_call
from xentcheck.clauses.activation_choices import LOGITS, PROBABILITIES, read, readings
from xentcheck.clauses.reading import ANOTHER_NUMBER
from xentcheck.contract import CONTRACT
from xentcheck.levels import LEVELS
from xentcheck.strategies import Scope
from xentcheck_adapters import FLOAT_DTYPES, Array, Call, Returned, built_in_subjects
from xentcheck_reference import (
    BinaryProblem,
    Problem,
    binary_cross_entropy,
    binary_cross_entropy_of_probabilities,
    cross_entropy,
    cross_entropy_of_probabilities,
)

SUBJECTS = [subject for subject in built_in_subjects().values() if CONTRACT["EXC-5"].lacks(subject) is None]


def asked(dtype: str) -> list[tuple[str, Call]]:
    """Kind of labels and call of every question."""
    scopes = {subject.labels[0]: Scope(subject, dtype, LEVELS["quick"]) for subject in SUBJECTS}
    return [(kind, build_call(case)) for kind, scope in scopes.items() for case in CONTRACT["EXC-5"].always(scope)]


def reference(kind: str, logits: Array, labels: Array) -> tuple[Array, Array]:
    """Loss and gradient of the logits."""
    if kind == "multi-hot":
        binary = binary_cross_entropy(BinaryProblem(logits=logits, labels=labels))
        return binary.loss, binary.grad_logits
    softmax = cross_entropy(Problem(logits=logits, labels=labels))
    return softmax.loss, softmax.grad_logits


def arrays(call: Call) -> tuple[Array, Array]:
    labels = call.labels.astype(np.float64) if call.has_dense_labels else call.labels
    return call.logits.astype(np.float64), labels


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_the_losses_of_a_question_are_told_apart(dtype: str) -> None:
    for kind, call in asked(dtype):
        (smaller, _), (larger, _) = sorted(readings(call, kind).values(), key=lambda reading: reading[0])
        assert smaller > 1
        assert larger > 1.25 * smaller


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_a_loss_of_the_logits_is_read(dtype: str) -> None:
    for kind, call in asked(dtype):
        logits, labels = arrays(call)
        loss, gradient = reference(kind, logits, labels)
        assert read(Returned(loss, gradient), call, kind) == LOGITS
        assert read(Returned(loss), call, kind) == LOGITS
        assert read(Returned(loss, 1 - gradient), call, kind) == ANOTHER_NUMBER


def test_a_loss_of_the_probabilities_is_read() -> None:
    for kind, call in asked("float64"):
        logits, labels = arrays(call)
        p = np.exp(logits) / np.exp(logits).sum()
        if call.activation == "sigmoid":
            p = 1 / (1 + np.exp(-logits))
        p = np.clip(p, 1e-7, 1 - 1e-7)
        if kind == "multi-hot":
            loss = binary_cross_entropy_of_probabilities(BinaryProblem(logits=p, labels=labels)).loss
        else:
            loss = cross_entropy_of_probabilities(Problem(logits=p, labels=labels)).loss
        assert read(Returned(loss), call, kind) == PROBABILITIES
        assert read(Returned(loss, np.full_like(logits, np.nan)), call, kind) == f"{PROBABILITIES}, gradient NaN"
