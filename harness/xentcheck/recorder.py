"""The recorder: a run's records on disk as they come, the files of its failures, and in the end the page."""

from __future__ import annotations

from pathlib import Path

from xentcheck.failure_files import forget_failures, write_failure
from xentcheck.plan import Plan
from xentcheck_reports import (
    Record,
    RecordWriter,
    ReportWriteError,
    Run,
    RunHeader,
    write_records,
    write_report,
)

RECORDS = "records.jsonl"


class Recorder:
    """Collects the records of a run. A folder that cannot be written costs the report only: `problems` says so.

    directory  where records.jsonl, report.html and the folder of failures go
    """

    def __init__(self, directory: Path, header: RunHeader) -> None:
        self._directory, self._header = directory, header
        self.records: list[Record] = []
        self.problems: list[str] = []
        self._writer: RecordWriter | None = None
        try:
            self._writer = RecordWriter(directory / RECORDS, header)
            forget_failures(directory)
        except ReportWriteError as error:
            self.problems.append(str(error))

    @property
    def run(self) -> Run:
        """What was recorded so far."""
        return Run(self._header, tuple(self.records))

    def add(self, record: Record) -> None:
        """Keep a record, and write it and the files of its failure at once."""
        self.records.append(record)
        if self._writer:
            try:
                self._writer.write(record)
                write_failure(record, self._directory)
            except ReportWriteError as error:
                self.problems.append(str(error))
                self._writer.close()
                self._writer = None

    def finish(self, plan: Plan) -> Path | None:
        """Write the page; its path, or None if that cannot be."""
        self.records = plan.in_order(self.records)
        if self._writer is None:
            return None
        self._writer.close()
        try:
            # Written as they came, lest a kill lose them; now in the order of the contract, however they were dealt
            # out, so that every page made from the file is the same.
            write_records(self._writer.path, self._header, self.records)
            return write_report(self.run, self._directory)
        except ReportWriteError as error:
            self.problems.append(str(error))
            return None
