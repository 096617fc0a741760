"""A benchmark as text."""

from __future__ import annotations

from collections.abc import Iterator

from xentcheck_reports import NOT_TIMED, Line, Setting, Speeds, Timing, per_second_text, subjects_of, time_text


def table_lines(speeds: Speeds) -> Iterator[str]:
    """A table per setting: multiples of the roofline, elements per second and the lead of the fastest; and why some
    contenders have no time."""
    for setting, lines in speeds.tables.items():
        yield ""
        yield from _table(setting, lines)
    reasons = {(one.subject, one.reason): one for one in speeds.timings if one.reason}
    for one in reasons.values():
        yield f"{NOT_TIMED} {one.subject} at {one.shape}: {one.reason}"


def _table(setting: Setting, lines: list[Line]) -> Iterator[str]:
    subjects = subjects_of(lines)
    head = ["", "roofline", *subjects, "elements/s", "the fastest, and the fastest of another framework"]
    rows = [head, *(_row(line, subjects) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    yield f"{setting.title}: time, as a multiple of the roofline where that is a time to speak of"
    for row in rows:
        label, *cells = row
        *numbers, last = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join([label.ljust(widths[0]), *numbers, last.strip()])


def _row(line: Line, subjects: list[str]) -> list[str]:
    speed = per_second_text(line.elements_per_second) if line.elements_per_second else ""
    roof = time_text(line.roofline_seconds) if line.measured else ""
    return [line.label, roof, *(line.text_of(name) for name in subjects), speed, line.lead_text]


def progress_text(timings: list[Timing]) -> str:
    """One workload's, in one line."""
    line = Line(timings[0].shape, timings[0].gradient, {one.subject: one for one in timings})
    told = ", ".join(f"{name} {line.text_of(name)}" for name in line.timings)
    return f"{timings[0].setting.title}, {line.label}: {told}"
