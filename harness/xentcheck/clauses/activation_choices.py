"""EXC: a loss of probabilities behind the framework's own softmax or sigmoid. A tensor may carry the logits that it was
made of, and a loss may take those, whatever made the tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case, Explicit
from xentcheck.clauses.policy import answer_of, policy
from xentcheck.clauses.reading import ANOTHER_NUMBER
from xentcheck.strategies import Scope
from xentcheck_adapters import Array, Call, Returned, Subject

_KERAS = "https://keras.io/api/losses/probabilistic_losses/"

PROBABILITIES, LOGITS = "the probabilities", "the logits"
_NAN_GRADIENT = f"{PROBABILITIES}, gradient NaN"

# Keras' epsilon, by which its losses keep probabilities from 0 and 1.
_CLIP = 1e-7
# Told apart are losses of which one is at least a quarter above the other (tests). bfloat16 rounds a probability by
# 2**-9 of it, that is a complement 1 - p >= 0.12 by 2**-6, and the logarithm and the sum by 2**-9 each: together below
# 1/20 of any of these losses, which are above 1.
_NEAR = 1 / 20
_STEP = 2.0**-10  # of central differences in float64: the error is the third derivative's 2**-20 / 6


@dataclass(frozen=True)
class _Cell:
    """One row of logits behind an activation, and the class whose label is 1."""

    logits: tuple[float, ...]
    label: int
    activation: str

    def case(self, scope: Scope) -> Case:
        row = tuple(float(column == self.label) for column in range(len(self.logits)))
        explicit = Explicit.of((self.logits,), (self.label,) if "index" in scope.subject.labels else (row,))
        return Case(dtype=scope.dtype, rows=1, classes=len(self.logits), explicit=explicit, activation=self.activation)


# The softmax loss of the softmax, and the sigmoid loss of the sigmoid, show what they take where a probability is 0 in
# every dtype and its clip is not; the others on plain numbers.
_SATURATED, _SPREAD = (50.0, 0.0, 0.0, -60.0), (2.0, -1.0, 0.5, 3.0)
_OF_INDICES = {name: _Cell(_SATURATED, 3, name) for name in ("softmax", "softmax, then times 1")}
_CELLS: Mapping[str, Mapping[str, _Cell]] = {
    "index": _OF_INDICES,
    "dense": {**_OF_INDICES, "sigmoid": _Cell(_SPREAD, 1, "sigmoid")},
    "multi-hot": {"sigmoid": _Cell((2.0, -1.0, 0.5, -60.0), 3, "sigmoid"), "softmax": _Cell(_SPREAD, 1, "softmax")},
}


def _cells(scope: Scope) -> Mapping[str, Case]:
    return {name: cell.case(scope) for name, cell in _CELLS[scope.subject.labels[0]].items()}


def readings(call: Call, kind: str) -> dict[str, tuple[float, Array]]:
    """The loss of the call's one row and its gradient (1, C) to the logits, for each thing it may be taken for by a
    loss of `kind` labels."""
    logits = call.logits.astype(np.float64)
    labels = call.labels if call.has_dense_labels else np.eye(logits.shape[1])[call.labels]
    low, high = (float(np.asarray(value).astype(call.logits.dtype)) for value in (_CLIP, 1 - _CLIP))
    activate = _sigmoid if call.activation == "sigmoid" else _softmax
    of_probabilities, of_logits = (_binary, _binary_of_logits) if kind == "multi-hot" else (_categorical, _of_logits)
    losses: dict[str, Callable[[Array], Array]] = {
        PROBABILITIES: lambda x: of_probabilities(activate(x), labels.astype(np.float64), low, high),
        LOGITS: lambda x: of_logits(x, labels.astype(np.float64)),
    }
    return {name: (float(loss(logits)[0]), _gradient(loss, logits)) for name, loss in losses.items()}


def read(answer: Returned, call: Call, kind: str) -> str:
    """What the answer's loss and gradient, if it has one, were computed from."""
    got = None if answer.grad_logits is None else answer.grad_logits.astype(np.float64)
    for name, (loss, gradient) in readings(call, kind).items():
        if np.abs(float(answer.loss[0]) - loss) <= _NEAR * loss:
            if got is None or _close(got, gradient):
                return name
            if name == PROBABILITIES and np.isnan(got).any():
                return _NAN_GRADIENT
    return ANOTHER_NUMBER


def _close(got: Array, expected: Array) -> bool:
    """A gradient to logits is a difference of probabilities: its size is that of 1, or of 1 / C in a mean of C."""
    return bool(np.all(np.abs(got - expected) <= _NEAR / expected.shape[-1]))


def _softmax(x: Array) -> Array:
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _categorical(p: Array, labels: Array, low: float, high: float) -> Array:
    """-sum y log p, of rows that are normalised first and clipped then."""
    return np.asarray(-(labels * np.log(np.clip(p / p.sum(axis=-1, keepdims=True), low, high))).sum(axis=-1))


def _of_logits(x: Array, labels: Array) -> Array:
    return _categorical(_softmax(x), labels, 0, 1)


def _binary(p: Array, labels: Array, low: float, high: float) -> Array:
    """-(y log p + (1 - y) log(1 - p)), averaged over the classes."""
    p = np.clip(p, low, high)
    return np.asarray(-(labels * np.log(p) + (1 - labels) * np.log1p(-p)).mean(axis=-1))


def _binary_of_logits(x: Array, labels: Array) -> Array:
    return _binary(_sigmoid(x), labels, 0, 1)


def _gradient(loss: Callable[[Array], Array], logits: Array) -> Array:
    """(1, C), by central differences of the one row's loss."""
    steps = _STEP * np.eye(logits.shape[1])
    return (loss(logits + steps) - loss(logits - steps))[None] / (2 * _STEP)


def _observe(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    return answer_of(bench.run(call), lambda answer: read(answer, call, bench.subject.labels[0]), call)


def _lacks(subject: Subject) -> str | None:
    if subject.inputs != "probabilities":
        return f"takes {subject.inputs}"
    return None if subject.framework.startswith("keras") else "its framework has no activations of its own"


CLAUSES = (
    policy(
        "EXC-5",
        "what a loss of probabilities takes the output of the framework's own softmax or sigmoid for",
        ("a tensor is its numbers", _KERAS),
        _lacks,
        cells=_cells,
        answers={
            PROBABILITIES: "the loss of the numbers it is given, clipped to [1e-7, 1 - 1e-7]",
            _NAN_GRADIENT: "that loss, and NaN in its gradient to the logits",
            LOGITS: "the loss of the logits under the activation that belongs to the loss, whichever made the numbers",
            ANOTHER_NUMBER: "neither of these, and nothing says so",
        },
        usual=lambda case: PROBABILITIES,
        observe=_observe,
        programs=True,
    ),
)
