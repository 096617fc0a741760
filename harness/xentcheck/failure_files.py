"""A run's failures as files for their maintainers: `failures/NAME.py`, `.md` and `.npz` beside the report."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from xentcheck.cases import case_from_token
from xentcheck.stored import packed_case
from xentcheck_reports import Record, write_atomically

FOLDER = "failures"
_KINDS = (".py", ".md", ".npz")


def forget_failures(report: Path) -> None:
    """Remove what an earlier run left."""
    for file in (report / FOLDER).glob("*"):
        if file.suffix in _KINDS:
            with suppress(OSError):
                file.unlink()


def write_failure(record: Record, report: Path) -> None:
    """The script, the issue and the arrays of a record's failure, as far as it has them. Raises ReportWriteError."""
    failure = record.failure
    if failure is None or failure.token is None:
        return
    contents = {
        ".py": failure.script and failure.script.encode(),
        ".md": failure.issue and failure.issue.encode(),
        ".npz": packed_case(case_from_token(failure.token)),
    }
    for kind, content in contents.items():
        if content:
            write_atomically(report / FOLDER / f"{record.file_name}{kind}", content)
