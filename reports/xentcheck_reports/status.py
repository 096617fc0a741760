"""The ten outcomes of checking one clause on one subject, device and dtype, and the four of an answer to a policy."""

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """What one check came to; members are listed worst first, which is the order `severity` gives.

    Absence (unsupported, not run) ranks below pass: a cell that passes in three dtypes and lacks the fourth is a pass
    over three dtypes, and says so, rather than a gap.
    """

    CRASH = "crash"
    FAIL = "fail"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    HARNESS_ERROR = "harness-error"
    UNEXPECTED_PASS = "unexpected-pass"
    KNOWN_DIVERGENCE = "known-divergence"
    PASS = "pass"
    UNSUPPORTED = "unsupported"
    NOT_RUN = "not-run"

    @property
    def glyph(self) -> str:
        """One character, different for every status, so that colour never carries the meaning alone."""
        return _GLYPHS[self]

    @property
    def label(self) -> str:
        """The status in words: `out of memory`."""
        return self.value.replace("-", " ")

    @property
    def meaning(self) -> str:
        """One clause for the legend."""
        return _MEANINGS[self]

    @property
    def severity(self) -> int:
        """Rank, 0 is the worst."""
        return _SEVERITIES[self]

    @property
    def is_failure(self) -> bool:
        """True where somebody must act; a known divergence or an absence is no failure."""
        return self.severity <= Status.UNEXPECTED_PASS.severity

    @property
    def is_judged(self) -> bool:
        """True where the subject was really called; unsupported and not-run are absences, never passes."""
        return self not in (Status.UNSUPPORTED, Status.NOT_RUN)


class Standing(StrEnum):
    """What an answer to a policy is worth, the best first."""

    EQUAL = "equal"
    DOCUMENTED = "documented difference"
    UNDOCUMENTED = "undocumented"
    CONTRADICTS = "contradicts its documentation"

    @property
    def glyph(self) -> str:
        """One character, different for every standing."""
        return {"equal": "=", "documented difference": "≠", "undocumented": "?"}.get(self.value, "✗")


_SEVERITIES = {status: rank for rank, status in enumerate(Status)}

# Characters of common text fonts, one column wide in a terminal; none has an emoji presentation.
_GLYPHS = {
    Status.CRASH: "↯",
    Status.FAIL: "✗",
    Status.TIMEOUT: "◷",
    Status.OUT_OF_MEMORY: "■",
    Status.HARNESS_ERROR: "?",
    Status.UNEXPECTED_PASS: "!",
    Status.KNOWN_DIVERGENCE: "≠",
    Status.PASS: "✓",
    Status.UNSUPPORTED: "–",
    Status.NOT_RUN: "·",
}

_MEANINGS = {
    Status.CRASH: "the subject's process died",
    Status.FAIL: "the clause does not hold",
    Status.TIMEOUT: "no answer within the time limit",
    Status.OUT_OF_MEMORY: "the memory cap was reached",
    Status.HARNESS_ERROR: "xentcheck itself failed, the subject is not judged",
    Status.UNEXPECTED_PASS: "a documented divergence no longer shows",
    Status.KNOWN_DIVERGENCE: "the clause does not hold, as documented",
    Status.PASS: "the clause holds on every example",
    Status.UNSUPPORTED: "the subject declares that it does not offer this",
    Status.NOT_RUN: "not installed, no such device, left to a deeper level, or not reached",
}


def worst_status(statuses: Iterable[Status]) -> Status:
    """The most severe of `statuses`, for folding several dtypes and devices into one cell.

    Raises ValueError when there is none.
    """
    return min(statuses, key=lambda status: status.severity)
