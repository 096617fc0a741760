"""The summary matrix as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from xentcheck_reports import Cell, Run, Status, summary_matrix

Markup = dict[str, bool]


def matrix_lines(run: Run) -> Iterator[tuple[str, Markup]]:
    """Lines of the matrix with the markup of pytest's terminal writer: one row per subject, one column per clause."""
    matrix = summary_matrix(run)
    if not matrix.rows:
        return
    width = max(len(row.subject) for row in matrix.rows)
    columns = [clause.id for clause in matrix.clauses]
    yield f"{'':{width}} " + " ".join(columns), {"bold": True}
    for row in matrix.rows:
        cells = [_shown(cell).center(len(column)) for cell, column in zip(row.cells, columns, strict=True)]
        statuses = [cell.status for cell in row.cells if cell]
        yield f"{row.subject:{width}} " + " ".join(cells), _markup(statuses)
    counts = Counter(record.status for record in run.records)
    yield "", {}
    yield "  ".join(f"{status.glyph} {counts[status]} {status.label}" for status in Status if counts[status]), {}


def _shown(cell: Cell | None) -> str:
    return cell.status.glyph if cell else " "


def _markup(statuses: list[Status]) -> Markup:
    if any(status.is_failure for status in statuses):
        return {"red": True}
    return {"yellow": True} if Status.KNOWN_DIVERGENCE in statuses else {}
