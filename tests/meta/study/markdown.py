"""The figures of the study as tables for the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study.figures import OURS

_PER_FAULT = (
    ("bound", "declared precision: bound"),
    ("all tests", OURS),
    ("unknown", "unknown precision: bound, common mode, rounding and batch"),
    ("best scaled default", "best scaled default"),
)


def markdown(figures: Mapping[str, Any]) -> str:
    """Tables of all dtypes in the figures, which `detection.py` wrote."""
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    parts = [part for dtype, found in figures["dtypes"].items() for part in _dtype(dtype, found)]
    return "\n\n".join([*parts, f"Measured with {versions} by `python tests/meta/detection.py --save FIGURES.json`."])


def _dtype(dtype: str, found: Mapping[str, Any]) -> list[str]:
    batches, seeds = found["batches"], found["seeds"]
    return [
        f"### {dtype}",
        f"{batches['faulty']} faulty and {batches['honest']} honest batches of seeds {_range(seeds['held_out'])}."
        f" The limits of batch statistics were learned from {batches['learned']} honest ones of seeds"
        f" {_range(seeds['learned_on'])}.",
        _table(
            ("rule", "×", "false alarms", "detected", "with the sweep", "of those that show", "faults always seen"),
            [_rule(name, rule, found) for name, rule in found["rules"].items()],
        ),
        "Detected over the nine regimes. Share of a fault's batches there:",
        _table(
            ("fault", "shows", *(head for head, _ in _PER_FAULT), "seen in every batch of"),
            [_fault(row, len(found["limits"]["declared"][dtype])) for row in found["faults"]],
        ),
    ]


def _rule(name: str, rule: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"**{name}**" if name == OURS else name,
        "" if rule["factor"] is None else f"{rule['factor']:.3g}",
        f"{rule['false_alarms']} of {found['batches']['honest']}",
        *(_percent(rule[over]) for over in ("nine", "all", "shown")),
        f"{rule['faults_always_seen']} of {len(found['faults'])}",
    )


def _fault(row: Mapping[str, Any], cells: int) -> tuple[str, ...]:
    shares = [_percent(row[key]) for key in ("shows", *(key for _, key in _PER_FAULT))]
    where = "all" if len(row["always"]) == cells else "; ".join(row["always"]) or "none"
    return row["fault"], *shares, where


def _percent(part: float) -> str:
    return f"{100 * part:.1f} %" if 0 < part < 1 else f"{100 * part:.0f} %"


def _range(seeds: Sequence[int]) -> str:
    return f"{seeds[0]} to {seeds[-1]}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))
