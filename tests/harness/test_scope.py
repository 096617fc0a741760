"""What a subject is asked about: no more rows and classes than it says, and no reduction that it lacks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xentcheck.cases import Case
from xentcheck.clauses import CLAUSES
from xentcheck.levels import LEVELS
from xentcheck.strategies import Scope
from xentcheck_adapters import Subject, built_in_subjects

SUBJECTS = built_in_subjects()
LIMITED = [
    name
    for name, subject in SUBJECTS.items()
    if subject.largest_rows or subject.largest_classes or "mean" not in subject.reductions
]


def can_be_asked(subject: Subject, case: Case) -> bool:
    few = case.rows <= (subject.largest_rows or case.rows) and case.classes <= (subject.largest_classes or case.classes)
    return few and case.reduction in subject.reductions


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", LIMITED)
def test_fixed_cases_are_ones_the_subject_can_be_asked(name: str, level: str) -> None:
    subject = SUBJECTS[name]
    scope = Scope(subject, "float32", LEVELS[level])
    clauses = [clause for clause in CLAUSES.values() if clause.lacks(subject) is None]
    assert all(can_be_asked(subject, case) for clause in clauses for case in clause.fixed(scope))


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("clause", ["VAL-1", "IGN-2"])
def test_drawn_cases_are_ones_the_subject_can_be_asked(clause: str, data: st.DataObject) -> None:
    subject = SUBJECTS["torch.linear.chunked"]
    draw = CLAUSES[clause].draw
    assert draw is not None
    assert can_be_asked(subject, data.draw(draw(Scope(subject, "float32", LEVELS["nightly"]))))
