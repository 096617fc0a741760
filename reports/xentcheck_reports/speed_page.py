"""The page of a benchmark, in the look of the conformance report."""

from pathlib import Path

from markupsafe import Markup

from xentcheck_reports import numbers
from xentcheck_reports.files import write_atomically
from xentcheck_reports.page import environment
from xentcheck_reports.speeds import Line, Setting, Speeds, subjects_of


def write_bench(speeds: Speeds, directory: Path | str) -> Path:
    """Write `bench.html` into `directory` and return its path. Raises ReportWriteError."""
    path = Path(directory) / "bench.html"
    write_atomically(path, render_bench(speeds, report=path.with_name("report.html").exists()))
    return path


def render_bench(speeds: Speeds, report: bool = False) -> str:
    """The page as text; the same timings give the same text. `report` links to a conformance report beside it."""
    templates = environment()
    templates.filters |= {"time": numbers.time_text, "per_second": numbers.per_second_text}
    return templates.get_template("bench.html").render(
        speeds=speeds,
        report=report,
        tables=speeds.tables,
        subjects_of=subjects_of,
        figures=_figures(speeds.tables),
        verdict=speeds.summary,
        absences={(one.subject, one.reason): one for one in speeds.timings if one.reason}.values(),
    )


def _figures(tables: dict[Setting, list[Line]]) -> dict[Setting, Markup]:
    """The SVG of each table that has a multiple of the roofline."""
    # Here and not above: Matplotlib takes half a second to load.
    from xentcheck_reports.speed_figure import speed_figure

    return {
        setting: Markup(speed_figure(setting, lines))
        for setting, lines in tables.items()
        if any(line.measured and not line.is_overhead for line in lines)
    }
