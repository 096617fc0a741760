"""The self-test as a whole: trials and hearings, dealt out to processes that have workers of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from threading import Thread

from xentcheck.faults import Fault, Registry
from xentcheck.levels import LEVELS, Level
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
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _open_court, (seed,))
    try:
        for done in as_completed([executor.submit(_in_court, task) for task in todo]):
            yield done.result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()  # their workers end with them


_court: Court


def _open_court(seed: int) -> None:
    """Of a process: its workers, for as long as it lives."""
    global _court
    Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that people see
    _court = Court(WorkerPool(), seed)


def _end_with_parent() -> None:
    """However that ended: a process of a pool waits for work for ever."""
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os._exit(1)


def _in_court(task: Task) -> Result:
    return task(_court)
