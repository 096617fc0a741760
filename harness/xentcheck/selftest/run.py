"""The self-test as a whole: trials and hearings, dealt out to processes that have workers of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from xentcheck.faults import Fault, Registry
from xentcheck.levels import LEVELS, Level
from xentcheck.processes import dealt_out
from xentcheck.selftest.trial import Court, hear, try_fault
from xentcheck.workers import WorkerPool
from xentcheck_adapters import FLOAT_DTYPES
from xentcheck_reports import Hearing, Trial

Result = Trial | Hearing
Task = Callable[[Court], Result]
"""Can be sent to another process."""


@dataclass(frozen=True)
class Tier:
    """
    everywhere  whether every law looks for a fault, in every dtype; only the targeted clause otherwise
    dtypes      in which honest functions are heard
    level       how many cases they are given
    """

    everywhere: bool
    dtypes: tuple[str, ...]
    level: Level


TIERS = {
    "fast": Tier(False, ("float32", "bfloat16"), replace(LEVELS["quick"], unknown_examples=10)),
    "full": Tier(True, FLOAT_DTYPES, LEVELS["standard"]),
}


def tasks(tier: Tier, registry: Registry) -> list[Task]:
    """A trial per fault, and a hearing per honest function and dtype."""
    trials: list[Task] = [partial(_trial, fault, tier.everywhere) for fault in registry.faults]
    return [*trials, *(partial(_hearing, name, dtype, tier.level) for name in registry.honest for dtype in tier.dtypes)]


def _trial(fault: Fault, everywhere: bool, court: Court) -> Trial:
    return try_fault(fault, court, everywhere=everywhere)


def _hearing(function: str, dtype: str, level: Level, court: Court) -> Hearing:
    return hear(function, dtype, court, level)


def results(todo: Sequence[Task], *, seed: int, processes: int) -> Generator[Result, None, None]:
    """What comes of the tasks, as it comes. To close the generator stops all processes at once.

    Raises concurrent.futures.process.BrokenProcessPool if one of them was killed.
    """
    return dealt_out([partial(_in_court, task, seed) for task in todo], processes)


def _in_court(task: Task, seed: int, pool: WorkerPool) -> Result:
    return task(Court(pool, seed))
