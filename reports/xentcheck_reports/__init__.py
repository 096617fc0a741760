"""Records of conformance runs, and the pages made from them."""

from xentcheck_reports.choices import Port, policy_tables, port
from xentcheck_reports.files import (
    RecordFileError,
    RecordWriter,
    ReportWriteError,
    read_records,
    write_atomically,
    write_records,
)
from xentcheck_reports.matrix import Cell, ClauseHead, Matrix, SubjectRow, summary_matrix
from xentcheck_reports.page import render_html, write_report
from xentcheck_reports.records import (
    SCHEMA_VERSION,
    Accuracy,
    Bitwise,
    Choice,
    Divergence,
    Failure,
    Grade,
    Horizon,
    Record,
    RunHeader,
    Worst,
)
from xentcheck_reports.runs import AnyRun, MergedRun, Run, merge
from xentcheck_reports.status import Standing, Status, worst_status

__all__ = [
    "SCHEMA_VERSION",
    "Accuracy",
    "AnyRun",
    "Bitwise",
    "Cell",
    "Choice",
    "ClauseHead",
    "Divergence",
    "Failure",
    "Grade",
    "Horizon",
    "Matrix",
    "MergedRun",
    "Port",
    "Record",
    "RecordFileError",
    "RecordWriter",
    "ReportWriteError",
    "Run",
    "RunHeader",
    "Standing",
    "Status",
    "SubjectRow",
    "Worst",
    "merge",
    "policy_tables",
    "port",
    "read_records",
    "render_html",
    "summary_matrix",
    "worst_status",
    "write_atomically",
    "write_records",
    "write_report",
]
