"""Run the study: thresholds from honest batches of some seeds; every rule on honest and faulty batches of others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from study.batches import CELLS, KINDS, SIZES, Batch, Cell, batches
from study.faulty import FAULTS, Fault
from study.honest_answers import NUMPY, Honest, honest_answers, numpy_run
from study.rules import PARTS, Judge, Reading
from xentcheck.aggregate import BatchStatistics, Thresholds, learn
from xentcheck_adapters import Precision, Returned
from xentcheck_faults.on_numpy.honest import wide
from xentcheck_faults.on_numpy.kernel import Array

KNOWLEDGE = ("declared", "unknown")


@dataclass(frozen=True)
class Plan:
    """How much is run. Thresholds are learned on other seeds than all else, so false alarms are counted on batches
    that nothing was fitted to."""

    dtype: str
    learned_on: Sequence[int]
    held_out: Sequence[int]
    cells: Sequence[Cell] = CELLS
    kinds: Sequence[str] = KINDS
    sizes: Sequence[tuple[int, int]] = SIZES
    faults: Sequence[Fault] = FAULTS
    frameworks: bool = True


@dataclass(frozen=True)
class Observation:
    """One answer to one batch: what it was to, who gave it, whether any bit differs from the honest kernel's answer,
    and what the rules measured."""

    cell: str
    classes: int
    who: str
    framework: bool
    shows: bool
    reading: Reading


@dataclass
class Observations:
    """All that was seen in one dtype."""

    learned: dict[str, list[dict[str, BatchStatistics]]] = field(default_factory=lambda: defaultdict(list))
    honest: list[Observation] = field(default_factory=list)
    faulty: list[Observation] = field(default_factory=list)

    def thresholds(self, dtype: str) -> Thresholds:
        """Learned per cell from the batches set aside for it."""
        cells: dict[str, Any] = {
            k: {dtype: {cell: learn(s[k] for s in seen) for cell, seen in self.learned.items()}} for k in KNOWLEDGE
        }
        return Thresholds(**cells)


def observe(plan: Plan, say: Callable[[str], None] = lambda _: None) -> Observations:
    """Ask everybody everything."""
    everybody = honest_answers(plan.dtype, plan.frameworks)
    seen = Observations()
    for cell in plan.cells:
        say(f"{plan.dtype} {cell.name}")
        for kind in plan.kinds:
            asked = [h for h in everybody if kind in h.kinds]
            for batch in batches(cell, kind, plan.dtype, plan.learned_on, plan.sizes):
                seen.learned[cell.name] += _statistics(batch, plan.dtype, asked)
            for batch in batches(cell, kind, plan.dtype, plan.held_out, plan.sizes):
                asking = _Asking(batch, plan.dtype)
                seen.honest += [asking.observe(h.name, h.run(batch.call), h.precision, h.framework) for h in asked]
                for fault in (f for f in plan.faults if f.kind == kind):
                    answer = numpy_run(fault.function)(batch.call)
                    seen.faulty.append(asking.observe(fault.about, answer, NUMPY.precision[plan.dtype]))
    return seen


def _statistics(batch: Batch, dtype: str, asked: Sequence[Honest]) -> list[dict[str, BatchStatistics]]:
    judge = Judge(batch, dtype)
    return [judge.statistics(h.run(batch.call), h.precision) for h in asked]


class _Asking:
    """Answers to one batch, compared with the honest kernel's."""

    def __init__(self, batch: Batch, dtype: str) -> None:
        self.batch, self.judge = batch, Judge(batch, dtype)
        self.plain = numpy_run(wide)(batch.call)

    def observe(self, who: str, answer: Returned, declared: Precision, framework: bool = False) -> Observation:
        shows = not all(_same(getattr(answer, part), getattr(self.plain, part)) for part in PARTS)
        classes = self.batch.call.logits.shape[1]
        return Observation(self.batch.cell.name, classes, who, framework, shows, self.judge.read(answer, declared))


def _same(a: Array, b: Array) -> bool:
    return bool(np.array_equal(a, b))
