"""The race: each contender in a process of its own, all of them in turn, round by round, with the rulers among them.

What disturbs a machine disturbs whole rounds: in each, the time of a contender is divided by that of the fastest ruler,
and the median over the rounds is what is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from xentcheck.speed.contenders import takes
from xentcheck.workers.interpreter import executable
from xentcheck.workers.process import Limits, WorkerDied, WorkerHung, WorkerProcess, WorkerTooBig
from xentcheck_adapters import Subject, roofline
from xentcheck_adapters.registry import home_of
from xentcheck_adapters.wire import Header
from xentcheck_adapters.workload import Workload, environment
from xentcheck_reports import Timing

# glibc gives large blocks back to the system at every free, and the next call pays a page fault for each 4 KiB of its
# results: more than the loss itself. So it is told to keep them, in one arena, since others hold 64 MiB at most.
_KEPT_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
    "MALLOC_ARENA_MAX": "1",
}
_RULERS = (roofline.CACHED, roofline.STREAMED)


class RulerError(Exception):
    """The roofline cannot be measured; says why."""


class Racer:
    """A process in which one contender, or one ruler, is timed. `unavailable` says why it cannot go on."""

    def __init__(self, name: str, adapter: str, interpreter: str | None, variables: Mapping[str, str]) -> None:
        self._about = {"subject": name, "adapter": adapter, "home": home_of(adapter)}
        self._limits = Limits()
        self._process = WorkerProcess(executable(interpreter), {**os.environ, **variables}, self._limits)
        self.seconds: list[float] = []
        self.first_seconds: float | None = None
        self.unavailable: str | None = None

    def prepare(self, workload: Workload) -> None:
        """Make a workload ready."""
        self.seconds, self.first_seconds, self.unavailable = [], None, None
        answer = self._ask({"do": "prepare", "workload": asdict(workload), **self._about}, self._limits.open_seconds)
        self.first_seconds = answer.get("first_seconds")

    def run(self, seconds: float) -> None:
        """One round more, of about so many seconds."""
        answer = self._ask({"do": "time", "seconds": seconds}, self._limits.call_seconds)
        if "seconds" in answer:
            self.seconds.append(answer["seconds"])

    def close(self) -> None:
        """Stop the process."""
        self._process.close()

    def _ask(self, request: Header, seconds: float) -> Header:
        answer: Header = {}
        if self.unavailable is None:
            try:
                self._process.send(request)
                answer = self._process.receive(seconds)
            except (WorkerDied, WorkerHung, WorkerTooBig) as error:
                answer = {"unavailable": str(error)}
            self.unavailable = answer.get("unavailable")
        return answer


class Race:
    """Races over workloads; processes are kept as long as workloads can share them. A context manager."""

    def __init__(self, contenders: Sequence[Subject], *, rounds: int, seconds: float) -> None:
        self._contenders, self._rounds, self._seconds = contenders, rounds, seconds
        self._racers: dict[tuple[str, tuple[tuple[str, str], ...]], Racer] = {}
        self._shared: tuple[int, bool] | None = None

    def __enter__(self) -> Race:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def over(self, workload: Workload) -> Iterator[Timing]:
        """What each contender that has such a workload takes for it. Raises RulerError if there is no roofline."""
        if self._shared != (workload.threads, workload.warm):
            self.close()
            self._shared = workload.threads, workload.warm
        rulers = [self._racer(name, roofline.__name__, None, {}, workload) for name in _RULERS]
        subjects = [subject for subject in self._contenders if takes(subject, workload)]
        racers = [
            self._racer(one.known_as, one.adapter, one.interpreter, _variables(one, workload), workload)
            for one in subjects
        ]
        for racer in (*rulers, *racers):
            racer.prepare(workload)
        _heed(rulers)
        for _ in range(self._rounds):
            for racer in (*rulers, *racers):
                racer.run(self._seconds)
        _heed(rulers)
        fastest = [min(pair) for pair in zip(*(ruler.seconds for ruler in rulers), strict=True)]
        for subject, racer in zip(subjects, racers, strict=True):
            yield _timing(subject, workload, racer, fastest)
            if racer.unavailable:
                self._forget(racer)

    def close(self) -> None:
        """Stop all processes."""
        for racer in [*self._racers.values()]:
            self._forget(racer)

    def _racer(
        self, name: str, adapter: str, interpreter: str | None, judged: Mapping[str, str], workload: Workload
    ) -> Racer:
        variables = {**(_KEPT_MEMORY if workload.warm else {}), **environment(judged, workload.threads)}
        key = f"{name}@{interpreter}", tuple(sorted(variables.items()))
        if key not in self._racers:
            self._racers[key] = Racer(name, adapter, interpreter, variables)
        return self._racers[key]

    def _forget(self, racer: Racer) -> None:
        racer.close()
        self._racers = {key: value for key, value in self._racers.items() if value is not racer}


def _heed(rulers: Sequence[Racer]) -> None:
    for ruler in rulers:
        if ruler.unavailable:
            raise RulerError(f"the roofline cannot be measured: {ruler.unavailable}")


def _variables(subject: Subject, workload: Workload) -> dict[str, str]:
    return {**subject.environment, **subject.dtype_environment.get(workload.dtype, {})}


def _timing(subject: Subject, workload: Workload, racer: Racer, fastest: list[float]) -> Timing:
    # What somebody wrote himself is compared with all frameworks, his own too.
    framework = subject.framework if subject.described else subject.name
    fields = {**asdict(workload), "subject": subject.name, "framework": framework}
    if racer.unavailable:
        return Timing(**fields, reason=racer.unavailable)
    return Timing(**fields, seconds=racer.seconds, roofline=fastest, first_seconds=racer.first_seconds)
