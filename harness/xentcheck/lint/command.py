"""`xentcheck lint`: comparisons in other people's tests that cannot fail."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from xentcheck.exits import Exit
from xentcheck.lint.rules import findings


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def lint(files: tuple[Path, ...]) -> None:
    """Find comparisons in the test FILES that cannot fail: discarded ones, asserted tuples, tolerances that accept
    zeros. Of a folder all Python files are read.

    Exits with 1 if there are any, and with 3 if a file cannot be read; notes (equal_nan=True) do not count.
    """
    certain = unreadable = 0
    for path in _python_files(files):
        try:
            found = findings(path.read_bytes().decode())
        except SyntaxError as error:
            click.echo(f"{path}:{error.lineno or 1}: not Python: {error.msg}")
            unreadable += 1
        except UnicodeDecodeError as error:
            click.echo(f"{path}:1: not UTF-8: {error.reason} at byte {error.start}")
            unreadable += 1
        else:
            for finding in found:
                click.echo(f"{path}:{finding.line}: {'' if finding.certain else 'note: '}{finding.message}")
                certain += finding.certain
    if certain:
        sys.exit(Exit.DOES_NOT)
    if unreadable:
        sys.exit(Exit.NOT_JUDGED)


def _python_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]
