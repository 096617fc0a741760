"""What is known: every adapter, its subjects, and the tables beside it.

Beside the built-in adapters stand those that installed packages register as entry points of the group
`xentcheck.adapters`: a module each, as docs/extending.md describes it. One that is broken is left out and told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TypeVar

from xentcheck.choices import Choices, Declared, parse_choices
from xentcheck.divergence import Divergence, Ledger, parse_ledger
from xentcheck.findings import FreeFinding, parse_findings
from xentcheck_adapters import Subject, adapter_module, built_in_subjects
from xentcheck_adapters.registry import ADAPTERS

GROUP = "xentcheck.adapters"
_FUNCTIONS = ("offered_options", "versions", "open_subject")

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Registered:
    """What other packages register: the modules that are sound, their subjects by name, and a line for each of the
    others."""

    adapters: tuple[str, ...] = ()
    subjects: tuple[Subject, ...] = ()
    problems: tuple[str, ...] = ()


def known_subjects() -> dict[str, Subject]:
    """All subjects by name, in the order in which reports show them."""
    return {**built_in_subjects(), **{subject.name: subject for subject in registered().subjects}}


@cache
def load_choices() -> Choices:
    """The choices of every adapter that declares some. Raises LedgerError."""
    return Choices(tuple(entry for adapter in _adapters() for entry in _choices(adapter)))


def load_ledger() -> Ledger:
    """The ledger of every adapter that has one. Raises LedgerError."""
    return Ledger(tuple(entry for adapter in _adapters() for entry in _divergences(adapter)))


def free_findings() -> Mapping[str, tuple[FreeFinding, ...]]:
    """The findings of every adapter that has some outside its ledger, by adapter. Raises LedgerError."""
    found = {adapter: _findings(adapter) for adapter in _adapters()}
    return {adapter: findings for adapter, findings in found.items() if findings}


@cache
def registered() -> Registered:
    """What the installed packages register, in the order of the names of their entry points."""
    sound = Registered()
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            sound = _joined(sound, point.value)
        except Exception as error:  # whatever the code of another package raises
            sound = Registered(sound.adapters, sound.subjects, (*sound.problems, _told(point, error)))
    return sound


def _joined(sound: Registered, name: str) -> Registered:
    """With one more adapter. ValueError, with the reason, if it is none."""
    module = adapter_module(name)
    subjects: tuple[Subject, ...] = tuple(getattr(module, "SUBJECTS", ()))
    if not subjects or not all(isinstance(subject, Subject) for subject in subjects):
        raise ValueError(f"{name}.SUBJECTS must hold its subjects, got {subjects!r}")
    if lacking := [function for function in _FUNCTIONS if not callable(getattr(module, function, None))]:
        raise ValueError(f"{name} has no function {', '.join(lacking)}")
    taken = {**built_in_subjects(), **{subject.name: subject for subject in sound.subjects}}
    for subject in subjects:
        if subject.name in taken:
            raise ValueError(f"its subject {subject.name!r} is one of the adapter {taken[subject.name].adapter}")
        if subject.adapter != name:
            raise ValueError(f"the adapter of its subject {subject.name!r} must be {name!r}, got {subject.adapter!r}")
        taken[subject.name] = subject
    for tables in (_choices, _divergences, _findings):
        tables(name)
    return Registered((*sound.adapters, name), (*sound.subjects, *subjects), sound.problems)


def _told(point: EntryPoint, error: Exception) -> str:
    package = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
    reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return f"left out: the adapter {point.name!r}{package}: {' '.join(reason.split())}"


def _adapters() -> tuple[str, ...]:
    return (*ADAPTERS, *registered().adapters)


def _choices(adapter: str) -> tuple[Declared, ...]:
    return _table(adapter, ".choices.toml", parse_choices)


def _divergences(adapter: str) -> tuple[Divergence, ...]:
    return _table(adapter, ".toml", parse_ledger)


def _findings(adapter: str) -> tuple[FreeFinding, ...]:
    return _table(adapter, ".findings.toml", parse_findings)


def _table(adapter: str, ending: str, parse: Callable[[str, str], tuple[Entry, ...]]) -> tuple[Entry, ...]:
    """The entries of the file beside an adapter; none if it has no such file."""
    file = adapter_module(adapter).__file__
    assert file is not None
    beside = Path(file).with_name(f"{adapter.rpartition('.')[2]}{ending}")
    return parse(beside.name, beside.read_text(encoding="utf-8")) if beside.is_file() else ()
