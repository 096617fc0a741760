"""The contract: every clause, in the order in which reports show them."""

from xentcheck.clauses import (
    accuracy,
    autodiff,
    equivalence,
    exclusive,
    extreme,
    ignore,
    label_choices,
    labels,
    memory,
    metamorphic,
    number,
    probability,
    repeat,
    shape,
    soft,
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
        exclusive,
        probability,
        number,
        extreme,
        metamorphic,
        memory,
        repeat,
        label_choices,
        shape,
        labels,
    )
    for clause in module.CLAUSES
}

__all__ = ["CLAUSES", "Clause"]
