"""Writes docs/kills.md from docs/figures/kills.json:

    python docs/kills.py [--kills KILLS.json]

With --kills, what the page shows of the kill matrix that `xentcheck self-test` wrote becomes that file first.
"""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from pages import environment

from xentcheck_reports import KillMatrix, Trial, read_kills, seconds_text

HERE = Path(__file__).parent
FIGURES, PAGE = HERE / "figures" / "kills.json", HERE / "kills.md"


def measured_kills(kills: KillMatrix) -> dict[str, Any]:
    """What the page shows of a kill matrix, and what it was measured with."""
    largest = kills.largest_example
    accused = [hearing for hearing in kills.hearings if hearing.conventional]
    return {
        "seed": kills.header.seed,
        "versions": {package: version for of in kills.header.versions.values() for package, version in of.items()},
        "faults": len(kills.judged),
        "killed": len(kills.judged) - len(kills.survivors),
        "seen": len(kills.conventional_trials),
        "known_bugs": kills.known_bugs,
        "bugs": len(kills.bugs),
        "caught": len(kills.caught_bugs),
        "seen_bugs": len(kills.conventionally_caught_bugs),
        "median": seconds_text(kills.median_seconds or 0.0),
        "largest": f"{_size(largest)} ({largest.name})" if largest else "none",
        "honest": len(kills.honest),
        "accused": len({hearing.function for hearing in kills.accused}),
        "conventionally_accused": [f"{one.function.rsplit(':', 1)[-1]} in {one.dtype}" for one in accused],
        "trials": [_row(trial) for trial in kills.judged],
    }


def _row(trial: Trial) -> dict[str, Any]:
    return {
        "module": trial.module,
        "fault": trial.name,
        "about": trial.about,
        "bugs": [bug.model_dump() for bug in trial.bugs],
        "clause": trial.clause,
        "dtype": trial.dtype,
        "killed": seconds_text(trial.killed.seconds) if trial.killed else None,
        "example": _size(trial),
        "conventional": trial.conventional,
    }


def _size(trial: Trial) -> str:
    return f"{trial.example.rows} × {trial.example.classes}" if trial.example else ""


def render() -> str:
    """The page as text."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    modules = {name: list(rows) for name, rows in groupby(figures["trials"], lambda row: row["module"])}
    return environment().get_template("kills.md.jinja").render(figures | {"modules": modules})


@click.command(help=__doc__)
@click.option("--kills", type=click.Path(exists=True, path_type=Path), help="A kill matrix to show.")
def main(kills: Path | None) -> None:
    """Renew the page."""
    if kills:
        text = json.dumps(measured_kills(read_kills(kills)), indent=1, ensure_ascii=False)
        FIGURES.write_text(text + "\n", encoding="utf-8")
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
