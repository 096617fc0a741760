"""Tasks dealt out to processes that have workers of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterable
from concurrent import futures
from itertools import islice
from multiprocessing.connection import wait
from threading import Thread
from typing import TypeVar

from xentcheck.workers import WorkerPool

Result = TypeVar("Result")


def dealt_out(todo: Iterable[Callable[[WorkerPool], Result]], processes: int) -> Generator[Result, None, None]:
    """What comes of the tasks, as it comes; each can be sent to another process, and gets that one's workers. They are
    asked for as processes get free. To close the generator stops all processes at once.

    Raises concurrent.futures.process.BrokenProcessPool if one of them was killed.
    """
    others = set(multiprocessing.active_children())
    executor = futures.ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _open_workers)
    try:
        coming = (executor.submit(_with_workers, task) for task in todo)
        pending = set(islice(coming, processes + 1))  # one waits, so that nobody has to
        while pending:
            finished, pending = futures.wait(pending, return_when=futures.FIRST_COMPLETED)
            for future in finished:
                yield future.result()
                pending.update(islice(coming, 1))
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()  # their workers end with them


_workers: WorkerPool


def _open_workers() -> None:
    """Of a process: its workers, for as long as it lives."""
    global _workers
    Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that people see
    _workers = WorkerPool()


def _end_with_parent() -> None:
    """However that ended: a process of a pool waits for work for ever."""
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os._exit(1)


def _with_workers(task: Callable[[WorkerPool], Result]) -> Result:
    return task(_workers)
