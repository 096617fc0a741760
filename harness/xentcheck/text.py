"""Failures as plain text, for terminals and logs."""

from __future__ import annotations

from xentcheck_reports import Failure


def describe_failure(failure: Failure) -> str:
    """A failure as text: the shrunk input, what was allowed, what came, how to replay it."""
    parts = [failure.summary, "", failure.case, "", f"expected  {failure.expected}", f"got       {failure.got}"]
    if failure.detail:
        parts += ["", failure.detail]
    if failure.replay:
        parts += ["", f"replay    {failure.replay}"]
    return "\n".join(parts)
