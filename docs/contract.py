"""Writes docs/contract.md from the contract, and docs/choices.md from docs/figures/choices.json:

    python docs/contract.py [--records RECORDS.jsonl]

With --records, the answers to policies in a run's records become that file first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from pages import environment

from xentcheck.clauses import FAMILIES
from xentcheck.contract import CONTRACT
from xentcheck_adapters import built_in_subjects
from xentcheck_reports import Run, Standing, policy_tables, read_records

HERE = Path(__file__).parent
FIGURES = HERE / "figures" / "choices.json"


def measured_choices(run: Run) -> dict[str, Any]:
    """The answers of a run, and what answered them."""
    header = run.headers[0]
    return {
        "level": header.level,
        "versions": {package: version for of in header.versions.values() for package, version in of.items()},
        "policies": [
            {
                "clause": table.clause,
                "cells": table.cells,
                "rows": [
                    {
                        "subjects": row.subjects,
                        "answers": [
                            [
                                {
                                    "text": answer.text,
                                    "standing": answer.choice.standing,
                                    "link": answer.choice.link or "",
                                    "promise": answer.choice.promise,
                                }
                                for answer in answers
                            ]
                            for answers in row.answers
                        ],
                    }
                    for row in table.rows
                ],
            }
            for table in policy_tables(run.records)
        ],
    }


def pages() -> dict[str, str]:
    """The text of each page by file name."""
    templates = environment()
    subjects = built_in_subjects().values()
    applies = {
        clause.id: [subject.name for subject in subjects if clause.lacks(subject) is None]
        for clause in CONTRACT.values()
    }
    measured = json.loads(FIGURES.read_text(encoding="utf-8"))
    shown = {
        "contract": CONTRACT,
        "families": {name: FAMILIES[name] for name in sorted({c.family for c in CONTRACT.values()}, key=_family_order)},
        "applies": applies,
        "subjects": len(subjects),
        "measured": measured,
        "links": _links,
        "glyphs": {standing.value: standing.glyph for standing in Standing},
    }
    return {name: templates.get_template(f"{name}.jinja").render(**shown) for name in ("contract.md", "choices.md")}


def _links(policy: dict[str, Any]) -> list[str]:
    """The documents that a policy's answers point to, in the order of the table: their numbers are its footnotes."""
    links = (answer["link"] for row in policy["rows"] for answers in row["answers"] for answer in answers)
    return [link for link in dict.fromkeys(links) if link.startswith("http")]


def _family_order(family: str) -> int:
    return list(FAMILIES).index(family)


@click.command()
@click.option("--records", type=click.Path(exists=True, path_type=Path), help="Records whose answers to show.")
def main(records: Path | None) -> None:
    """Write the pages."""
    if records:
        text = json.dumps(measured_choices(read_records(records)), indent=1, ensure_ascii=False)
        FIGURES.write_text(text + "\n", encoding="utf-8")
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
