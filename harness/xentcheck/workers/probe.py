"""The probe of a callable that nobody described: a few harmless calls prove that its arguments arrive as they are
meant, and one line says what was found.

What it offers is read off its signature, in its worker. The calls settle only what no signature tells: kinds and dtypes
of labels, the place of the class axis, whether the labels have a gradient, and by how many rows a mean divides where
its flavour leaves that open. An argument that is accepted and does nothing is still offered, for the clauses to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from textwrap import shorten
from typing import Any

import numpy as np

from xentcheck_adapters import Array, Call, Crashed, Outcome, Refused, Returned, Subject, TimedOut, Unavailable
from xentcheck_adapters.callables import AXIS, OPTIONS, REDUCTION
from xentcheck_adapters.procedures import LOSS_ALONE

Ask = Callable[[Call], Outcome]

_FROM_LOGITS, _GRAD_OUTPUT = "from_logits", "grad_output"
_KINDS = {"index": "class indices", "dense": "rows"}
_LOGITS = np.array([[0.5, 2.0, -1.0], [1.5, 0.0, 0.5]], np.float32)  # of as many rows as no broadcast takes for classes
_LABELS: dict[str, Array] = {
    "index": np.array([2, 0]),
    "dense": np.array([[0.5, 0.25, 0.25], [0.25, 0.125, 0.625]], np.float32),
}
_UPSTREAM = np.array([2.0, -0.5], np.float32)
# More positions than classes, so that labels of the positions are no index along them.
_POSITIONS, _CLASSES = 4, 3
_SPREAD = np.cos(np.arange(2 * _POSITIONS * _CLASSES, dtype=np.float32)).reshape(-1, _CLASSES)
# Each changes losses of about one by far more than float32 rounds them.
_ARGUMENTS: Mapping[str, Any] = {
    "weight": np.array([4.0, 2.0, 0.5], np.float32),
    "sample_weight": np.array([2.0, 0.5], np.float32),
    "ignore_index": 2,
    "label_smoothing": 0.5,
    "z_loss": 0.5,
    "softcap": 1.0,
}
_CLOSE = 1e-3
_LONGEST = 160  # characters of somebody's message


def probe(subject: Subject, ask: Ask, versions: Mapping[str, str]) -> tuple[Subject, str]:
    """The subject, of which the signature has told its part, as a few calls show it; and what was found, in one line.

    Raises Unavailable, with the reason, if it does not answer in time, if it takes no kind of labels, or if it gives no
    loss per row and has no argument to ask for one.
    """
    outcomes = {kind: ask(_plain(kind)) for kind in subject.labels}
    if not any(isinstance(outcome, Returned) for outcome in outcomes.values()):
        return subject, f"{subject.name}: answers no harmless call: {_nothing(subject, outcomes)}"
    subject = replace(subject, **_labels(subject, outcomes, ask))
    subject = replace(subject, class_axes=_class_axes(subject, ask), options=_options(subject, ask))
    subject, mean = _mean(subject, ask)
    troubles = _arguments(subject, ask)
    working = [name for name in OPTIONS if subject.offers(name) and name not in troubles]
    lacking = [name for name in OPTIONS if not subject.offers(name)]
    parts = [
        " and ".join(_KINDS[kind] for kind in subject.labels),
        f"reduction {', '.join(subject.reductions)}" if REDUCTION in subject.signature else "a loss per row",
        _place(subject),
        (", ".join(working) or "no options") + (f" ({', '.join(lacking)} not offered)" if lacking else ""),
        *_logits(subject),
        *mean,
        _upstream(subject, ask),
        *_reductions(subject, ask),
        *_axes(subject, ask),
        *troubles.values(),
        ", ".join(f"{package} {version}" for package, version in versions.items()),
    ]
    return subject, f"{subject.name}: {'; '.join(parts)}"


def _plain(kind: str, **fields: Any) -> Call:
    return Call(_LOGITS, _LABELS[kind], procedure=LOSS_ALONE, **fields)


def _nothing(subject: Subject, outcomes: Mapping[str, Outcome]) -> str:
    """Why there is no answer at all, for a function that is judged all the same, since it was written to our signature;
    Unavailable for any other, which somebody may have named by mistake, and for one that hangs."""
    told = [f"{_KINDS[kind]} ({_why(outcome)})" for kind, outcome in outcomes.items()]
    hangs = any(isinstance(outcome, TimedOut) for outcome in outcomes.values())
    if hangs or _GRAD_OUTPUT not in subject.signature:
        raise Unavailable(f"{subject.name} takes neither {' nor '.join(told)}")
    return ", ".join(told)


def _labels(subject: Subject, outcomes: Mapping[str, Outcome], ask: Ask) -> dict[str, Any]:
    """The kinds of labels that are not refused, and in which dtypes indices are not; of what was written to our
    signature all of them are due."""
    dtypes = subject.label_dtypes
    if "index" in outcomes and _GRAD_OUTPUT not in subject.signature:
        rows = _plain("index")
        asked = {name: ask(replace(rows, labels=rows.labels.astype(name))) for name in dtypes}
        dtypes = tuple(name for name in dtypes if not isinstance(asked[name], Refused)) or dtypes
    answered = {kind: outcome.loss.shape for kind, outcome in outcomes.items() if isinstance(outcome, Returned)}
    reduces = REDUCTION in subject.signature
    per_row = [kind for kind, shape in answered.items() if shape == _LOGITS.shape[:1]]
    if not per_row and not reduces:
        raise Unavailable(
            f"{subject.name} gave {len(_LOGITS)} rows a loss of shape {next(iter(answered.values()))}; without a "
            "keyword argument reduction, expected one loss per row"
        )
    # A wrong shape, whatever is asked for, is for the clauses to tell, and so is a process that died.
    taken = per_row or list(answered)
    taken += [kind for kind, outcome in outcomes.items() if not isinstance(outcome, Returned | Refused)]
    return {
        "labels": tuple(kind for kind in subject.labels if kind in taken),
        "label_dtypes": dtypes,
        "reductions": subject.reductions if reduces else ("none",),
    }


def _class_axes(subject: Subject, ask: Ask) -> tuple[int, ...]:
    """With an argument for it all places, if one of them is answered; without one the first that is."""
    rows = len(_SPREAD)
    for axis in subject.class_axes:
        answer = ask(_positioned(subject, axis))
        if isinstance(answer, Returned) and answer.loss.shape == (rows,):
            return subject.class_axes if AXIS in subject.signature else (axis,)
    return ()


def _positioned(subject: Subject, axis: int) -> Call:
    return replace(_rows_of_many(subject), positions=(_POSITIONS,), class_axis=axis)


def _rows_of_many(subject: Subject) -> Call:
    classes = np.arange(len(_SPREAD)) % _CLASSES
    labels = classes if "index" in subject.labels else np.eye(_CLASSES, dtype=np.float32)[classes]
    return Call(_SPREAD, labels, procedure=LOSS_ALONE)


def _options(subject: Subject, ask: Ask) -> frozenset[str]:
    """Those offered, without the gradient to the labels where it is none, or the zero that stands for none in JAX."""
    if "grad_labels" not in subject.options:
        return subject.options
    if "dense" in subject.labels:
        outcome = ask(replace(_plain("dense"), procedure="reverse", want_grad_labels=True))
        if isinstance(outcome, Returned) and outcome.grad_labels is not None and outcome.grad_labels.any():
            return subject.options
    return subject.options - {"grad_labels"}


def _mean(subject: Subject, ask: Ask) -> tuple[Subject, list[str]]:
    """The subject with what its mean divides by, where class weights are no matter: "kept", or all rows where ignored
    ones count, which the mean over the batch size of Keras makes of rows whose loss is zero."""
    if subject.mean_divides_by["index"] != "kept":
        return subject, []
    divisor, told = "kept", []
    if subject.offers("ignore_index") and {"index"} <= {*subject.labels} and "mean" in subject.reductions:
        rows, mean = (ask(_plain("index", ignore_index=2, reduction=reduction)) for reduction in ("none", "mean"))
        if isinstance(rows, Returned) and isinstance(mean, Returned):
            divisor = "rows" if _same(mean.loss, rows.loss.sum() / len(_LOGITS)) else "kept"
            told = [f"the mean divides by {'all' if divisor == 'rows' else 'the kept'} rows"]
    return replace(subject, mean_divides_by={**subject.mean_divides_by, "index": divisor}), told


def _arguments(subject: Subject, ask: Ask) -> dict[str, str]:
    """What is to be said of options that do not work, by their names."""
    kind = subject.labels[0]
    without = ask(_plain(kind))
    told = {}
    for name in OPTIONS:
        if not subject.offers(name) or (name == "ignore_index" and kind != "index"):
            continue
        outcome = ask(_plain(kind, **{name: _ARGUMENTS[name]}))
        if not isinstance(outcome, Returned):
            told[name] = f"{name}: {_why(outcome)}"
        elif isinstance(without, Returned) and _same(outcome.loss, without.loss):
            told[name] = f"{name} is accepted and changes nothing"
    return told


def _reductions(subject: Subject, ask: Ask) -> list[str]:
    """What is to be said of reductions that are other numbers than those of the rows."""
    if REDUCTION not in subject.signature:
        return []
    answers = {name: ask(_plain(subject.labels[0], reduction=name)) for name in subject.reductions}
    losses = {name: outcome.loss for name, outcome in answers.items() if isinstance(outcome, Returned)}
    told = [f"reduction {name}: {_why(outcome)}" for name, outcome in answers.items() if name not in losses]
    if "none" not in losses:
        return told
    rows = losses["none"]
    if rows.shape != _LOGITS.shape[:1]:
        return [*told, f"reduction none gives {len(_LOGITS)} rows a loss of shape {rows.shape}"]
    due = {"sum": rows.sum(), "mean": rows.mean()}
    wrong = [name for name in due if name in losses and not _same(losses[name], due[name])]
    return [*told, *(f"reduction {name} gives {losses[name].tolist()} for rows {rows.tolist()}" for name in wrong)]


def _axes(subject: Subject, ask: Ask) -> list[str]:
    """What is to be said of places of the class axis with which rows have other losses than as rows."""
    rows, told = ask(_rows_of_many(subject)), list[str]()
    if not isinstance(rows, Returned):
        return told
    for axis in subject.class_axes:
        answer = ask(_positioned(subject, axis))
        if not isinstance(answer, Returned):
            told.append(f"class axis {axis}: {_why(answer)}")
        elif not _same(answer.loss, rows.loss):
            told.append(f"with class axis {axis} the rows have other losses")
    return told


def _upstream(subject: Subject, ask: Ask) -> str:
    if not subject.differentiable:
        return "no gradients"
    rows = replace(_plain(subject.labels[0]), procedure="reverse")
    ones, scaled = ask(rows), ask(replace(rows, upstream=_UPSTREAM))
    for outcome in (ones, scaled):
        if not isinstance(outcome, Returned):
            return f"no gradient: {_why(outcome)}"
    assert isinstance(ones, Returned)
    assert isinstance(scaled, Returned)
    plain, given = ones.grad_logits, scaled.grad_logits
    if plain is None or given is None or not plain.any():
        return "the gradient is zero"
    if plain.shape == _LOGITS.shape and _same(given, _UPSTREAM[:, None] * plain):
        return "the upstream gradient arrives"
    return "the upstream gradient " + ("changes nothing" if _same(given, plain) else "arrives as another factor")


def _logits(subject: Subject) -> list[str]:
    """How a loss of Keras, which may be one of probabilities, knows that it is given logits."""
    if _FROM_LOGITS in subject.signature:
        return [f"{_FROM_LOGITS}=True is passed"]
    return [f"without {_FROM_LOGITS} it is given logits"] if subject.framework.startswith("keras") else []


def _place(subject: Subject) -> str:
    if not subject.class_axes:
        return "(N, C) only"
    return "class axis by argument" if AXIS in subject.signature else f"class axis {subject.class_axes[0]}"


def _same(got: Array, expected: Any) -> bool:
    return got.shape == np.shape(expected) and np.allclose(
        got.astype(np.float64), np.asarray(expected, np.float64), rtol=_CLOSE, atol=_CLOSE
    )


def _why(outcome: Outcome) -> str:
    """Why there is no answer, in a few words."""
    if isinstance(outcome, Refused):
        return shorten(f"{outcome.error}: {outcome.message}", _LONGEST, placeholder=" …")
    if isinstance(outcome, Crashed):
        return f"the process died, {outcome.cause}"
    return f"no answer within {outcome.seconds:g} s" if isinstance(outcome, TimedOut) else "out of memory"
