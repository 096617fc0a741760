"""What the controlling process does with records: write them as they come, then the page and the terminal summary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xentcheck.known import registered
from xentcheck.panel import PanelAnswer, compare_panels
from xentcheck.plugin.items import PANEL_PROPERTY, RECORD_PROPERTY
from xentcheck.recorder import Recorder
from xentcheck.run_header import run_header
from xentcheck.terminal import matrix_lines, version_lines
from xentcheck_reports import Record, RunHeader, Status, probe_lines

if TYPE_CHECKING:
    from xentcheck.plugin.conformance import Conformance


class Reporting:
    """Collects the records of a run. If the report directory cannot be written the run goes on and says so."""

    def __init__(self, run: Conformance, header: RunHeader) -> None:
        self._run, self._header = run, header
        self._panels: list[PanelAnswer] = []
        self._page: Path | None = None

    @classmethod
    def from_options(cls, config: pytest.Config, run: Conformance) -> Reporting:
        """Reporting for a run as the command line describes it."""
        command = ["pytest", *config.invocation_params.args]
        subjects = [target.subject for target in run.plan.targets]
        return cls(run, run_header(level=run.plan.level.name, seed=run.plan.seed, command=command, subjects=subjects))

    def pytest_report_header(self) -> list[str]:
        """What the run is about, above the first test, and which adapters it has to do without."""
        plan = self._run.plan
        subjects = len({target.subject.name for target in plan.targets})
        targets = len(plan.targets)
        about = f"{subjects} subjects, {targets} targets, level {plan.level.name}, --case-seed={plan.seed}"
        return [f"xentcheck: {line}" for line in (about, *registered().problems)]

    def pytest_sessionstart(self) -> None:
        """Open the record file."""
        self._recorder = Recorder(self._run.report, self._header)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the record that an item attached."""
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == RECORD_PROPERTY:
                self._recorder.add(Record.model_validate_json(str(value)))
            elif name == PANEL_PROPERTY:
                self._panels.append(PanelAnswer.model_validate_json(str(value)))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare the panels, say what was not judged, write the page; also after Ctrl-C, with what there is."""
        for record in self._run.plan.absences():
            self._recorder.add(record)
        compared = compare_panels(self._panels, self._run.plan.subjects.__getitem__)
        for record in compared:
            self._recorder.add(record)
        self._recorder.problems += self._never_ran(session)
        self._page = self._recorder.finish(self._run.plan)
        failed = self._recorder.problems or any(record.status.is_failure for record in compared)
        if failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The matrix of subjects and clauses, what failed across frameworks, and where the report is."""
        terminalreporter.section("xentcheck")
        run = self._recorder.run
        for line in probe_lines(run.records):
            terminalreporter.write_line(line)
        for line, markup in (*matrix_lines(run), *version_lines(run)):
            terminalreporter.write_line(line, **markup)
        for record in self._recorder.records:
            if record.clause == "EQ-2" and record.failure:
                terminalreporter.write_line(record.failure.summary, red=True)
        for problem in self._recorder.problems:
            terminalreporter.write_line(f"xentcheck: {problem}", red=True)
        if self._page:
            terminalreporter.write_line(f"report: {self._page}")

    def _never_ran(self, session: pytest.Session) -> list[str]:
        """Subjects that a person named and that could not be judged at all: a green run would say nothing of them. A
        version that has others of a named group may lack one."""
        if session.testscollected == 0:
            return []
        records = self._recorder.records
        judged = {record.subject for record in records if record.status.is_judged}
        # What the subject itself was asked stands before what was left out from the start.
        first = {record.subject: record for record in reversed(records) if not record.status.is_judged}
        return [
            f"{name} was not judged: {first[name].reason}"
            for group in self._run.plan.named
            for name in sorted(group - judged)
            if name in first and not (group & judged and first[name].status is Status.UNSUPPORTED)
        ]
