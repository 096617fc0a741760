"""Failures, and what changes in a port, as plain text for terminals and logs."""

from __future__ import annotations

from collections.abc import Iterator

from xentcheck_reports import Failure, Port


def describe_failure(failure: Failure) -> str:
    """A failure as text: the shrunk input, what was allowed, what came, how to replay it."""
    parts = [failure.summary, "", failure.case, "", f"expected  {failure.expected}", f"got       {failure.got}"]
    parts += [f"as in     {bug.name}: {bug.url}" for bug in failure.precedents]
    if failure.detail:
        parts += ["", failure.detail]
    if failure.replay:
        parts += ["", f"replay    {failure.replay}"]
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
