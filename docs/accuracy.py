"""Writes docs/accuracy.md from the figures in docs/figures:  python docs/accuracy.py [--records RECORDS.jsonl]

With --records, the rows and ratios of a run's survey (clause ACC-1) become the figures of false alarms first.
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
from pages import environment

from xentcheck.grades import recorded_grades
from xentcheck_adapters import FLOAT_DTYPES
from xentcheck_reports import Record, Run, read_records

HERE = Path(__file__).parent
FIGURES, PAGE = HERE / "figures", HERE / "accuracy.md"
sys.path.insert(0, str(HERE.parent / "tests" / "meta"))
from study.markdown import markdown as detection_tables  # noqa: E402  # lives beside the faults it injects

_WHATS = ("loss", "grad_logits", "grad_labels", "product")


def false_alarms(run: Run) -> dict[str, Any]:
    """Per subject and dtype: rows held against their bounds, the largest error / bound, and the 99th percentile of the
    worst regime."""
    header = run.headers[0]
    surveyed = [record for record in run.records if record.clause == "ACC-1" and record.accuracy]
    return {
        "level": header.level,
        "seed": header.seed,
        "versions": header.versions,
        "processor": header.processor,
        "subjects": [_of_subject(record) for record in surveyed],
    }


def _of_subject(record: Record) -> dict[str, Any]:
    by_what = {what: [a for a in record.accuracy if a.what == what] for what in ("loss", "grad_logits")}
    figures: dict[str, Any] = {
        "subject": record.subject,
        "dtype": record.dtype,
        "rows": sum(a.rows - a.known_rows for a in by_what["loss"]),
        "known_rows": sum(a.known_rows for a in by_what["loss"]),
        "alarm": record.status.is_failure,
    }
    for what, found in by_what.items():
        figures[what] = [max((getattr(a, name) for a in found), default=0.0) for name in ("max_ratio", "p99_ratio")]
    return figures


def certificate_table(figures: list[dict[str, Any]], tier: str) -> list[dict[str, Any]]:
    """A row per regime: the worst figure of each result, and of all results against their bounds."""
    regimes: dict[str, dict[str, Any]] = defaultdict(dict)
    for figure in figures:
        if figure["tier"] == tier:
            row = regimes[figure["regime"]]
            row[figure["what"]] = figure["ulp"]["value"]
            for name in ("pair_ulp", "of_bound", "of_tightest"):
                row[name] = max(row.get(name, 0.0), figure[name]["value"])
    return [{"regime": regime, **dict.fromkeys(_WHATS, None), **row} for regime, row in regimes.items()]


def render() -> str:
    """The page as text."""
    loaded = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(FIGURES.glob("*.json"))}
    templates = environment()
    templates.filters |= {"short": _short, "log2": _log2}
    return templates.get_template("accuracy.md.jinja").render(
        **loaded,
        certificate_table=certificate_table,
        detection_tables=detection_tables(loaded["detection"]),
        grades=recorded_grades(),
        dtypes=FLOAT_DTYPES,
    )


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _log2(value: float) -> str:
    return f"{math.log2(value):.1f}" if value > 0.0 else "exact"


@click.command(help=__doc__)
@click.option("--records", type=click.Path(path_type=Path, exists=True), help="Record file of a run with ACC-1 in it.")
def main(records: Path | None) -> None:
    """Renew the page."""
    if records:
        figures = false_alarms(read_records(records))
        (FIGURES / "false_alarms.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(render(), encoding="utf-8")
    click.echo(PAGE)


if __name__ == "__main__":
    main()
