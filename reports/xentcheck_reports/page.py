"""One self-contained HTML page from the records of a run: no script, nothing fetched."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from xentcheck_reports import numbers, sections
from xentcheck_reports.atlas import Atlas, accuracy_atlas
from xentcheck_reports.choices import coverages, main_ports, policy_tables
from xentcheck_reports.files import write_atomically
from xentcheck_reports.kills import KillMatrix, kills_in
from xentcheck_reports.matrix import Matrix, summary_matrix
from xentcheck_reports.records import Bitwise, Record, Worst
from xentcheck_reports.runs import AnyRun
from xentcheck_reports.speeds import Speeds, speeds_in
from xentcheck_reports.status import Standing
from xentcheck_reports.versions import other_interpreters, version_tables


def write_report(run: AnyRun, directory: Path | str) -> Path:
    """Write `report.html` into `directory`, where a self-test and a benchmark may have left what they measured, and
    return its path. Raises ReportWriteError.
    """
    path = Path(directory) / "report.html"
    write_atomically(path, render_html(run, kills_in(directory), speeds_in(directory)))
    return path


def render_html(run: AnyRun, kills: KillMatrix | None = None, speeds: Speeds | None = None) -> str:
    """The page as text; the same records give the same text. A kill matrix and a benchmark beside it are linked to and
    summed up."""
    matrix = summary_matrix(run)
    atlas = accuracy_atlas(run.records)
    equalities = sections.equality_rows(run.records)
    return (
        environment()
        .get_template("report.html")
        .render(
            run=run,
            kills=kills,
            speeds=speeds,
            matrix=matrix,
            verdict=_verdict(run.records),
            probes=sections.probe_lines(run.records),
            counts=sections.status_counts(run.records),
            failures=sections.failure_groups(run.records),
            divergences=sections.divergence_groups(run.records),
            versions=version_tables(run.records),
            interpreters=other_interpreters(run.records),
            policies=policy_tables(run.records),
            ports=main_ports(run.records),
            coverages=coverages(run.records),
            standings=list(Standing),
            absences=sections.absence_groups(run.records),
            equalities=equalities,
            equality_dtypes=list(dict.fromkeys(dtype for row in equalities for dtype in row.of_dtype)),
            atlas=atlas,
            figures=_figures(atlas) if atlas else {},
            anchors=_cell_anchors(matrix),
        )
    )


def environment() -> Environment:
    """Where the templates are found, with the numbers as pages show them."""
    environment = Environment(
        loader=PackageLoader("xentcheck_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": numbers.count_text,
        "seconds": numbers.seconds_text,
        "plural": numbers.plural,
        "ratio": numbers.ratio_text,
        "utc": numbers.utc_text,
        "ulp": numbers.ulp_text,
        "digits": numbers.digits_text,
        "share": _share,
        "place": _place,
        "got": _got,
        "interval": _interval,
    }
    return environment


def _figures(atlas: Atlas) -> dict[str, Markup]:
    """The SVG of every dtype's heat map, and of the horizons."""
    # Here and not above: Matplotlib takes half a second to load, and most runs end without a page that needs it.
    from xentcheck_reports.heat_map import heat_map
    from xentcheck_reports.horizons import horizon_figure

    figures = {one.dtype: Markup(heat_map(one)) for one in atlas.dtypes}
    return figures | ({"horizon": Markup(horizon_figure(atlas.horizons))} if atlas.horizons else {})


def _verdict(records: Sequence[Record]) -> str:
    failed = [record for record in records if record.status.is_failure]
    subjects = {record.subject for record in failed}
    made = sum(record.status.is_judged for record in records)
    outcome = "no failures"
    if failed:
        outcome = f"{numbers.plural(len(failed), 'failure')} on {numbers.plural(len(subjects), 'subject')}"
    absent = f", {numbers.count_text(len(records) - made)} not made" if made < len(records) else ""
    return f"{outcome} in {numbers.plural(made, 'check')}{absent}" if made else "nothing was checked"


def _cell_anchors(matrix: Matrix) -> dict[tuple[str, str], str]:
    """Where the evidence of (subject, clause) stands; short, since a page has thousands."""
    return {
        (row.subject, clause.id): f"c{down}-{across}"
        for down, row in enumerate(matrix.rows)
        for across, clause in enumerate(matrix.clauses)
    }


def _share(bitwise: Bitwise) -> str:
    return numbers.share_text(bitwise.equal, bitwise.of)


def _place(worst: Worst) -> str:
    """`grad_logits[3, 17]`"""
    indices = ", ".join(str(index) for index in (worst.row, worst.column) if index is not None)
    return f"{worst.what}[{indices}]" if indices else worst.what


def _got(worst: Worst) -> str:
    return numbers.value_text(worst.got, worst.expected, worst.bound)


def _interval(worst: Worst) -> str:
    return numbers.interval_text(worst.expected, worst.bound)
