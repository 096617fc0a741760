"""A Workload: what is timed, as plain data, and the stopwatch that times it in the subject's own process.

An adapter whose subjects can be timed has `timed(subject, workload) -> Repeat`: the API's call, with its arrays already
where the framework wants them, as a function that makes it so many times and returns when the last one is complete.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

import numpy as np

from xentcheck_adapters.call import Array, Call
from xentcheck_adapters.dtypes import dtype_named

Repeat = Callable[[int], None]

_SHORTEST = 5e-5  # seconds of a sample: the clock of a process costs up to half a microsecond
_LEAST_SAMPLES = 3
_SEED, _NUMBERS = 7, 1 << 20


@dataclass(frozen=True)
class Workload:
    """One call of a softmax cross-entropy with the mean over its rows.

    rows, classes  N and C of the logits
    labels         "index": (N,) int64; "dense": (N, C) in the logits' dtype, each row with the sum 1
    gradient       whether the gradient to the logits is asked for too
    warm           whether results go where those of the call before went, if the API has a place for them
    threads        on how many it is computed. With one, the process is pinned to one core and its own time counts,
                   which other processes do not lengthen; with more, the clock on the wall
    """

    rows: int
    classes: int
    dtype: str
    labels: str = "index"
    gradient: bool = False
    warm: bool = False
    threads: int = 1

    def arrays(self) -> tuple[Array, Array]:
        """Logits and labels; the same for everybody."""
        rng = np.random.default_rng(_SEED)
        shape, dtype = (self.rows, self.classes), dtype_named(self.dtype)
        # Over and over: to draw as many as there are would take longer than what is timed.
        logits = np.resize((2 * rng.standard_normal(_NUMBERS, np.float32)).astype(dtype), shape)
        if self.labels == "index":
            return logits, rng.integers(0, self.classes, self.rows)
        labels = np.resize(rng.random(_NUMBERS, np.float32), shape)
        labels /= labels.sum(axis=1, keepdims=True)
        return logits, labels.astype(dtype)

    def call(self) -> Call:
        """A call with the same options, on the least there is."""
        return Call(np.zeros((1, 1), dtype_named(self.dtype)), np.zeros(1, np.int64), reduction="mean")


def repeated(call: Callable[[], object]) -> Repeat:
    """A call as what makes it so many times."""

    def run(times: int) -> None:
        for _ in range(times):
            call()

    return run


def environment(judged: Mapping[str, str], threads: int) -> dict[str, str]:
    """Of a worker that times a subject, of the environment it is judged in: with so many threads, whichever variable
    its framework reads, which wait for work as is usual."""
    kept = {name: value for name, value in judged.items() if name != "OMP_WAIT_POLICY"}
    return {**kept, **dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NPROC"), str(threads))}


class Stopwatch:
    """Times one workload of one subject."""

    def __init__(self, timed: Callable[[str, Workload], Repeat], subject: str, workload: Workload) -> None:
        """Make the call ready and make it twice, since the first may compile."""
        if workload.threads == 1 and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before the framework makes threads
        self._clock = time.process_time if workload.threads == 1 else time.perf_counter
        self._run = timed(subject, workload)
        started = time.perf_counter()
        self._run(1)
        self.first_seconds = time.perf_counter() - started
        self._times = 1
        while (sample := min(self._sample() for _ in range(_LEAST_SAMPLES))) < _SHORTEST:
            self._times *= max(2, int(_SHORTEST / max(sample, _SHORTEST / 100)))

    def best(self, seconds: float) -> float:
        """Least seconds of a call, among samples taken for about so many seconds."""
        self._run(1)  # whoever ran in between has emptied the caches
        samples, end = list[float](), time.perf_counter() + seconds
        while len(samples) < _LEAST_SAMPLES or time.perf_counter() < end:
            samples.append(self._sample() / self._times)
        return min(samples)

    def _sample(self) -> float:
        started = self._clock()
        self._run(self._times)
        return self._clock() - started
