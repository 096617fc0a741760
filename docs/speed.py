"""Writes docs/speed.md from docs/figures/bench.json:

    python docs/speed.py [--bench BENCH.json]...

With --bench, the benchmarks that `xentcheck bench` wrote, each of them whole, become that file first.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from pages import environment

from xentcheck_reports import Line, Setting, Speeds, multiple_text, read_speeds, subjects_of, time_text

HERE = Path(__file__).parent
FIGURES, PAGE = HERE / "figures" / "bench.json", HERE / "speed.md"
KERNELS = "kernels"
_BEST = "kernels.avx512"
_LARGE, _MANY = 32_000, 1000  # classes from which the logits of a batch fit into no cache, and from which rows are long


@dataclass(frozen=True)
class Goal:
    """What the kernels are meant to reach on each line of the tables that it is about.

    figure   of a line: the multiple of the roofline, which may be `limit` at most, or how many times as fast as the
             best framework, which must be `limit` at least
    """

    about: str
    is_about: Callable[[Setting, Line], bool]
    figure: str
    limit: float

    def seen(self, speeds: Speeds) -> dict[str, Any] | None:
        """The worst line of all; None if none is about it."""
        lines = [(s, line) for s, lines in speeds.tables.items() for line in lines if self.is_about(s, line)]
        found = [(value, s, line) for s, line in lines if (value := self._value(line)) is not None]
        if not found:
            return None
        pick = max if self.figure == "multiple" else min
        worst, setting, line = pick(found, key=lambda one: one[0])
        holds = worst <= self.limit if self.figure == "multiple" else worst >= self.limit
        return {"worst": multiple_text(worst), "where": f"{line.label}, {setting.title}", "holds": holds}

    def _value(self, line: Line) -> float | None:
        if self.figure == "multiple":
            kernel = line.timings.get(_BEST)
            return kernel.multiple if kernel else None
        return lead_of_kernels(line)


def lead_of_kernels(line: Line) -> float | None:
    """How many times as fast the fastest kernel is as the fastest framework; None if either is not there."""
    kernels = [one.multiple for one in line.measured if one.framework == KERNELS and one.multiple]
    others = [one.multiple for one in line.measured if one.framework != KERNELS and one.multiple]
    return min(others) / min(kernels) if kernels and others else None


def _of(dtype: str, labels: str, gradient: bool) -> Callable[[Setting, Line], bool]:
    """Lines whose logits are large."""

    def is_about(setting: Setting, line: Line) -> bool:
        return (
            (setting.dtype, setting.labels, line.gradient) == (dtype, labels, gradient)
            and setting.warm
            and line.shape.classes >= _LARGE
        )

    return is_about


def _warm(least_classes: int) -> Callable[[Setting, Line], bool]:
    return lambda setting, line: setting.warm and line.shape.classes >= least_classes


_LIMITS = {"float32": (1.3, 1.6), "bfloat16": (2.2, 3.5), "float64": (2.0, 2.5)}
GOALS = (
    *(
        Goal(
            f"{dtype}, C ≥ {_LARGE}, {what}: multiple of the roofline", _of(dtype, "index", gradient), "multiple", limit
        )
        for dtype, limits in _LIMITS.items()
        for gradient, what, limit in zip((False, True), ("forward", "loss and gradient"), limits, strict=True)
    ),
    Goal("dense labels, forward: multiple of their roofline", _of("float32", "dense", False), "multiple", 2.5),
    Goal("dense labels, loss and gradient: multiple of their roofline", _of("float32", "dense", True), "multiple", 2.5),
    Goal("every shape and dtype: times as fast as the best framework", _warm(1), "lead", 1.0),
    Goal(f"C ≥ {_MANY}: times as fast as the best framework", _warm(_MANY), "lead", 2.0),
)


def merged(benchmarks: list[Speeds]) -> dict[str, Any]:
    """The benchmarks as one, times with the digits that they are good for."""
    told = [one for speeds in benchmarks for one in speeds.timings]
    first = benchmarks[0].model_copy(update={"timings": told, "due": sum(speeds.due for speeds in benchmarks)})
    figures: dict[str, Any] = json.loads(first.model_dump_json(exclude_defaults=True))
    for timing in figures["timings"]:
        for name in ("seconds", "roofline"):
            timing[name] = [float(f"{value:.4g}") for value in timing.get(name, ())]
        if "first_seconds" in timing:
            timing["first_seconds"] = float(f"{timing['first_seconds']:.3g}")
    figures["commands"] = [_without_output(speeds.header.command) for speeds in benchmarks]
    figures["header"]["command"] = figures["commands"][0]
    return figures


def _without_output(command: str) -> str:
    """A command without the folder that it wrote to: that is nobody else's."""
    words = shlex.split(command)
    at = words.index("--output") if "--output" in words else len(words)
    return shlex.join([*words[:at], *words[at + 2 :]])


def render() -> str:
    """The page as text."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    commands = figures.pop("commands")
    speeds = Speeds.model_validate(figures)
    templates = environment()
    templates.filters |= {"time": time_text, "multiple": multiple_text}
    return templates.get_template("speed.md.jinja").render(
        speeds=speeds,
        commands=commands,
        versions={package: number for of in speeds.header.versions.values() for package, number in of.items()},
        goals=[(goal, seen) for goal in GOALS if (seen := goal.seen(speeds))],
        subjects_of=subjects_of,
        lead_of_kernels=lead_of_kernels,
    )


@click.command(help=__doc__)
@click.option("--bench", "benchmarks", multiple=True, type=click.Path(exists=True, path_type=Path))
def main(benchmarks: tuple[Path, ...]) -> None:
    """Renew the page."""
    if benchmarks:
        figures = merged([read_speeds(path) for path in benchmarks])
        timings = ",\n".join(json.dumps(timing) for timing in figures.pop("timings"))
        head = json.dumps(figures, indent=1, ensure_ascii=False)
        FIGURES.write_text(f'{head[:-2]},\n "timings": [\n{timings}\n]}}\n', encoding="utf-8")
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
