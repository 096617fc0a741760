"""LAB: what frameworks make of labels outside [0, C)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import takes
from xentcheck.clauses.labels import OUTSIDE
from xentcheck.clauses.policy import REFUSES, answer_of, policy
from xentcheck.clauses.reading import and_gradient, answers_as, loss_of_row, with_label
from xentcheck.strategies import Scope
from xentcheck_adapters import Call, Returned

_TF = "https://www.tensorflow.org/api_docs/python/tf/nn/sparse_softmax_cross_entropy_with_logits"
_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"

_CLASSES = 7


def _labels_outside(scope: Scope) -> Mapping[str, Case]:
    widest = max(scope.subject.label_dtypes, key=lambda name: np.iinfo(name).bits)
    fits = np.iinfo(widest)
    kinds = ("-1", "C", "-100", "2**31") if scope.subject.slow_traces else tuple(OUTSIDE)
    labels = {name: OUTSIDE[name](_CLASSES) for name in kinds}
    plain = Case(dtype=scope.dtype, rows=4, classes=_CLASSES, seed=3, bad_row=1, label_dtype=widest)
    return {name: replace(plain, bad_label=label) for name, label in labels.items() if fits.min <= label <= fits.max}


def read_label(case: Case, bench: Bench) -> str:
    """The name, among `ANSWERS`, of what the subject makes of the case's bad label."""
    call = bench.call(case)
    return answer_of(bench.run(call), lambda answer: _name(answer, call, case, bench), call)


def _name(answer: Returned, call: Call, case: Case, bench: Bench) -> str:
    row, label = case.bad_row, case.bad_label
    assert label is not None
    loss = loss_of_row(answer, row)
    what = and_gradient(answer, call, bench, row)
    if np.isnan(loss):
        return f"NaN{what}"
    if np.isinf(loss):
        return "infinite loss"
    if loss == 0:
        return f"0{what}"
    readings = {name: read(label, case.classes) for name, read in _READINGS.items()}
    for name, k in readings.items():
        if 0 <= k < case.classes and answers_as(answer, call, bench, row, **with_label(call, row, k)):
            return f"{name}{what}" if what == ", gradient 0" else name
    return "another number"


_READINGS: dict[str, Callable[[int, int], int]] = {
    "class label + C": lambda label, classes: label + classes,
    "label mod 2**32": lambda label, classes: label % 2**32,
    "class 0": lambda label, classes: 0,
    "class C-1": lambda label, classes: classes - 1,
}


ANSWERS = {
    "NaN": "the loss shows the fault, and there is no gradient",
    "NaN, gradient NaN": "the row is poisoned, as TensorFlow promises for GPUs",
    "NaN, gradient 0": "the loss shows the fault, the gradient is silent",
    "NaN, gradient softmax": "the loss shows the fault, the gradient goes on training",
    "NaN, gradient of another kind": "the loss shows the fault, the gradient is something else",
    "0": "the row is ignored, and there is no gradient",
    "0, gradient 0": "the row is ignored",
    "0, gradient softmax": "an all-zero row of labels: loss 0, and a gradient that flattens the row",
    "0, gradient of another kind": "loss 0 with some gradient",
    "infinite loss": "the label's probability is taken for 0",
    "class label + C": "counted from the end, as Python indexes",
    "class label + C, gradient 0": "the loss of class label + C without its gradient",
    "label mod 2**32": "cut to 32 bits: the loss of another class",
    "label mod 2**32, gradient 0": "cut to 32 bits, without its gradient",
    "class 0": "clamped: the loss of the first class",
    "class 0, gradient 0": "clamped: the loss of the first class without its gradient",
    "class C-1": "clamped: the loss of the last class",
    "class C-1, gradient 0": "clamped: the loss of the last class without its gradient",
    "another number": "none of these: perhaps memory that is not its own",
}

CLAUSES = (
    policy(
        "LAB-2",
        "what a label outside [0, C) does",
        (_TF, _TORCH),
        takes("index", inputs="logits"),
        cells=_labels_outside,
        answers=ANSWERS,
        usual=lambda _: REFUSES,
        observe=read_label,
        options=True,
    ),
)
