"""The summary matrix, and what differs between versions, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from textwrap import shorten

from xentcheck_reports import Cell, Difference, Run, Status, plural, summary_matrix, version_tables

Markup = dict[str, bool]
_MOST_DIFFERENCES = 12
_LONGEST_REASON = 60


def matrix_lines(run: Run) -> Iterator[tuple[str, Markup]]:
    """Lines of the matrix with the markup of pytest's terminal writer: one row per subject, one column per clause, and
    a line for the subjects that were not judged for one reason."""
    matrix = summary_matrix(run)
    if matrix.rows:
        width = max(len(row.label) for row in matrix.rows)
        columns = [clause.id for clause in matrix.clauses]
        yield f"{'':{width}} " + " ".join(columns), {"bold": True}
        for row in matrix.rows:
            cells = [_shown(cell).center(len(column)) for cell, column in zip(row.cells, columns, strict=True)]
            statuses = [cell.status for cell in row.cells if cell]
            yield f"{row.label:{width}} " + " ".join(cells), _markup(statuses)
    for reason, subjects in _absent(run, {row.subject for row in matrix.rows}).items():
        yield f"{Status.NOT_RUN.glyph} {', '.join(subjects)}: {reason}", {}
    counts = Counter(record.status for record in run.records)
    if counts:
        yield "", {}
        yield "  ".join(f"{status.glyph} {counts[status]} {status.label}" for status in Status if counts[status]), {}


def _absent(run: Run, judged: set[str]) -> dict[str, list[str]]:
    """Subjects of which nothing was judged, by the first reason why not."""
    reasons = {record.subject: record.reason or "" for record in reversed(run.records) if record.subject not in judged}
    absent: dict[str, list[str]] = {}
    for subject in dict.fromkeys(record.subject for record in run.records):
        if subject in reasons:
            absent.setdefault(reasons[subject], []).append(subject)
    return absent


def _shown(cell: Cell | None) -> str:
    return cell.status.glyph if cell else " "


def _markup(statuses: list[Status]) -> Markup:
    if any(status.is_failure for status in statuses):
        return {"red": True}
    return {"yellow": True} if Status.KNOWN_DIVERGENCE in statuses else {}


def version_lines(run: Run) -> Iterator[tuple[str, Markup]]:
    """Where the same subjects differ between their environments: some of the differences; the report has them all."""
    for table in version_tables(run.records):
        versions = " → ".join(f"{e.label} {e.place if e.versions else ''}".rstrip() for e in table.environments)
        count = plural(len(table.differences), "difference")
        yield "", {}
        yield f"versions compared: {versions}: {count} in {plural(table.shared, 'check')}", {"bold": True}
        for subject, environment, reason in table.absent:
            yield f"  {subject} is not in {environment.main}: {reason}", {}
        for found in table.differences[:_MOST_DIFFERENCES]:
            question = f" ({found.question})" if found.question else ""
            told = " → ".join(_told(found))
            yield f"  {found.clause}{question} {', '.join(found.subjects)}: {told}  {found.told}", {}
        if len(table.differences) > _MOST_DIFFERENCES:
            yield f"  and {len(table.differences) - _MOST_DIFFERENCES} more in the report", {}


def _told(found: Difference) -> Iterator[str]:
    """What each environment made of it: the answer, or the status; with its reason where the statuses are alike."""
    alike = len({each.status for each in found.seen if each}) == 1
    for each in found.seen:
        if each is None:
            yield "·"
        elif alike and each.known:
            yield f"{each.status.glyph} {shorten('; '.join(each.known), _LONGEST_REASON, placeholder='…')}"
        else:
            yield each.answer or each.status.glyph
