"""The pool: one long-lived worker per framework and process-global state, restarted after a crash."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

from xentcheck.workers.interpreter import InterpreterError, executable, install_command, missing_there
from xentcheck.workers.probe import probe
from xentcheck.workers.process import Limits, WorkerDied, WorkerHung, WorkerProcess, WorkerTooBig
from xentcheck_adapters import Call, Crashed, NotInVersion, Outcome, OutOfMemory, Subject, TimedOut, Unavailable, poison
from xentcheck_adapters.registry import home_of
from xentcheck_adapters.slab import Slab
from xentcheck_adapters.wire import Header, pack_call, unpack_outcome

# glibc gives large blocks back to the system at every free; getting them anew costs a page fault per 4 KiB, which is
# half of a call.
_REUSED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
_JUDGING = {**_REUSED_MEMORY, **poison.ENVIRONMENT}


class State(NamedTuple):
    """What a worker process is: what may share one has the same state."""

    framework: str
    interpreter: str | None
    environment: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Opened:
    """What a worker said of a subject it opened."""

    versions: Mapping[str, str]
    options: frozenset[str]
    found: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the subject that are otherwise here"""
    probed: Subject | None = None
    """Of one that nobody described: what the probe made of it"""
    line: str | None = None
    """What the probe found, in one line"""

    def narrow(self, subject: Subject) -> Subject:
        """The subject as it is offered here, with no option that it is not to be asked about."""
        seen = self.probed or replace(subject, options=self.options, **self.found)
        return seen if seen.options <= subject.options else replace(seen, options=seen.options & subject.options)


class Running(Protocol):
    """A worker that was started: see WorkerProcess."""

    outgoing: Slab
    incoming: Slab

    def send(self, request: Header) -> None:
        """Post a request."""

    def receive(self, seconds: float) -> Header:
        """The answer to it."""

    def close(self) -> None:
        """Stop."""


@dataclass
class _Slot:
    process: Running
    opened: dict[tuple[str, str], Opened] = field(default_factory=dict)


@cache
def state_of(subject: Subject, device: str, dtype: str) -> State:
    """Framework, interpreter and process-global state of a subject's worker."""
    environment = {**subject.environment, **subject.dtype_environment.get(dtype, {}), "XENTCHECK_DEVICE": device}
    return State(subject.framework, subject.interpreter, tuple(sorted(environment.items())))


def _lacking(subject: Subject, dtype: str) -> str | None:
    """What another interpreter lacks for a dtype, and what to type; None if nothing."""
    needed = subject.dtype_requires.get(dtype)
    if subject.interpreter is None or not needed:
        return None
    try:
        missing = missing_there(subject.interpreter, needed)
    except InterpreterError as error:
        return str(error)
    return f"{dtype} needs {', '.join(missing)}: {install_command(subject.interpreter, missing)}" if missing else None


class WorkerPool:
    """Runs calls on subjects. Use as a context manager."""

    def __init__(self, *, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._slots: dict[State, _Slot] = {}
        self._unavailable: dict[tuple[State, str], Unavailable] = {}
        self._probed: dict[tuple[State, str], Opened] = {}

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, subject: Subject, device: str, dtype: str) -> Opened:
        """Make the subject ready in its worker, and probe it if nobody described it. Raises Unavailable with the reason
        if it cannot be: NotInVersion if an API is missing that another version has."""
        if lacking := _lacking(subject, dtype):
            raise Unavailable(lacking)
        opened = self._ready(subject, device, dtype)
        if subject.described:
            return opened
        key = state_of(subject, device, dtype), subject.name
        if key not in self._probed:  # once: what it does to its worker may cost one each time
            ask = partial(self.run, subject, device, dtype=dtype)
            try:
                probed, line = probe(opened.narrow(subject), ask, opened.versions)
            except Unavailable as error:
                self._unavailable[key] = error
                raise
            self._probed[key] = replace(opened, options=probed.options, probed=probed, line=line)
        return self._probed[key]

    def _ready(self, subject: Subject, device: str, dtype: str) -> Opened:
        """Make the subject ready in its worker, as it is."""
        key = state_of(subject, device, dtype), subject.name
        if key not in self._unavailable:
            try:
                return self._open(key[0], subject, device)
            except Unavailable as error:
                self._unavailable[key] = error  # asked once: loading a broken framework is slow
        known = self._unavailable[key]
        raise type(known)(str(known))

    def _open(self, state: State, subject: Subject, device: str) -> Opened:
        slot = self._slot(state)
        known = slot.opened.get((subject.name, device))
        if known:
            return known
        asked = {"do": "open", "subject": subject.known_as, "device": device}
        request = {**asked, "adapter": subject.adapter, "home": home_of(subject.adapter)}
        try:
            slot.process.send(request)
            answer = slot.process.receive(self._limits.open_seconds)
        except (WorkerDied, WorkerHung, WorkerTooBig) as error:
            self._forget(slot)
            if slot.opened:  # it may have died of what another subject did: a fresh worker tells
                return self._open(state, subject, device)
            raise Unavailable(
                f"its worker ended while loading: {error}\n{getattr(error, 'stack', '')}".strip()
            ) from None
        if "unavailable" in answer:
            raise (NotInVersion if answer.get("not_in_version") else Unavailable)(answer["unavailable"])
        found = {name: tuple(values) for name, values in answer["found"].items()}
        opened = Opened(answer["versions"], frozenset(answer["options"]), found)
        slot.opened[subject.name, device] = opened
        return opened

    def run(self, subject: Subject, device: str, call: Call, dtype: str) -> Outcome:
        """Evaluate a call; a crash, a hang or an exhausted memory is an outcome too, and the worker is replaced."""
        self._ready(subject, device, dtype)
        slot = self._slot(state_of(subject, device, dtype))
        process = slot.process
        try:
            packed = pack_call(process.outgoing, call)
            process.send({"do": "run", "subject": subject.known_as, "device": device, "call": packed})
            answer: Header = process.receive(self._limits.call_seconds)
        except WorkerDied as death:
            self._forget(slot)
            return Crashed(death.cause, death.stack)
        except WorkerHung as hang:
            self._forget(slot)
            return TimedOut(hang.seconds, hang.stack)
        except WorkerTooBig as size:
            self._forget(slot)
            return OutOfMemory(str(size))
        return unpack_outcome(process.incoming, answer)

    def keep_only(self, states: set[State]) -> None:
        """Stop the workers whose state nobody will ask for again."""
        for key in [key for key in self._slots if key not in states]:
            self._slots.pop(key).process.close()

    def close(self) -> None:
        """Stop all workers."""
        self.keep_only(set())

    def _slot(self, key: State) -> _Slot:
        if key not in self._slots:
            self._slots[key] = _Slot(self._start(key))
        return self._slots[key]

    def _start(self, key: State) -> Running:
        try:
            environment = {**_JUDGING, **os.environ, "OMP_NUM_THREADS": "1", **dict(key.environment)}
            return WorkerProcess(executable(key.interpreter), environment, self._limits)
        except OSError as error:
            raise Unavailable(f"{key.interpreter} cannot be started: {error.strerror}") from None

    def _forget(self, slot: _Slot) -> None:
        self._slots = {key: value for key, value in self._slots.items() if value is not slot}
