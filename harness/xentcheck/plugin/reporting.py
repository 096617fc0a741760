"""What the controlling process does with records: write them as they come, then the page and the terminal summary."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xentcheck import evidence
from xentcheck.contract import CONTRACT
from xentcheck.failure_files import forget_failures, write_failure
from xentcheck.known import registered
from xentcheck.panel import PanelAnswer, compare_panels
from xentcheck.plugin.items import PANEL_PROPERTY, RECORD_PROPERTY
from xentcheck.run_header import run_header
from xentcheck.terminal import matrix_lines
from xentcheck_reports import (
    Record,
    RecordWriter,
    ReportWriteError,
    Run,
    RunHeader,
    Status,
    write_records,
    write_report,
)

if TYPE_CHECKING:
    from xentcheck.plugin.conformance import Conformance

RECORDS = "records.jsonl"


class Reporting:
    """Collects the records of a run. If the report directory cannot be written the run goes on and says so."""

    def __init__(self, run: Conformance, header: RunHeader, directory: Path) -> None:
        self._run, self._header, self._directory = run, header, directory
        self._records: list[Record] = []
        self._panels: list[PanelAnswer] = []
        self._problems: list[str] = []
        self._writer: RecordWriter | None = None
        self._page: Path | None = None

    @classmethod
    def from_options(cls, config: pytest.Config, run: Conformance) -> Reporting:
        """Reporting for a run as the command line describes it."""
        command = ["pytest", *config.invocation_params.args]
        subjects = [target.subject for target in run.targets]
        header = run_header(level=run.level.name, seed=run.seed, command=command, subjects=subjects)
        return cls(run, header, Path(config.getoption("--report-dir")))

    def pytest_report_header(self) -> list[str]:
        """What the run is about, above the first test, and which adapters it has to do without."""
        subjects = len({target.subject.name for target in self._run.targets})
        level, seed = self._run.level.name, self._run.seed
        about = f"{subjects} subjects, {len(self._run.targets)} targets, level {level}, --case-seed={seed}"
        return [f"xentcheck: {line}" for line in (about, *registered().problems)]

    def pytest_sessionstart(self) -> None:
        """Open the record file."""
        try:
            self._writer = RecordWriter(self._directory / RECORDS, self._header)
            forget_failures(self._directory)
        except ReportWriteError as error:
            self._problems.append(str(error))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the record that an item attached."""
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == RECORD_PROPERTY:
                self._add(Record.model_validate_json(str(value)))
            elif name == PANEL_PROPERTY:
                self._panels.append(PanelAnswer.model_validate_json(str(value)))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare the panels, say what was not judged, write the page; also after Ctrl-C, with what there is."""
        for target, clause in itertools.product(self._run.targets, self._run.clauses):
            if absent := self._run.why_not(clause, target):
                status, reason = absent
                self._add(evidence.record(clause, target, status, reason=reason))
        compared = compare_panels(self._panels, self._run.subjects.__getitem__)
        for record in compared:
            self._add(record)
        if any(record.status.is_failure for record in compared) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._problems += self._never_ran(session)
        self._records.sort(key=self._places())
        if self._writer:
            self._writer.close()
            try:
                # Written as they came, lest a kill lose them; now in the order of the contract, however they were dealt
                # out, so that every page made from the file is the same.
                write_records(self._writer.path, self._header, self._records)
                self._page = write_report(Run(self._header, tuple(self._records)), self._directory)
            except ReportWriteError as error:
                self._problems.append(str(error))
        if self._problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The matrix of subjects and clauses, what failed across frameworks, and where the report is."""
        terminalreporter.section("xentcheck")
        for line, markup in matrix_lines(Run(self._header, tuple(self._records))):
            terminalreporter.write_line(line, **markup)
        for record in self._records:
            if record.clause == "EQ-2" and record.failure:
                terminalreporter.write_line(record.failure.summary, red=True)
        for problem in self._problems:
            terminalreporter.write_line(f"xentcheck: {problem}", red=True)
        if self._page:
            terminalreporter.write_line(f"report: {self._page}")

    def _never_ran(self, session: pytest.Session) -> list[str]:
        """Subjects that a person named and that could not be judged at all: a green run would say nothing of them."""
        if session.testscollected == 0:
            return []
        judged = {record.subject for record in self._records if record.status.is_judged}
        reasons = {record.subject: record.reason for record in self._records if record.status is Status.NOT_RUN}
        return [f"{name} was not judged: {reasons[name]}" for name in self._run.named - judged if name in reasons]

    def _places(self) -> Callable[[Record], tuple[int, int]]:
        """Subjects in the order of the run, clauses in the order of the contract, however xdist dealt them out."""
        names = list(dict.fromkeys(target.subject.name for target in self._run.targets))
        subjects = {name: place for place, name in enumerate(names)}
        clauses = {clause: place for place, clause in enumerate(CONTRACT)}
        return lambda record: (subjects[record.subject], clauses[record.clause])

    def _add(self, record: Record) -> None:
        self._records.append(record)
        if self._writer:
            try:
                self._writer.write(record)
                write_failure(record, self._directory)
            except ReportWriteError as error:
                self._problems.append(str(error))
                self._writer.close()
                self._writer = None
