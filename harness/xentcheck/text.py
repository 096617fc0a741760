"""Failures, and what changes in a port, as plain text for terminals and logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xentcheck_reports import Failure, Port


def describe_failure(failure: Failure, files: Path | None = None) -> str:
    """A failure as text: the shrunk input, what was allowed, what came, how to replay it; and where its files are, by
    their name without the ending."""
    parts = [failure.summary, "", failure.case, "", f"expected  {failure.expected}", f"got       {failure.got}"]
    parts += [f"as in     {bug.name}: {bug.url}" for bug in failure.precedents]
    if failure.detail:
        parts += ["", failure.detail]
    if failure.replay:
        parts += ["", f"replay    {failure.replay}"]
    if files and failure.script:
        shows = "reproduces it" if failure.reproduced else "does not reproduce it"
        parts += [f"script    {files}.py {shows}"]
    if files and failure.issue:
        parts += [f"issue     {files}.md"]
    if files and failure.token:
        parts += [f"arrays    {files}.npz"]
    if failure.note:
        parts += [f"note      {failure.note}"]
    return "\n".join(parts)


def port_lines(port: Port) -> Iterator[str]:
    """What changes between two subjects: under each policy its questions, the answer before and the answer after."""
    clause = ""
    for change in port.changes:
        if change.clause != clause:
            clause = change.clause
            yield f"{clause}: {change.title}"
        before, after = ("; ".join(answer.text for answer in answers) for answers in (change.before, change.after))
        yield f"    {change.cell}: {before} -> {after}"
    yield f"{len(port.changes)} of {port.shared} answers change from {port.source} to {port.target}"
