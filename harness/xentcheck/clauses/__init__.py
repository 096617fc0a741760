"""The contract: every clause, in the order in which reports show them."""

from xentcheck.clauses import (
    accuracy,
    accuracy_choices,
    argument_choices,
    autodiff,
    bitwise_choices,
    degenerate_choices,
    equivalence,
    exclusive,
    extreme,
    gradient_choices,
    ignore,
    ignore_choices,
    label_choices,
    label_dtypes,
    label_shapes,
    labels,
    mean_choices,
    memory,
    metamorphic,
    number,
    probability,
    procedures,
    repeat,
    shape,
    small_numbers,
    soft,
    special_rows,
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
        extreme,
        metamorphic,
        memory,
        repeat,
        label_dtypes,
        label_shapes,
        ignore_choices,
        special_rows,
        small_numbers,
        gradient_choices,
        mean_choices,
        argument_choices,
        degenerate_choices,
        bitwise_choices,
        accuracy_choices,
        label_choices,
        shape,
        labels,
    )
    for clause in module.CLAUSES
}

__all__ = ["CLAUSES", "Clause"]
