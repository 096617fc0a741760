"""The summary matrix as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from xentcheck_reports import Cell, Run, Status, summary_matrix

Markup = dict[str, bool]


def matrix_lines(run: Run) -> Iterator[tuple[str, Markup]]:
    """Lines of the matrix with the markup of pytest's terminal writer: one row per subject, one column per clause, and
    a line for the subjects that were not judged for one reason."""
    matrix = summary_matrix(run)
    if matrix.rows:
        width = max(len(row.subject) for row in matrix.rows)
        columns = [clause.id for clause in matrix.clauses]
        yield f"{'':{width}} " + " ".join(columns), {"bold": True}
        for row in matrix.rows:
            cells = [_shown(cell).center(len(column)) for cell, column in zip(row.cells, columns, strict=True)]
            statuses = [cell.status for cell in row.cells if cell]
            yield f"{row.subject:{width}} " + " ".join(cells), _markup(statuses)
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
