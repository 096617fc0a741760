"""The certificate as plain text: a table per tier, the rows that attained its extremes, and what was broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import log2

from xentcheck_reference import Problem, Tier

from .certificate import WHATS, Certificate, Figure, Worst
from .comparison import Violation
from .referee import TIERS

_TITLES = {
    "float64": "float64 tier: worst error in ulp (of the value, or of what cancels in it); share of bounds",
    "double-word": "double-word tier: worst error of the high part in ulp, of the pair in log2 ulp; share of the bound",
}
_MOST_SHOWN = 20

Column = tuple[str, str, str]
"""Heading, attribute of a figure, result or "" for all of them"""
_RESULTS: list[Column] = [
    (name, "ulp", what) for name, what in zip(("loss", "gradient", "to labels", "Hessian·v"), WHATS, strict=True)
]
_COLUMNS: dict[Tier, list[Column]] = {
    "float64": [*_RESULTS, ("stated bound", "of_bound", ""), ("float32 bound", "of_tightest", "")],
    "double-word": [*_RESULTS, ("pair, log2", "pair_ulp", ""), ("stated bound", "of_bound", "")],
}


def certificate_lines(certificate: Certificate) -> Iterator[str]:
    """The whole certificate, line by line."""
    for tier in TIERS:
        yield from _table(certificate, tier)
    values = sum(figure.values for figure in certificate.figures.values())
    yield f"{sum(certificate.rows.values())} rows, {values} values judged"
    yield from violation_lines(certificate.violations)


def violation_lines(violations: list[Violation]) -> Iterator[str]:
    """Every broken promise, up to a screenful, the worst first."""
    if not violations:
        yield "every stated bound is kept"
        return
    yield f"{len(violations)} values exceed a stated bound:"
    for v in sorted(violations, key=lambda v: -v.error / v.bound if v.bound else float("-inf"))[:_MOST_SHOWN]:
        place = v.what + (f"[{v.column}]" if v.column >= 0 else "")
        yield (
            f"  {v.regime}, row {v.row}: {place} of the {v.tier} tier exceeds {v.promise}: "
            f"got {v.got!r}, exact {v.exact!r}, error {v.error:.3g} > {v.bound:.3g}"
        )
    if len(violations) > _MOST_SHOWN:
        yield f"  and {len(violations) - _MOST_SHOWN} more"


def describe_problem(problem: Problem) -> str:
    """The options of a batch, in one line."""
    rows, classes = problem.logits.shape
    parts = [f"{rows} x {classes} logits", "soft labels" if problem.soft else "index labels"]
    options = {name: getattr(problem, name) for name in ("label_smoothing", "z_loss", "softcap", "ignore_index")}
    parts += [f"{name} {value}" for name, value in options.items() if value]
    parts += [name for name in ("weight", "upstream") if getattr(problem, name) is not None]
    if problem.reduction != "none":
        parts.append(f"{problem.reduction} over {problem.mean_divides_by}" if problem.reduction == "mean" else "sum")
    if problem.gradient_rule != "true":
        parts.append(problem.gradient_rule)
    return ", ".join(parts)


def _table(certificate: Certificate, tier: Tier) -> Iterator[str]:
    columns = _COLUMNS[tier]
    yield _TITLES[tier]
    yield f"{'regime':15} {'rows':>6} " + " ".join(f"{heading:>13}" for heading, _, _ in columns)
    for regime, rows in certificate.rows.items():
        cells = (_shown(column, _worst(certificate.of(tier, regime), column)) for column in columns)
        yield f"{regime:15} {rows:6} " + " ".join(f"{cell:>13}" for cell in cells)
    yield "attained by"
    for column in columns:
        worst = _worst(certificate.of(tier), column)
        if worst:
            place = f", column {worst.column}" if worst.column >= 0 else ""
            yield f"  {column[0]:13} {_shown(column, worst):>9}  {worst.row}{place}"
    yield ""


def _worst(figures: Iterable[Figure], column: Column) -> Worst | None:
    _, name, what = column
    known = [getattr(figure, name) for figure in figures if what in ("", figure.what)]
    return max((worst for worst in known if worst.row), key=lambda worst: worst.value, default=None)


def _shown(column: Column, worst: Worst | None) -> str:
    if worst is None:
        return "-"
    if column[1] == "pair_ulp":
        return f"{log2(worst.value):.1f}" if 0.0 < worst.value < float("inf") else f"{worst.value:.3g}"
    return f"{worst.value:.4g}" if column[1] == "ulp" else f"{worst.value:.2g}"
