"""SHP: shapes at the edge, and shapes that do not fit together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import softmax_of_logits, takes
from xentcheck.clauses.policy import REFUSES, answer_of, policy
from xentcheck.clauses.reading import reads_as
from xentcheck.strategies import Scope
from xentcheck_adapters import Call, Returned

_NUMPY = "https://numpy.org/doc/stable/user/basics.broadcasting.html"
_TF = "https://www.tensorflow.org/api_docs/python/tf/nn/softmax_cross_entropy_with_logits"

_ONE_CLASS, _NO_CLASSES, _NO_ROWS = "one class", "no classes", "no rows"
_ONE_ROW_OF_LABELS, _ONE_ROW_OF_LOGITS = "one row of labels for all rows", "one row of logits for all labels"
_NO_BATCH, _LABEL_WITH_AXIS = "one row without a batch axis", "one row without a batch axis, a label (1,)"


def _plain(scope: Scope) -> Case:
    labels = "index" if "index" in scope.subject.labels else "one-hot"
    return Case(dtype=scope.dtype, rows=4, classes=7, regime="normal", seed=5, labels=labels)


def _edges(scope: Scope) -> Mapping[str, Case]:
    cells = {_ONE_CLASS: replace(_plain(scope), classes=1)}
    # each shape is a compilation
    if not scope.subject.retraces or (not scope.subject.slow_traces and scope.level.name != "quick"):
        cells |= {_NO_CLASSES: _plain(scope), _NO_ROWS: replace(_plain(scope), rows=0)}
    return cells


def _read_edge(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    if case.cell == _NO_CLASSES:
        labels = call.labels[:, :0] if call.has_dense_labels else np.zeros_like(call.labels)
        call = replace(call, logits=call.logits[:, :0], labels=labels)
    return answer_of(bench.run(call), _name_edge, call)


def _name_edge(answer: Returned) -> str:
    if not answer.loss.size:
        return "no losses"
    loss = answer.loss.astype(np.float64)
    if np.isnan(loss).all():
        return "NaN"
    if np.isinf(loss).all():
        return "-inf" if (loss < 0).all() else "+inf"
    if loss.any():
        return "another number"
    return "-0" if np.signbit(loss).all() else "+0"


def _misfits(scope: Scope) -> Mapping[str, Case]:
    return {name: replace(_plain(scope), labels="soft") for name in (_ONE_ROW_OF_LABELS, _ONE_ROW_OF_LOGITS)}


def _read_misfit(case: Case, bench: Bench) -> str:
    whole = bench.call(case)
    if case.cell == _ONE_ROW_OF_LABELS:
        asked = replace(whole, labels=whole.labels[:1])
        meant = replace(whole, labels=np.repeat(whole.labels[:1], case.rows, axis=0))
    else:
        asked = replace(whole, logits=whole.logits[:1])
        meant = replace(whole, logits=np.repeat(whole.logits[:1], case.rows, axis=0))

    def name(answer: Returned) -> str:
        return "broadcasts" if reads_as(answer.loss, "loss", meant, bench) else "another loss"

    return answer_of(bench.run(asked), name)


def _without_batch(scope: Scope) -> Mapping[str, Case]:
    # each shape is a compilation
    names = (_NO_BATCH,) if scope.subject.slow_traces else (_NO_BATCH, _LABEL_WITH_AXIS)
    return {name: replace(_plain(scope), rows=1) for name in names}


def _read_one_row(case: Case, bench: Bench) -> str:
    call = bench.call(case)

    # an upstream gradient of the batched call's shape would not fit
    alone = replace(call, logits=call.logits[0], labels=call.labels[0], upstream=np.ones((), call.logits.dtype))
    if case.cell == _LABEL_WITH_AXIS:
        alone = replace(alone, labels=np.ones(1, call.labels.dtype) if call.has_dense_labels else call.labels)
        meant = replace(call, labels=np.ones_like(call.labels)) if call.has_dense_labels else call
        return answer_of(bench.run(alone), lambda answer: _name_of_one_label(answer, meant, bench))

    def name(answer: Returned) -> str:
        return "the row's loss" if reads_as(answer.loss[None], "loss", call, bench) else "another number"

    return answer_of(bench.run(alone), name, alone)


def _name_of_one_label(answer: Returned, meant: Call, bench: Bench) -> str:
    """What one class index (1,) gives for one row, or one entry (1,) repeated over its classes."""
    if not reads_as(answer.loss.reshape(-1), "loss", meant, bench):
        return "another number"
    shape = "" if answer.loss.ndim == 0 else " (1,)"
    return f"broadcasts{shape}" if meant.has_dense_labels else f"the row's loss{shape}"


CLAUSES = (
    policy(
        "SHP-10",
        "one class, no classes, no rows",
        ("softmax over one class is 1, and its loss 0; over none there is no distribution",),
        softmax_of_logits,
        cells=_edges,
        answers={
            "+0": "a zero",
            "-0": "a zero with a sign",
            "-inf": "the log-sum-exp of nothing, minus whatever the label read",
            "+inf": "the loss is +inf",
            "NaN": "the loss is NaN",
            "no losses": "an array of shape (0,)",
            "another number": "the loss is some other number",
        },
        usual=lambda case: {_ONE_CLASS: "+0", _NO_CLASSES: REFUSES, _NO_ROWS: "no losses"}[case.cell],
        observe=_read_edge,
        options=True,
        programs=True,
    ),
    policy(
        "SHP-11",
        "logits and rows of labels of which one has a single row",
        ("labels are promised to have the logits' shape", _TF, _NUMPY),
        takes("dense", inputs="logits"),
        cells=_misfits,
        answers={
            "broadcasts": "the single row stands for all rows, silently",
            "another loss": "something else",
        },
        usual=lambda _: REFUSES,
        observe=_read_misfit,
        options=True,
        programs=True,
    ),
    policy(
        "SHP-12",
        "one row without a batch axis",
        ("logits (C,) with a label () or labels (C,) give a loss ()",),
        softmax_of_logits,
        cells=_without_batch,
        answers={
            "the row's loss": "a scalar: the loss of that row",
            "the row's loss (1,)": "the loss of that row as an array of one",
            "broadcasts": "the one entry of the labels is that of every class",
            "broadcasts (1,)": "the one entry of the labels is that of every class, and the loss an array of one",
            "another number": "a scalar, and not the loss of that row",
        },
        usual=lambda case: "the row's loss" if case.cell == _NO_BATCH else REFUSES,
        observe=_read_one_row,
        options=True,
        programs=True,
    ),
)
