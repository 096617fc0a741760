"""A conformance run: what pytest collects, runs and reports when --backend is given."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import xentcheck.suite
from xentcheck.bench import Bench, Target
from xentcheck.clauses import Clause
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Ledger
from xentcheck.known import known_subjects, load_ledger
from xentcheck.levels import LEVELS, Level
from xentcheck.plugin.items import ClauseItem, ContractFile
from xentcheck.selection import (
    ALL,
    AUTO,
    SelectionError,
    install_hint,
    missing_modules,
    select_clauses,
    select_subjects,
    select_targets,
    split_names,
)
from xentcheck.validation import LedgerError
from xentcheck.workers import WorkerPool
from xentcheck.workers.pool import state_of
from xentcheck_adapters import Subject
from xentcheck_reports import Status

_SUITE = Path(xentcheck.suite.__file__).parent
_DTYPE_OF_PROCESSES = "float32"
_CONTRACT_FILE = _SUITE / "contract.py"


@dataclass(eq=False)  # pluggy wants plugins that can be hashed
class Conformance:
    """The state of a run in one process: with pytest-xdist each process has its own, and its own workers."""

    targets: list[Target]
    level: Level
    ledger: Ledger
    seed: int
    memory: Path | None
    named: frozenset[str]
    """Subjects that the command line names, rather than asking for all there are."""
    asked_dtypes: frozenset[str] = frozenset()
    """Dtypes that the command line names, which are judged whatever the level."""
    report: Path = Path()
    """Where the report goes."""
    subjects: dict[str, Subject] = field(default_factory=known_subjects)
    clauses: tuple[Clause, ...] = tuple(CONTRACT.values())
    """Those that the command line asks for."""
    pool: WorkerPool = field(default_factory=WorkerPool)

    @classmethod
    def install(cls, config: pytest.Config) -> None:
        """Read the options and register what a conformance run needs. Raises pytest.UsageError for a bad option."""
        try:
            run = cls.from_options(config)
        except (SelectionError, LedgerError) as error:
            raise pytest.UsageError(str(error)) from None
        config.pluginmanager.register(run, "xentcheck-conformance")
        if not any(_inside_suite(argument) for argument in config.args):
            config.args[:] = [str(_SUITE)]
        for name in sorted(
            {_mark(c.family) for c in CONTRACT.values()} | {_mark(t.subject.framework) for t in run.targets}
        ):
            config.addinivalue_line("markers", f"{name}: conformance clauses or subjects of that name")
        if not hasattr(config, "workerinput") and not config.option.collectonly:
            from xentcheck.plugin.reporting import Reporting

            config.pluginmanager.register(Reporting.from_options(config, run), "xentcheck-reporting")
        if config.pluginmanager.hasplugin("xdist"):
            from xentcheck.plugin import distribution

            config.pluginmanager.register(distribution, "xentcheck-distribution")

    @classmethod
    def from_options(cls, config: pytest.Config) -> Conformance:
        """The run that the command line describes."""
        level = config.getoption("--level")
        if level not in LEVELS:
            raise SelectionError(f"unknown level {level!r}; known: {', '.join(LEVELS)}")
        names = split_names(config.getoption("--backend"))
        subjects = select_subjects(names)
        explicit = [name for name in names if name not in (ALL, AUTO)]
        named = frozenset(subject.name for subject in (select_subjects(explicit) if explicit else ()))
        devices = split_names(config.getoption("--device")) or ["cpu"]
        dtypes = split_names(config.getoption("--dtype"))
        targets = select_targets(subjects, devices, dtypes)
        if not targets:
            raise SelectionError("no subject has the wanted device and dtype; see `xentcheck list`")
        clauses = tuple(CONTRACT[id] for id in select_clauses(split_names(config.getoption("--clause")), CONTRACT))
        run = cls(
            targets,
            LEVELS[level],
            load_ledger(),
            _seed(config),
            _memory(config),
            named,
            frozenset(dtypes),
            Path(config.getoption("--report-dir")),
            clauses=clauses,
        )
        run.subjects.update({subject.name: subject for subject in subjects})
        return run

    def bench(self, target: Target) -> Bench:
        """Where the target is put to the test."""
        return Bench(target, self.pool, self.subjects)

    def why_not(self, clause: Clause, target: Target) -> tuple[Status, str] | None:
        """Why a clause is not judged on a target, known before anything runs; None if it is."""
        subject = target.subject
        if missing := missing_modules(subject):
            return Status.NOT_RUN, f"not installed: {install_hint(missing)}"
        if lacking := clause.lacks(subject):
            return Status.UNSUPPORTED, f"{subject.name} {lacking}"
        judged = self.level.dtypes(subject, policy=clause.kind == "policy")
        if target.dtype not in judged and target.dtype not in self.asked_dtypes:
            reason = (
                f"level {self.level.name}: judged in {', '.join(judged)}; a deeper level or --dtype runs the others"
            )
            return Status.NOT_RUN, reason
        if clause.processes and (self.level.name == "quick" or target.dtype != _DTYPE_OF_PROCESSES):
            reason = f"it starts a process of its own: {_DTYPE_OF_PROCESSES} at --level=standard runs it"
            return Status.NOT_RUN, reason
        if self.level.postpones(subject, options=clause.options, programs=clause.programs):
            reason = f"level {self.level.name}: each shape or argument costs a compilation; --level=standard runs it"
            return Status.NOT_RUN, reason
        return None

    def ordered_targets(self) -> list[Target]:
        """Targets by worker: each framework is loaded once, and its worker is stopped when it is done."""
        states = {target: state_of(target.subject, target.device, target.dtype) for target in self.targets}
        first = {state: index for index, state in reversed(list(enumerate(states.values())))}
        return sorted(self.targets, key=lambda target: first[states[target]])

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """The contract file holds one item per clause and target."""
        if file_path != _CONTRACT_FILE:
            return None
        contract: ContractFile = ContractFile.from_parent(parent, path=file_path)
        contract.items = lambda: self._items(contract)
        return contract

    def _items(self, parent: ContractFile) -> Iterator[ClauseItem]:
        for target in self.ordered_targets():
            for clause in self.clauses:
                if self.why_not(clause, target) is None:
                    name = f"{clause.id} {clause.title} [{target.id}]"
                    item: ClauseItem = ClauseItem.from_parent(parent, name=name, clause=clause, target=target, run=self)
                    item.add_marker(_mark(clause.family))
                    item.add_marker(_mark(target.subject.framework))
                    yield item

    def pytest_runtest_teardown(self, nextitem: pytest.Item | None) -> None:
        """Stop the workers that the next item has no use for: memory stays bounded by a subject and its twins."""
        if isinstance(nextitem, ClauseItem):
            target = nextitem.target
            twins = [name for name in (target.subject.mode_twin, target.subject.form_twin) if name]
            used = [target.subject, *(self.subjects[name] for name in twins)]
            self.pool.keep_only({state_of(subject, target.device, target.dtype) for subject in used})

    def pytest_unconfigure(self) -> None:
        """Leave no process behind."""
        self.pool.close()


def _inside_suite(argument: str) -> bool:
    path = argument.split("::")[0]
    return path.startswith("xentcheck.suite") or Path(path).resolve().is_relative_to(_SUITE)


def _mark(name: str) -> str:
    return name.lower().replace("-", "_")


def _seed(config: pytest.Config) -> int:
    """The seed of the run: given, or drawn once by the controlling process and handed to xdist's workers."""
    given = config.getoption("--case-seed")
    if given is None:
        given = secrets.randbits(31)
        config.option.case_seed = given  # xdist sends the options to its workers
    return int(given)


def _memory(config: pytest.Config) -> Path | None:
    """Where Hypothesis keeps what failed: pytest's cache, unless the cache is off."""
    cache = getattr(config, "cache", None)
    return Path(cache.mkdir("xentcheck-examples")) if cache else None
