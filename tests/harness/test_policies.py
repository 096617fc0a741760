"""Policies: an answer is measured, held against what is declared, and told for what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from xentcheck.bench import Bench
from xentcheck.choices import Choices, Declared, measured_choice, parse_choices
from xentcheck.contract import CONTRACT
from xentcheck.known import load_choices
from xentcheck.levels import LEVELS
from xentcheck.strategies import Scope
from xentcheck.validation import LedgerError
from xentcheck.verdict import Deviation
from xentcheck_adapters import built_in_subjects
from xentcheck_reports import Record, Standing, Status

POLICY = "LAB-2"


def declared(**fields: object) -> Declared:
    given = {"policy": POLICY, "cells": ["*"], "subjects": ["*"], "answer": "refuses", **fields}
    return Declared.model_validate(given)


def standing(answer: str, entry: Declared | None) -> Standing:
    return measured_choice("-1", answer, "refuses", entry, "token").standing


def test_an_answer_is_worth_what_its_documents_make_it() -> None:
    promised = declared(promise="NaN", answer="NaN", link="https://example.org")
    assert standing("refuses", None) is Standing.EQUAL
    assert standing("NaN", None) is Standing.UNDOCUMENTED
    assert standing("NaN", promised) is Standing.DOCUMENTED
    assert standing("refuses", promised) is Standing.CONTRADICTS


def test_a_subject_nobody_described_is_measured_and_not_blamed(judged: Callable[..., Record]) -> None:
    record = judged(POLICY, "losses.py:honest")
    assert record.status is Status.PASS
    assert {choice.cell for choice in record.choices} >= {"-1", "C", "2**32+1"}


def test_an_answer_that_changed_fails(bench: Callable[..., Bench]) -> None:
    told = replace(bench("losses.py:honest"), choices=Choices((declared(answer="infinite loss"),)))
    clause = CONTRACT[POLICY]
    case = clause.always(Scope(told.subject, "float32", LEVELS["quick"]))[0]
    with pytest.raises(Deviation, match="infinite loss for '-1', as declared"):
        clause.check(case, told)


def test_what_documents_leave_undefined_is_not_asked(bench: Callable[..., Bench]) -> None:
    undefined = declared(answer="undefined", promise="undefined", link="https://example.org")
    told = replace(bench("losses.py:honest"), choices=Choices((undefined,)))  # which would refuse
    clause = CONTRACT[POLICY]
    (choice,) = clause.check(clause.always(Scope(told.subject, "float32", LEVELS["quick"]))[0], told).choices
    assert (choice.answer, choice.standing) == ("undefined", Standing.DOCUMENTED)


@pytest.mark.parametrize(("cell", "undeclared"), [("-1", False), ("-100", True)])
def test_only_the_usual_answer_needs_no_declaration(bench: Callable[..., Bench], cell: str, undeclared: bool) -> None:
    silent = bench("losses.py:honest")
    described = replace(silent, target=replace(silent.target, subject=replace(silent.subject, described=True)))
    clause = CONTRACT[POLICY]
    cases = clause.always(Scope(described.subject, "float32", LEVELS["quick"]))
    asked = next(case for case in cases if case.cell == cell)
    with pytest.raises(Deviation, match="undeclared answer") if undeclared else nullcontext():
        assert clause.check(asked, described).choices[0].standing is Standing.EQUAL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[choice", "not TOML"),
        ("[[choices]]\n", "unknown table 'choices'"),
        ('[[choice]]\npolicy = "LAB-2"\n', "choice 1: cells: Field required"),
        (
            '[[choice]]\npolicy = "LAB-2"\ncells = ["*"]\nsubjects = ["*"]\nanswer = "a"\npromise = "a"\n',
            "promise 'a' needs the link",
        ),
        (
            '[[choice]]\npolicy = "LAB-2"\ncells = ["*"]\nsubjects = ["*"]\nanswer = "undefined"\n',
            "answer 'undefined' is for what a document leaves so",
        ),
    ],
)
def test_a_file_of_choices_that_cannot_be_read_says_where(text: str, message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        parse_choices("x.choices.toml", text)


def test_every_declared_answer_is_one_its_policy_knows() -> None:
    for entry in load_choices().entries:
        answers = CONTRACT[entry.policy].answers
        assert entry.answer in answers, f"{entry.policy}: {entry.answer!r} for {entry.subjects}"
        assert entry.promise is None or entry.promise in answers, f"{entry.policy}: {entry.promise!r}"


def test_every_declared_choice_is_about_a_subject_and_a_question_that_exist() -> None:
    subjects = built_in_subjects().values()
    for entry in load_choices().entries:
        clause = CONTRACT[entry.policy]
        cells = {
            (subject.name, case.cell)
            for subject in subjects
            if any(fnmatchcase(subject.name, pattern) for pattern in entry.subjects) and clause.lacks(subject) is None
            for dtype in subject.dtypes
            for case in clause.always(Scope(subject, dtype, LEVELS["nightly"]))
        }
        spoken = [cell for name, cell in cells if entry.speaks_of(entry.policy, cell, name, "float32", {})]
        assert spoken or entry.dtypes or entry.versions, (
            f"{entry.policy} {entry.cells} {entry.subjects} is about nothing"
        )
