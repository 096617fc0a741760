"""NUM: rows whose logits are NaN or infinite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case, Edit
from xentcheck.clauses.clause import Clause, softmax_of_logits
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Deviation, Measurement, conform


def _poisoned_row(scope: Scope) -> SearchStrategy[Case]:
    kind = "index" if "index" in scope.subject.labels else "one-hot"
    plain = cases(scope, labels=(kind,), regimes=FINITE_REGIMES, min_rows=2)
    edit = st.builds(Edit, st.integers(0, 7), st.integers(0, 4096), st.sampled_from(("nan", "+inf")))
    return st.builds(lambda case, edit: replace(case, edits=(edit,)), plain, edit)


def _poisons_only_itself(case: Case, bench: Bench) -> Measurement:
    """The edited row's loss is not finite; all other rows are what they are without it."""
    call = bench.call(case)
    answer, row = bench.answer(call), case.edits[0].row % case.rows
    if np.isfinite(answer.loss.astype(np.float64)[row]):
        raise Deviation(
            "poisoned row", expected=f"loss[{row}] NaN or infinite: its logits are", got=f"loss {answer.loss[row]!r}"
        )
    keep = np.arange(case.rows) != row
    rest = replace(
        call,
        logits=call.logits[keep],
        labels=call.labels[keep],
        upstream=None if call.upstream is None else call.upstream[keep],
    )
    return conform(answer.rows(keep), bench.expect(rest), case.token)


CLAUSES = (
    Clause(
        "NUM-1",
        "a NaN or +inf logit makes its own row's loss NaN or infinite and leaves the other rows alone",
        ("Rows are independent; exp(inf - inf) is undefined.",),
        softmax_of_logits,
        _poisoned_row,
        _poisons_only_itself,
    ),
)
