"""pytest items: one clause on one target each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from xentcheck.bench import Target
from xentcheck.clauses import Clause
from xentcheck.failure_files import FOLDER
from xentcheck.panel import PanelAnswer
from xentcheck.text import describe_failure
from xentcheck_reports import Record, Status

if TYPE_CHECKING:
    from xentcheck.plugin.conformance import Conformance

RECORD_PROPERTY = "xentcheck-record"
PANEL_PROPERTY = "xentcheck-panel"


class ClauseFailed(Exception):
    """A clause that does not hold; carries its record."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.failure.summary if record.failure else record.reason)
        self.record = record


class ContractFile(pytest.File):
    """The file that stands for the contract."""

    items: Callable[[], Iterable[ClauseItem]]

    def collect(self) -> Iterable[ClauseItem]:
        """One item per clause and target."""
        return self.items()


class ClauseItem(pytest.Item):
    """One clause on one target."""

    def __init__(self, *, clause: Clause, target: Target, run: Conformance, **rest: Any) -> None:
        super().__init__(**rest)
        self.clause, self.target, self.conformance = clause, target, run

    def runtest(self) -> None:
        """Judge the clause, attach the record, and tell pytest."""
        run = self.conformance
        answer = run.plan.judge(self.clause.id, self.target, run.pool)
        if isinstance(answer, PanelAnswer):
            # Judged by the controlling process, once every subject has answered.
            self.user_properties.append((PANEL_PROPERTY, answer.model_dump_json()))
        else:
            self._report(answer)

    def _report(self, record: Record) -> None:
        self.user_properties.append((RECORD_PROPERTY, record.model_dump_json()))
        if record.status is Status.NOT_RUN:
            pytest.skip(record.reason or "not run")
        if record.status is Status.KNOWN_DIVERGENCE:
            pytest.xfail("; ".join(divergence.reason for divergence in record.divergences))
        if record.status.is_failure:
            raise ClauseFailed(record)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What a person needs to see: the shrunk input, what was allowed, what came, how to replay it."""
        if isinstance(excinfo.value, pytest.xfail.Exception):
            return str(excinfo.value)  # pytest would format its own traceback, which takes longer than the clause
        if not isinstance(excinfo.value, ClauseFailed):
            return super().repr_failure(excinfo, style)
        record = excinfo.value.record
        if record.failure is None:
            return f"{record.status.label}: {record.reason}"
        return describe_failure(record.failure, self.conformance.report / FOLDER / record.file_name)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the item is, for pytest's headings."""
        return self.path, None, self.name
