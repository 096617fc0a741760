"""Writes docs/porting.md, what changes for a loss that is ported, from docs/figures/choices.json, what the adapters
declare of their subjects, and the ledgers of known divergences:

    python docs/porting.py

The figures are those of docs/choices.md, which `python docs/contract.py --records RECORDS.jsonl` renews.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pages import environment

from xentcheck.contract import CONTRACT
from xentcheck.divergence import Divergence
from xentcheck.known import known_subjects, load_ledger
from xentcheck_adapters import Subject

HERE = Path(__file__).parent
FIGURES, PAGE = HERE / "figures" / "choices.json", HERE / "porting.md"

PORTS = (
    ("From TensorFlow to PyTorch, class indices", "tf.sparse.eager", "torch.eager"),
    ("From TensorFlow to PyTorch, soft labels", "tf.dense.eager", "torch.eager"),
    ("From Keras on TensorFlow to PyTorch", "keras.tf.scce", "torch.eager"),
    ("The same Keras code, from TensorFlow to PyTorch", "keras.tf.scce", "keras.torch.scce"),
    ("From PyTorch to JAX", "torch.eager", "optax.int.eager"),
    ("From TensorFlow to JAX", "tf.sparse.eager", "optax.int.eager"),
)
_OF_DERIVATIVES = ("hvp", "grad_labels")  # what is asked of autodiff, and no argument

Answers = dict[tuple[str, str], str]
"""(policy, question) -> answer."""


@dataclass(frozen=True)
class Port:
    """What changes between two subjects: rows of what, before, after."""

    title: str
    source: Subject
    target: Subject
    call: list[tuple[str, str, str]]
    shared: int
    answers: list[tuple[str, str, str, str]]
    """Policy, question, before, after"""
    departures: list[tuple[Subject, list[Divergence]]]
    """Known divergences from the mathematics, of either"""


def ports() -> list[Port]:
    """What changes with each of the ports."""
    subjects, figures = known_subjects(), json.loads(FIGURES.read_text(encoding="utf-8"))
    return [_port(title, subjects[source], subjects[target], figures) for title, source, target in PORTS]


def _port(title: str, source: Subject, target: Subject, figures: dict[str, Any]) -> Port:
    before, after = dict(_facts(source)), dict(_facts(target))
    asked, asked_too = _answers(source.name, figures), _answers(target.name, figures)
    shared = [question for question in asked if question in asked_too]
    return Port(
        title=title,
        source=source,
        target=target,
        call=[(what, before[what], after[what]) for what in before if before[what] != after[what]],
        shared=len(shared),
        answers=[(*key, asked[key], asked_too[key]) for key in shared if asked[key] != asked_too[key]],
        departures=[(s, found) for s in (source, target) if (found := _departures(s))],
    )


def _facts(subject: Subject) -> Iterator[tuple[str, str]]:
    yield "call", f"`{subject.api}`"
    yield "labels", ", ".join(subject.labels)
    yield "dtypes of class indices", ", ".join(subject.label_dtypes) if "index" in subject.labels else "-"
    yield "arguments", ", ".join(sorted(subject.options.difference(_OF_DERIVATIVES))) or "none"
    yield "reductions", ", ".join(subject.reductions)
    yield "class axis of (N, d, C) or (N, C, d)", str(subject.class_axes[0]) if subject.class_axes else "-"
    yield "the mean divides by", ", ".join(dict.fromkeys(subject.mean_divides_by.values())) or "-"


def _answers(subject: str, figures: dict[str, Any]) -> Answers:
    return {
        (policy["clause"], cell): "; ".join(answer["text"] for answer in answers)
        for policy in figures["policies"]
        for row in policy["rows"]
        if subject in row["subjects"]
        for cell, answers in zip(policy["cells"], row["answers"], strict=True)
        if answers
    }


def _departures(subject: Subject) -> list[Divergence]:
    """The ledger's entries about a subject, one of each reason."""
    entries = (e for e in load_ledger().entries if any(fnmatchcase(subject.name, name) for name in e.subjects))
    return [*{entry.reason: entry for entry in entries}.values()]


def render() -> str:
    """The page as text."""
    measured = json.loads(FIGURES.read_text(encoding="utf-8"))
    return environment().get_template("porting.md.jinja").render(ports=ports(), measured=measured, contract=CONTRACT)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
