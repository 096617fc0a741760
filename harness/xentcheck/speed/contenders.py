"""Who is timed, and on what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from xentcheck.bench import at
from xentcheck.known import known_subjects
from xentcheck.selection import SelectionError, missing_modules, select_subjects, split_names, subject_and_interpreter
from xentcheck_adapters import FLOAT_DTYPES, Subject, adapter_module, numpy_textbook, roofline
from xentcheck_adapters.workload import Workload

# (N, C): from a call that is all overhead, by those whose logits stay in the caches, to a batch of a language model
SHAPES = ((32, 10), (256, 1000), (1024, 1000), (8192, 1000), (512, 32_000), (256, 128_256), (64, 262_144))
DENSE_SHAPES = ((1024, 1000), (8192, 1000), (512, 32_000), (64, 262_144))
LABELS = ("index", "dense")

_UNJUDGED = {subject.name: subject for subject in (*numpy_textbook.SUBJECTS, roofline.SCALAR)}


def contenders(names: Sequence[str]) -> list[Subject]:
    """The subjects of the names that are timed beside others; without names all that are installed. A subject's whole
    name selects it if it can be timed at all.

    Raises SelectionError for an unknown name, and for one that selects nothing that can be timed; NotInstalledError for
    what is not installed.
    """
    if not names:
        everybody = [*known_subjects().values(), *_UNJUDGED.values()]
        return [subject for subject in everybody if subject.timed and not missing_modules(subject)]
    chosen = {subject.name: subject for name in split_names(names) for subject in _named(name)}
    return list(chosen.values())


def _named(name: str) -> list[Subject]:
    known_as, interpreter = subject_and_interpreter(name)
    if known_as in _UNJUDGED:
        return [at(_UNJUDGED[known_as], interpreter)]
    found = select_subjects([name])
    timed = [one for one in found if can_be_timed(one) and (one.timed or one.known_as == known_as or not one.described)]
    if not timed:
        raise SelectionError(f"{name} cannot be timed: its adapter has no function `timed`")
    return timed


def can_be_timed(subject: Subject) -> bool:
    """Whether the subject's adapter knows how."""
    return hasattr(adapter_module(subject.adapter), "timed")


def takes(subject: Subject, workload: Workload) -> bool:
    """Whether the subject has such a workload at all."""
    return workload.labels in subject.labels and workload.dtype in subject.dtypes


def parse_shapes(texts: Iterable[str]) -> list[tuple[int, int]]:
    """(N, C) of `64,1000`. Raises SelectionError for another form."""
    shapes = []
    for text in texts:
        rows, _, classes = text.partition(",")
        if not (rows.strip().isdecimal() and classes.strip().isdecimal() and int(rows) and int(classes)):
            raise SelectionError(f"a shape is N,C, rows and classes, as in 64,262144; got {text!r}")
        shapes.append((int(rows), int(classes)))
    return shapes


def workloads(
    *,
    shapes: Sequence[tuple[int, int]],
    dtypes: Sequence[str],
    labels: Sequence[str],
    threads: Sequence[int],
    warm: Sequence[bool],
) -> list[Workload]:
    """Every workload that was asked for, with and without gradient; those that processes can share stand together.
    Without shapes those above, of which dense labels have some. Raises SelectionError for an unknown dtype."""
    for dtype in dtypes:
        if dtype not in FLOAT_DTYPES:
            raise SelectionError(f"unknown dtype {dtype!r}; known: {', '.join(FLOAT_DTYPES)}")
    return [
        Workload(*shape, dtype, kind, gradient, is_warm, number)
        for number, is_warm, dtype, kind in product(threads, warm, dtypes, labels)
        for shape, gradient in product(shapes or (DENSE_SHAPES if kind == "dense" else SHAPES), (False, True))
    ]
