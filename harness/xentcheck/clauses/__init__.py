"""The contract's clauses: every module of this package that has CLAUSES adds its own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from xentcheck.clauses.clause import Clause

FAMILIES = {
    "EQ": "equivalence of forms, modes and frameworks",
    "VAL": "values and gradients against the reference",
    "ACC": "accuracy over a survey of regimes",
    "IGN": "ignored rows",
    "SOFT": "soft labels",
    "AD": "automatic differentiation",
    "EXC": "exclusive classes, and the losses for those that are not",
    "PRB": "losses of probabilities",
    "NUM": "extreme and special numbers",
    "MET": "laws that need no oracle",
    "LAY": "memory layout",
    "SHP": "shapes and the class axis",
    "DET": "repeatability",
    # last, for what kills a process costs the clauses after it their compiled functions
    "LAB": "labels: range, dtype and shape",
}

# Families about other ways to ask for the same: what they take for granted of a case is what a plain call does.
OTHER_DOORS = ("AD", "EQ")


def _declared() -> Iterator[Clause]:
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        yield from getattr(module, "CLAUSES", ())


def in_order(clauses: Iterator[Clause]) -> dict[str, Clause]:
    """Clauses by id, by family and number. Raises ValueError for an id that two of them have, or an unknown family."""
    by_id: dict[str, Clause] = {}
    for clause in clauses:
        if clause.id in by_id:
            raise ValueError(f"two clauses are called {clause.id}: {by_id[clause.id].title!r} and {clause.title!r}")
        if clause.family not in FAMILIES:
            raise ValueError(f"{clause.id}: unknown family, expected one of {', '.join(FAMILIES)}")
        by_id[clause.id] = clause
    families = list(FAMILIES)
    return dict(sorted(by_id.items(), key=lambda item: (families.index(item[1].family), item[1].number)))


CLAUSES = in_order(_declared())

__all__ = ["CLAUSES", "FAMILIES", "OTHER_DOORS", "Clause", "in_order"]
