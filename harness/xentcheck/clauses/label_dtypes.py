"""LAB: what frameworks make of labels in another dtype than their documents name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import takes
from xentcheck.clauses.policy import REFUSES, answer_of, asked, policy
from xentcheck.clauses.reading import ANOTHER_NUMBER, labelled, nearest_reading
from xentcheck.malformed import DTYPES
from xentcheck.strategies import Scope
from xentcheck_adapters import FLOAT_DTYPES, Call, Returned, dtype_name

_TF_SPARSE = "https://www.tensorflow.org/api_docs/python/tf/nn/sparse_softmax_cross_entropy_with_logits"
_TF_DENSE = "https://www.tensorflow.org/api_docs/python/tf/nn/softmax_cross_entropy_with_logits"
_TORCH = "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html"
_KERAS = "https://github.com/keras-team/keras/blob/master/keras/src/losses/loss.py"

_ACCEPTS, _WIDER = "accepts", "accepts, wider loss"
_FRACTIONAL = "1.7 for 1"
_PLAIN = Case(rows=4, classes=7)
_FEW = ("uint8", "int32", "int64", "bool", "float32")


def _index_dtypes(scope: Scope) -> Mapping[str, Case]:
    cells = {kind: replace(_PLAIN, dtype=scope.dtype, malformed=kind) for kind in (*DTYPES, _FRACTIONAL)}
    return asked(scope, cells, _FEW)


def _read_indices(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    return answer_of(bench.run(call), lambda answer: _name_of_indices(answer, call, case, bench), call)


def _name_of_indices(answer: Returned, call: Call, case: Case, bench: Bench) -> str:
    meant = bench.call(replace(case, malformed=None)).labels
    readings = {_ACCEPTS: labelled(meant)}
    if case.malformed == "bool":
        readings = {_ACCEPTS: labelled(call.labels.astype(np.int64))}
    if case.malformed == _FRACTIONAL:
        readings = {"truncates": labelled(meant), "rounds": labelled(np.minimum(meant + 1, case.classes - 1))}
    readings["no class matches"] = labelled(np.zeros_like(call.logits))
    return nearest_reading(answer, call, bench, readings)


def _row_dtypes(scope: Scope) -> Mapping[str, Case]:
    plain = replace(_PLAIN, dtype=scope.dtype, labels="soft")
    whole = replace(plain, labels="one-hot")
    cells = {dtype: replace(plain, malformed=dtype) for dtype in FLOAT_DTYPES if dtype != scope.dtype}
    cells |= {dtype: replace(whole, malformed=dtype) for dtype in ("int32", "int64", "bool")}
    return asked(scope, cells, ("float32" if scope.dtype == "float64" else "float64", "int64"))


def _read_rows(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    return answer_of(bench.run(call), lambda answer: _name_of_rows(answer, call, case, bench), call)


def _name_of_rows(answer: Returned, call: Call, case: Case, bench: Bench) -> str:
    meant = bench.call(replace(case, malformed=None)).labels
    read = nearest_reading(answer, call, bench, {_ACCEPTS: labelled(meant)})
    return _WIDER if read == _ACCEPTS and dtype_name(answer.loss.dtype) != case.dtype else read


def _beyond_the_dtype(scope: Scope) -> Mapping[str, Case]:
    plain = Case(dtype=scope.dtype, rows=2)
    sizes: tuple[tuple[int, int], ...] = ((257, 513), (2049, 4095))
    if scope.subject.retraces:  # each size is a compilation
        sizes = sizes[1:] if scope.dtype == "float16" else sizes[:1]
    return {f"{label} of {classes}": replace(plain, classes=classes, bad_label=label) for label, classes in sizes}


def _read_large(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    return answer_of(bench.run(call), lambda answer: _name_of_large(answer, call, bench), call)


def _name_of_large(answer: Returned, call: Call, bench: Bench) -> str:
    rounded = call.labels.astype(call.logits.dtype).astype(np.int64)
    readings = {_ACCEPTS: labelled(call.labels), "rounds to the logits' dtype": labelled(rounded)}
    return nearest_reading(answer, call, bench, readings)


_OTHER = {ANOTHER_NUMBER: "none of these"}

CLAUSES = (
    policy(
        "LAB-3",
        "in which dtypes class indices are taken",
        (_TF_SPARSE, _TORCH),
        takes("index", inputs="logits"),
        cells=_index_dtypes,
        answers={
            _ACCEPTS: "the loss of the classes that are meant; of bools, that of classes 0 and 1",
            "truncates": "1.7 is class 1",
            "rounds": "1.7 is class 2",
            "no class matches": "compared with every class, a fraction equals none: an all-zero row of labels",
            **_OTHER,
        },
        usual=lambda case: _ACCEPTS if "int" in (case.malformed or "") else REFUSES,
        observe=_read_indices,
        options=True,
    ),
    policy(
        "LAB-5",
        "in which dtypes rows of labels are taken, and what the loss is returned in",
        (_TF_DENSE, _TORCH),
        takes("dense", inputs="logits"),
        cells=_row_dtypes,
        answers={
            _ACCEPTS: "the right loss, in the dtype of the logits",
            _WIDER: "the right loss, in a wider dtype than that of the logits",
            **_OTHER,
        },
        usual=lambda case: _ACCEPTS,
        observe=_read_rows,
        options=True,
        programs=True,
    ),
    policy(
        "LAB-7",
        "whether a class index passes through the dtype of the logits, which may not hold it",
        (_KERAS,),
        takes("index", inputs="logits"),
        cells=_beyond_the_dtype,
        answers={
            _ACCEPTS: "the loss of the class that is meant",
            "rounds to the logits' dtype": "the loss of the nearest class that the dtype holds",
            **_OTHER,
        },
        usual=lambda _: _ACCEPTS,
        observe=_read_large,
        options=True,
        programs=True,
    ),
)
