"""The pool: one long-lived worker per framework and process-global state, restarted after a crash."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial

from xentcheck.workers.probe import probe
from xentcheck.workers.process import Limits, WorkerDied, WorkerHung, WorkerProcess, WorkerTooBig
from xentcheck_adapters import Call, Crashed, Outcome, OutOfMemory, Subject, TimedOut, Unavailable
from xentcheck_adapters.wire import Header, pack_call, unpack_outcome

StateKey = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Opened:
    """What a worker said of a subject it opened."""

    versions: Mapping[str, str]
    options: frozenset[str]
    signature: tuple[str, ...] = ()
    """Of a subject that nobody described: its arguments beside the options"""
    probed: Subject | None = None
    """Of such a one: what the probe made of it"""
    line: str | None = None
    """What the probe found, in one line"""

    def narrow(self, subject: Subject) -> Subject:
        """The subject as it is offered here."""
        return self.probed or replace(subject, options=subject.options & self.options, signature=self.signature)


@dataclass
class _Slot:
    process: WorkerProcess
    opened: dict[tuple[str, str], Opened] = field(default_factory=dict)


@cache
def state_of(subject: Subject, device: str, dtype: str) -> StateKey:
    """Framework and process-global state: what may share a worker shares this key."""
    environment = {**subject.environment, **subject.dtype_environment.get(dtype, {}), "XENTCHECK_DEVICE": device}
    return subject.framework, tuple(sorted(environment.items()))


class WorkerPool:
    """Runs calls on subjects. Use as a context manager."""

    def __init__(self, *, interpreter: str = sys.executable, limits: Limits | None = None) -> None:
        self._interpreter = interpreter
        self._limits = limits or Limits()
        self._slots: dict[StateKey, _Slot] = {}
        self._unavailable: dict[tuple[StateKey, str], str] = {}
        self._probed: dict[tuple[StateKey, str], Opened] = {}

    @property
    def interpreter(self) -> str:
        """What the workers run in."""
        return self._interpreter

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, subject: Subject, device: str, dtype: str) -> Opened:
        """Make the subject ready in its worker, and probe it if nobody described it. Raises Unavailable with the reason
        if it cannot be."""
        opened = self._ready(subject, device, dtype)
        if subject.described:
            return opened
        key = state_of(subject, device, dtype), subject.name
        if key not in self._probed:  # once: what it does to its worker may cost one each time
            ask = partial(self.run, subject, device, dtype=dtype)
            try:
                probed, line = probe(opened.narrow(subject), ask, opened.versions)
            except Unavailable as error:
                self._unavailable[key] = str(error)
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
                self._unavailable[key] = str(error)  # asked once: loading a broken framework is slow
        raise Unavailable(self._unavailable[key])

    def _open(self, state: StateKey, subject: Subject, device: str) -> Opened:
        slot = self._slot(state)
        known = slot.opened.get((subject.name, device))
        if known:
            return known
        request = {"do": "open", "adapter": subject.adapter, "subject": subject.name, "device": device}
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
            raise Unavailable(answer["unavailable"])
        opened = Opened(answer["versions"], frozenset(answer["options"]), tuple(answer["signature"]))
        slot.opened[subject.name, device] = opened
        return opened

    def run(self, subject: Subject, device: str, call: Call, dtype: str) -> Outcome:
        """Evaluate a call; a crash, a hang or an exhausted memory is an outcome too, and the worker is replaced."""
        self._ready(subject, device, dtype)
        slot = self._slot(state_of(subject, device, dtype))
        process = slot.process
        try:
            packed = pack_call(process.outgoing, call)
            process.send({"do": "run", "subject": subject.name, "device": device, "call": packed})
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

    def keep_only(self, states: set[StateKey]) -> None:
        """Stop the workers whose state nobody will ask for again."""
        for key in [key for key in self._slots if key not in states]:
            self._slots.pop(key).process.close()

    def close(self) -> None:
        """Stop all workers."""
        self.keep_only(set())

    def _slot(self, key: StateKey) -> _Slot:
        if key not in self._slots:
            self._slots[key] = _Slot(WorkerProcess(self._interpreter, dict(key[1]), self._limits))
        return self._slots[key]

    def _forget(self, slot: _Slot) -> None:
        self._slots = {key: value for key, value in self._slots.items() if value is not slot}
