"""Writes docs/corners.md from docs/corners.toml and docs/figures/corners.json:

    python docs/corners.py [--measure [ID …]]

With --measure, every script (or only those named) runs in a fresh process with the installed versions, and what it
prints becomes the figures first. A script whose last line fails is refused: what it tells is so no longer.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from pages import environment

from xentcheck.findings import FreeFinding, ScriptRun, installed_versions, run_script

HERE = Path(__file__).parent
CORNERS, FIGURES, PAGE = HERE / "corners.toml", HERE / "figures" / "corners.json", HERE / "corners.md"


class Corner(FreeFinding):
    """Told and shown as a finding is, but no defect (or one that has a finding of its own): its script passes."""

    ended: str = ""  # the signal by which the script ends, where that is what it shows


def all_corners() -> tuple[Corner, ...]:
    """Every corner, in the order of the file. ValueError if an id is there twice."""
    corners = tuple(Corner.model_validate(table) for table in tomllib.loads(CORNERS.read_text("utf-8"))["corner"])
    ids = [corner.id for corner in corners]
    if len(set(ids)) < len(ids):
        raise ValueError(f"corners told twice: {sorted({id for id in ids if ids.count(id) > 1})}")
    return corners


def runs_of(corner: Corner) -> Mapping[str, ScriptRun]:
    """How the script goes on each of its backends; "" where it names none."""
    click.echo(corner.id, err=True)
    return {backend: run_script(corner, backend) for backend in corner.backends or ("",)}


def measure(corners: Iterable[Corner]) -> dict[str, Any]:
    """What the scripts print, by id and backend. ClickException if one does not end as its corner says."""
    chosen = list(corners)
    with ThreadPoolExecutor(2) as threads:
        measured = list(threads.map(runs_of, chosen))
    failed = [
        f"{corner.id} {backend}: ended by {run.ended or 'no error'}, not {corner.ended or 'no error'}\n{run.output}"
        for corner, runs in zip(chosen, measured, strict=True)
        for backend, run in runs.items()
        if run.ended != corner.ended
    ]
    if failed:
        raise click.ClickException("these scripts do not show what they tell:\n" + "\n".join(failed))
    return {
        corner.id: {backend: run.output for backend, run in runs.items()}
        for corner, runs in zip(chosen, measured, strict=True)
    }


def render() -> str:
    """The page as text."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    return environment().get_template("corners.md.jinja").render(corners=all_corners(), **figures)


@click.command(help=__doc__)
@click.option("--measure", "measuring", is_flag=True, help="Run the scripts first.")
@click.argument("ids", nargs=-1)
def main(measuring: bool, ids: tuple[str, ...]) -> None:
    """Renew the page."""
    if measuring:
        corners = all_corners()
        before = json.loads(FIGURES.read_text(encoding="utf-8"))["measured"] if ids else {}
        measured = {**before, **measure(corner for corner in corners if not ids or corner.id in ids)}
        figures = {
            "versions": installed_versions(),
            "measured": {corner.id: measured[corner.id] for corner in corners},
        }
        FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(), encoding="utf-8")
    click.echo(PAGE)


if __name__ == "__main__":
    main()
