"""`xentcheck report`: pages and tables from record files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from xentcheck.commands.arguments import complete_subjects
from xentcheck.exits import CannotJudgeError, Exit
from xentcheck.text import port_lines
from xentcheck_reports import RecordFileError, ReportWriteError, merge, port, read_records, write_report


@click.group()
def report() -> None:
    """Pages from record files."""


@report.command(name="merge")
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", default=Path("xentcheck-report"), type=click.Path(path_type=Path), show_default=True)
def merge_records(records: tuple[Path, ...], output: Path) -> None:
    """Merge RECORDS (files, or folders that hold records.jsonl somewhere below) into one report.html.

    A file that cannot be read is named and left out; the exit status is 3 then.
    """
    runs, unreadable = [], 0
    for path in _record_files(records):
        try:
            runs.append(read_records(path))
        except RecordFileError as error:
            click.echo(f"left out: {error}", err=True)
            unreadable += 1
    if not runs:
        raise CannotJudgeError("no record file could be read")
    try:
        page = write_report(merge(runs), output)
    except ReportWriteError as error:
        raise CannotJudgeError(str(error)) from None
    click.echo(f"report: {page} ({len(runs)} runs)")
    sys.exit(Exit.NOT_JUDGED if unreadable else Exit.HOLDS)


@report.command(name="port")
@click.argument("source", shell_complete=complete_subjects)
@click.argument("target", shell_complete=complete_subjects)
@click.option(
    "--records",
    default=Path("xentcheck-report/records.jsonl"),
    type=click.Path(path_type=Path),
    show_default=True,
    help="The records of a run that asked both.",
)
def port_between(source: str, target: str, records: Path) -> None:
    """Show what changes for who moves from SOURCE to TARGET: the questions that the two subjects answer differently."""
    try:
        changes = port(read_records(records).records, source, target)
    except (RecordFileError, LookupError) as error:
        raise CannotJudgeError(str(error.args[0])) from None
    for line in port_lines(changes):
        click.echo(line)


def _record_files(paths: tuple[Path, ...]) -> list[Path]:
    return [file for path in paths for file in (sorted(path.rglob("records.jsonl")) if path.is_dir() else [path])]
