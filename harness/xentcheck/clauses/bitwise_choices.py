"""DET, EQ: answers that may be the same to the last bit, and need not be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import softmax_of_logits
from xentcheck.clauses.equivalence import has_both_forms, one_hot
from xentcheck.clauses.policy import answer_of, policy
from xentcheck.strategies import Scope
from xentcheck_adapters import Array, Call, Outcome, Returned, Subject

_QUESTION = "https://stackoverflow.com/questions/37312421/"
_THINKING = "https://thinkingmachines.ai/blog/defeating-nondeterminism-in-llm-inference/"

_REPRODUCIBLE = "https://docs.pytorch.org/docs/stable/notes/randomness.html"

_ANSWERS = {
    "loss and gradient the same": "every number of both",
    "the same loss": "every loss; some number of the gradient differs",
    "the same gradient": "every number of the gradient; some loss differs",
    "neither": "some loss and some number of the gradient differ",
}
_USUAL = "loss and gradient the same"


def _plain(scope: Scope, rows: int, classes: int, labels: str) -> Case:
    return Case(dtype=scope.dtype, rows=rows, classes=classes, regime="normal", seed=6, labels=labels)


def _batches(scope: Scope) -> Mapping[str, Case]:
    labels = "index" if "index" in scope.subject.labels else "soft"
    shapes = [(256, 10)] if scope.level.name == "quick" else [(256, 10), (2, 1000), (17, 1000), (2, 32000)]
    return {f"{rows} rows of {classes} classes": _plain(scope, rows, classes, labels) for rows, classes in shapes}


_PARALLEL = ((1024, 1000), (4, 65536))
# Alone, each row costs a call.
_MOST_ALONE = 33


def _read_batch(case: Case, bench: Bench) -> str:
    call = bench.call(case)

    def name(answer: Returned) -> str:
        alone = min(case.rows, _MOST_ALONE)
        others = _joined([bench.run(_row(call, row)) for row in range(alone)])
        return answer_of(others, lambda other: _named(answer.rows(np.arange(case.rows) < alone), other))

    return answer_of(bench.run(call), name, call)


def _row(call: Call, row: int) -> Call:
    return replace(call, logits=call.logits[row : row + 1], labels=call.labels[row : row + 1])


def _joined(outcomes: list[Outcome]) -> Outcome:
    """The answers to single rows as one answer, or the first outcome that is none."""
    answers = [outcome for outcome in outcomes if isinstance(outcome, Returned)]
    if len(answers) < len(outcomes):
        return next(outcome for outcome in outcomes if not isinstance(outcome, Returned))
    parts = [answer.results for answer in answers]
    joined = {what: np.concatenate([np.atleast_1d(part[what]) for part in parts]) for what in parts[0]}
    return Returned(joined["loss"], joined.get("grad_logits"))


def _sizes(scope: Scope) -> Mapping[str, Case]:
    """Sizes that are worth a second thread, over the rows, over the classes of few rows, and over a mean."""
    labels = "index" if "index" in scope.subject.labels else "soft"
    cells = {f"{rows} rows of {classes} classes": (rows, classes, "none") for rows, classes in _PARALLEL}
    if "mean" in scope.subject.reductions:
        cells["the mean of 4096 rows"] = (4096, 100, "mean")
    return {
        name: replace(_plain(scope, rows, classes, labels), reduction=reduction)
        for name, (rows, classes, reduction) in cells.items()
    }


def _read_threads(case: Case, bench: Bench) -> str:
    call, subject = bench.call(case), bench.subject
    environment = {**subject.environment, **subject.other_threads}
    other = replace(bench, target=replace(bench.target, subject=replace(subject, environment=environment)))

    def name(answer: Returned) -> str:
        return answer_of(other.run(call), lambda again: _named(answer, again), call)

    return answer_of(bench.run(call), name, call)


def _has_other_threads(subject: Subject) -> str | None:
    return None if subject.other_threads else "is not asked with another number of threads"


def _two_forms(scope: Scope) -> Mapping[str, Case]:
    return {"256 rows of 10 classes": _plain(scope, 256, 10, "index")}


def _read_forms(case: Case, bench: Bench) -> str:
    call, twin = bench.call(case), bench.of(bench.subject.form_twin or bench.subject.name)

    def name(answer: Returned) -> str:
        return answer_of(twin.run(one_hot(call)), lambda other: _named(answer, other), call)

    return answer_of(bench.run(call), name, call)


def _named(mine: Returned, other: Returned) -> str:
    same = {what: _same(array, other.results[what]) for what, array in mine.results.items()}
    if all(same.values()):
        return _USUAL
    return "the same loss" if same["loss"] else "the same gradient" if same.get("grad_logits") else "neither"


def _same(a: Array, b: Array) -> bool:
    """Equal numbers; zeros of either sign are."""
    return bool(np.array_equal(a.astype(np.float64), b.astype(np.float64), equal_nan=True))


def _of_settled_bits(lacks: Callable[[Subject], str | None]) -> Callable[[Subject], str | None]:
    """Applicability to subjects whose last bits are settled by a call. One kernel of torch.compile serves many shapes,
    and which one that is depends on the shapes that came before."""
    unsettled = "answers with a kernel that depends on the shapes it saw before"
    return lambda subject: lacks(subject) or (unsettled if subject.slow_traces else None)


CLAUSES = (
    policy(
        "DET-10",
        "whether a row's answer is the same, bit by bit, alone and in a batch",
        ("Rows are independent; the order of a row's sum may depend on how many rows there are.", _THINKING),
        _of_settled_bits(softmax_of_logits),
        cells=_batches,
        answers=_ANSWERS,
        usual=lambda _: _USUAL,
        observe=_read_batch,
        options=True,
        programs=True,
    ),
    policy(
        "DET-11",
        "whether an answer is the same, bit by bit, with one thread and with several",
        ("The order of a sum may depend on how it is shared out.", _REPRODUCIBLE),
        _has_other_threads,
        cells=_sizes,
        answers=_ANSWERS,
        usual=lambda _: _USUAL,
        observe=_read_threads,
        options=True,
        processes=True,
    ),
    policy(
        "EQ-10",
        "whether class indices and one-hot rows give the same numbers, bit by bit",
        (_QUESTION, "sum over a one-hot row picks one term"),
        _of_settled_bits(has_both_forms),
        cells=_two_forms,
        answers=_ANSWERS,
        usual=lambda _: _USUAL,
        observe=_read_forms,
        options=True,
        programs=True,
    ),
)
