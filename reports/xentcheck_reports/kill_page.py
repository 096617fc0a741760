"""The page of a kill matrix, in the look of the conformance report."""

from pathlib import Path

from xentcheck_reports import numbers
from xentcheck_reports.files import write_atomically
from xentcheck_reports.kills import KillMatrix
from xentcheck_reports.page import environment


def write_self_test(kills: KillMatrix, directory: Path | str) -> Path:
    """Write `self-test.html` into `directory` and return its path. Raises ReportWriteError."""
    path = Path(directory) / "self-test.html"
    write_atomically(path, render_self_test(kills, report=path.with_name("report.html").exists()))
    return path


def render_self_test(kills: KillMatrix, report: bool = False) -> str:
    """The page as text; the same kills give the same text. `report` links to a conformance report beside it."""
    seen = {trial.fault: {kill.clause: kill for kill in trial.kills} for trial in kills.trials}
    wanted = {trial.clause for trial in kills.trials}.union(*seen.values())
    return (
        environment()
        .get_template("self-test.html")
        .render(
            kills=kills,
            report=report,
            seen=seen,
            columns=[clause for clause in kills.clauses if clause in wanted],
            verdict=_verdict(kills),
            figures=_figures(kills),
        )
    )


def _verdict(kills: KillMatrix) -> str:
    judged, accused = len(kills.judged), {hearing.function for hearing in kills.accused}
    verdict = f"{judged - len(kills.survivors)} of {numbers.plural(judged, 'fault')} killed"
    if kills.hearings:
        verdict += f", {len(accused) or 'none'} of {numbers.plural(len(kills.honest), 'honest function')} accused"
    return verdict


def _figures(kills: KillMatrix) -> list[tuple[str, str]]:
    """What a person wants to know first, with its name."""
    judged, bugs = len(kills.judged), len(kills.bugs)
    figures = [("Faults killed", _rate(judged - len(kills.survivors), judged))]
    seen = _rate(len(kills.conventional_trials), judged, "faults")
    if bugs:
        caught = f"{_rate(len(kills.caught_bugs), bugs)} that these faults re-create; {kills.known_bugs} are listed"
        figures.append(("Known bugs caught", caught))
        seen += f", {_rate(len(kills.conventionally_caught_bugs), bugs, 'bugs')}"
    figures.append(("Seen by a conventional test", seen))
    if kills.median_seconds is not None:
        figures.append(("Median time to kill", numbers.seconds_text(kills.median_seconds)))
    largest = kills.largest_example
    if largest and largest.example:
        size = f"{largest.example.rows} × {largest.example.classes}"
        figures.append(("Largest example", f"{size} ({largest.name}), but for faults that size triggers"))
    return figures


def _rate(some: int, of: int, what: str = "") -> str:
    return f"{some} of {of} {what}".rstrip() + f" ({numbers.share_text(some, of)})"
