"""The contract: every clause, in the order in which reports show them."""

from xentcheck.clauses import (
    accuracy,
    autodiff,
    equivalence,
    exclusive,
    ignore,
    ignore_choices,
    label_choices,
    label_dtypes,
    label_shapes,
    labels,
    number,
    probability,
    procedures,
    repeat,
    shape,
    soft,
    upstream,
    value,
)
from xentcheck.clauses.clause import Clause

CLAUSES: dict[str, Clause] = {
    clause.id: clause
    # LAB last: what kills a process costs the clauses after it their compiled functions
    for module in (
        value,
        equivalence,
        accuracy,
        ignore,
        soft,
        autodiff,
        procedures,
        upstream,
        exclusive,
        probability,
        number,
        repeat,
        label_dtypes,
        label_shapes,
        ignore_choices,
        label_choices,
        shape,
        labels,
    )
    for clause in module.CLAUSES
}

__all__ = ["CLAUSES", "Clause"]
