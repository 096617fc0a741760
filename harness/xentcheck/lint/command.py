"""`xentcheck lint`: comparisons in other people's tests that cannot fail."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from xentcheck.lint.rules import Finding, findings

_FOUND = 1


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def lint(files: tuple[Path, ...]) -> None:
    """Find comparisons in the test FILES that cannot fail: discarded ones, asserted tuples, tolerances that accept
    zeros. Of a folder all Python files are read.

    Exits with 1 if there are any, or if a file cannot be read; notes (equal_nan=True) do not count.
    """
    certain = 0
    for path in _python_files(files):
        for finding in _findings(path):
            click.echo(f"{path}:{finding.line}: {'' if finding.certain else 'note: '}{finding.message}")
            certain += finding.certain
    if certain:
        sys.exit(_FOUND)


def _python_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _findings(path: Path) -> list[Finding]:
    try:
        return findings(path.read_bytes().decode())
    except SyntaxError as error:
        return [Finding(error.lineno or 1, f"not Python: {error.msg}")]
    except UnicodeDecodeError as error:
        return [Finding(1, f"not UTF-8: {error.reason} at byte {error.start}")]
