"""Speed of the oracle's tiers beside the textbook form it replaces, interleaved in one run, on one core.

    python benchmarks/oracle_speed.py [--save docs/figures/speed.json]

Each round times every form once, so that all see the same noise; medians of million elements/s, loss and gradient.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_oracle import ELEMENTS, problem, textbook

from xentcheck_reference import cross_entropy

ROUNDS = 15


def measure(classes: int) -> dict[str, Any]:
    """Medians per form, and the median over the rounds of textbook time / float64-tier time."""
    asked = problem(classes, soft=False)
    forms: dict[str, Callable[[], Any]] = {
        "float64": lambda: cross_entropy(asked),
        "textbook": lambda: textbook(asked),
        "double-word": lambda: cross_entropy(asked, tier="double-word"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for turn in range(ROUNDS + 1):
        for name, form in forms.items():
            started = time.perf_counter()
            form()
            if turn:  # the first round warms caches and allocators
                seconds[name].append(time.perf_counter() - started)
    ratio = [a / b for a, b in zip(seconds["textbook"], seconds["float64"], strict=True)]
    speeds = {name: ELEMENTS / statistics.median(times) / 1e6 for name, times in seconds.items()}
    return {"classes": classes, "speed": speeds, "float64_over_textbook": statistics.median(ratio)}


def main() -> None:
    """Measure at three widths, print, and save if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", type=Path, help="write the figures here as JSON")
    arguments = parser.parse_args()
    figures = [measure(classes) for classes in (10, 1000, 50_000)]
    for figure in figures:
        speeds = ", ".join(f"{name} {speed:.1f}" for name, speed in figure["speed"].items())
        print(
            f"C = {figure['classes']}: {speeds} million elements/s; float64 is {figure['float64_over_textbook']:.2f} times as fast"
        )
    if arguments.save:
        arguments.save.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
