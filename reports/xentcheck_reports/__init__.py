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
from xentcheck_reports.kill_page import render_self_test, write_self_test
from xentcheck_reports.kills import (
    Accusation,
    Bug,
    Example,
    Hearing,
    Kill,
    KillMatrix,
    Trial,
    read_kills,
    write_kills,
)
from xentcheck_reports.matrix import Cell, ClauseHead, Matrix, SubjectRow, summary_matrix
from xentcheck_reports.numbers import plural, seconds_text
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
    Precedent,
    Record,
    RunHeader,
    Worst,
)
from xentcheck_reports.runs import AnyRun, MergedRun, Run, merge
from xentcheck_reports.sections import probe_lines
from xentcheck_reports.status import Standing, Status, worst_status
from xentcheck_reports.versions import Difference, Environment, Seen, VersionTable, version_tables

__all__ = [
    "SCHEMA_VERSION",
    "Accuracy",
    "Accusation",
    "AnyRun",
    "Bitwise",
    "Bug",
    "Cell",
    "Choice",
    "ClauseHead",
    "Difference",
    "Divergence",
    "Environment",
    "Example",
    "Failure",
    "Grade",
    "Hearing",
    "Horizon",
    "Kill",
    "KillMatrix",
    "Matrix",
    "MergedRun",
    "Port",
    "Precedent",
    "Record",
    "RecordFileError",
    "RecordWriter",
    "ReportWriteError",
    "Run",
    "RunHeader",
    "Seen",
    "Standing",
    "Status",
    "SubjectRow",
    "Trial",
    "VersionTable",
    "Worst",
    "merge",
    "plural",
    "policy_tables",
    "port",
    "probe_lines",
    "read_kills",
    "read_records",
    "render_html",
    "render_self_test",
    "seconds_text",
    "summary_matrix",
    "version_tables",
    "worst_status",
    "write_atomically",
    "write_kills",
    "write_records",
    "write_report",
    "write_self_test",
]
