import math
from collections.abc import Callable

from xentcheck_reports import Cell, Record, Run, Status, Worst, summary_matrix


def only_cell(run: Run) -> Cell:
    ((cell,),) = (row.cells for row in summary_matrix(run).rows)
    assert cell
    return cell


def test_a_cell_folds_dtypes_and_devices_to_the_worst_status(
    record: Callable[..., Record], run: Callable[..., Run]
) -> None:
    cell = only_cell(run(record(), record(dtype="float64", status="fail"), record(device="cuda", status="not-run")))
    assert cell.status is Status.FAIL
    assert (cell.judged, len(cell.records)) == (2, 3)


def test_the_ratio_of_a_cell_belongs_to_its_status(
    record: Callable[..., Record], run: Callable[..., Run], worst: Callable[..., Worst]
) -> None:
    documented = record(status="known-divergence", worst=worst(ratio=1e6))
    failed = [record(dtype=f"float{n}", status="fail", worst=worst(ratio=float(n))) for n in (16, 64, 32)]
    assert only_cell(run(documented, *failed)).ratio == 64


def test_a_ratio_that_is_not_a_number_counts_as_the_worst(
    record: Callable[..., Record], run: Callable[..., Run], worst: Callable[..., Worst]
) -> None:
    ratios = [2.0, math.nan, 3.0]
    ratio = only_cell(run(*(record(status="fail", worst=worst(ratio=ratio)) for ratio in ratios))).ratio
    assert ratio is not None
    assert math.isnan(ratio)


def test_rows_of_a_framework_and_columns_of_a_family_stand_together(
    record: Callable[..., Record], run: Callable[..., Run]
) -> None:
    order = [("torch.eager", "torch", "IGN-10", "ignore"), ("tf.eager", "tf", "EQV-1", "equivalence")]
    order += [("torch.compile", "torch", "IGN-2", "ignore"), ("tf.xla", "tf", "EQV-2", "equivalence")]
    records = (record(subject=s, framework=f, clause=c, family=y) for s, f, c, y in order)
    matrix = summary_matrix(run(*records))
    assert [row.subject for row in matrix.rows] == ["torch.eager", "torch.compile", "tf.eager", "tf.xla"]
    assert [clause.id for clause in matrix.clauses] == ["IGN-2", "IGN-10", "EQV-1", "EQV-2"]


def test_a_clause_without_a_record_leaves_its_cell_empty(
    record: Callable[..., Record], run: Callable[..., Run]
) -> None:
    matrix = summary_matrix(run(record(subject="a", clause="IGN-1"), record(subject="b", clause="IGN-2")))
    assert [[cell is None for cell in row.cells] for row in matrix.rows] == [[False, True], [True, False]]


def test_a_subject_of_which_nothing_was_judged_has_no_row(
    record: Callable[..., Record], run: Callable[..., Run]
) -> None:
    matrix = summary_matrix(run(record(), record(subject="absent", clause="IGN-2", status="not-run")))
    assert [row.subject for row in matrix.rows] == ["numpy.plain"]
    assert [clause.id for clause in matrix.clauses] == ["IGN-1", "IGN-2"]
