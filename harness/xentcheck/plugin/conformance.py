"""A conformance run: what pytest collects, runs and reports when --backend is given."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import xentcheck.suite
from xentcheck.contract import CONTRACT
from xentcheck.plan import Plan, plan_of
from xentcheck.plugin.items import ClauseItem, ContractFile
from xentcheck.selection import SelectionError, split_names
from xentcheck.validation import LedgerError
from xentcheck.workers import WorkerPool

_SUITE = Path(xentcheck.suite.__file__).parent
_CONTRACT_FILE = _SUITE / "contract.py"


@dataclass(eq=False)  # pluggy wants plugins that can be hashed
class Conformance:
    """The state of a run in one process: with pytest-xdist each process has its own, and its own workers."""

    plan: Plan
    report: Path
    """Where the report goes."""
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
            {_mark(c.family) for c in CONTRACT.values()} | {_mark(t.subject.framework) for t in run.plan.targets}
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
        plan = plan_of(
            split_names(config.getoption("--backend")),
            devices=split_names(config.getoption("--device")),
            dtypes=split_names(config.getoption("--dtype")),
            clauses=split_names(config.getoption("--clause")),
            level=config.getoption("--level"),
            seed=_seed(config),
            memory=_memory(config),
        )
        return cls(plan, Path(config.getoption("--report-dir")))

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """The contract file holds one item per clause and target."""
        if file_path != _CONTRACT_FILE:
            return None
        contract: ContractFile = ContractFile.from_parent(parent, path=file_path)
        contract.items = lambda: self._items(contract)
        return contract

    def _items(self, parent: ContractFile) -> Iterator[ClauseItem]:
        for target in self.plan.ordered_targets():
            for clause in map(CONTRACT.__getitem__, self.plan.clauses):
                if self.plan.why_not(clause, target) is None:
                    name = f"{clause.id} {clause.title} [{target.id}]"
                    item: ClauseItem = ClauseItem.from_parent(parent, name=name, clause=clause, target=target, run=self)
                    item.add_marker(_mark(clause.family))
                    item.add_marker(_mark(target.subject.framework))
                    yield item

    def pytest_runtest_teardown(self, nextitem: pytest.Item | None) -> None:
        """Stop the workers that the next item has no use for: memory stays bounded by a subject and its twins."""
        if isinstance(nextitem, ClauseItem):
            self.pool.keep_only(self.plan.states(nextitem.target))

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
