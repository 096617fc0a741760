"""Known divergences are strict: what no entry predicts fails, and so does an example that no longer shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from xentcheck.cases import Case, Edit
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Divergence, Ledger, parse_ledger
from xentcheck.known import load_ledger
from xentcheck.levels import Level
from xentcheck.validation import LedgerError
from xentcheck.verdict import Deviation
from xentcheck_adapters import built_in_subjects
from xentcheck_reference import Problem
from xentcheck_reports import Record, Status

COMPLETE = """
[[divergence]]
clause = "SOFT-2"
subjects = ["numpy:*"]
link = "https://example.org"
reason = "it is documented"
example = { labels = "double", classes = 3 }
"""
OTHER_THAN_DOUBLE = ("half", "zero", "signed", "multi-hot")


def entry(**changes: Any) -> Divergence:
    given = {
        "clause": "SOFT-2",
        "subjects": ("numpy:*",),
        "link": "https://example.org",
        "reason": "it is documented",
        "example": {"labels": "double", "rows": 2, "classes": 3},
    }
    return Divergence.model_validate(given | changes)


def ledger(**changes: Any) -> Ledger:
    return Ledger((entry(**changes),))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[divergence]\n", r"broken.toml: not TOML: .*line 1"),
        ("[[divergences]]\n" + COMPLETE, r"broken.toml: unknown table 'divergences', expected only \[\[divergence\]\]"),
        ("divergence = 3", r"broken.toml: divergence: expected \[\[divergence\]\] tables, got int"),
        (COMPLETE + COMPLETE.replace("link =", "like ="), "broken.toml: divergence 2: link: .*required"),
        (COMPLETE + 'claws = "SOFT-2"', "broken.toml: divergence 1: claws: .*not permitted"),
        (COMPLETE + 'versions = { numpy = "two" }', "divergence 1: versions: .*numpy: got 'two'.*>=2.20"),
        (COMPLETE + "when = { moon = 'full' }", r"divergence 1: when: no fact \['moon'\]; facts are .*classes"),
        (COMPLETE.replace("classes", "klasses"), "broken.toml: divergence 1: example: .*klasses"),
        (COMPLETE.replace("classes = 3", "explicit = { logits = [[1.0]] }"), "divergence 1: example: .*labels"),
        (COMPLETE.replace("classes = 3", "explicit = { logits = [], labels = [] }"), "divergence 1: example"),
        (COMPLETE.replace("classes = 3", "edits = [{ row = 0 }]"), "divergence 1: example: .*column"),
    ],
)
def test_a_broken_ledger_is_told_by_file_entry_and_field(text: str, told: str) -> None:
    with pytest.raises(LedgerError, match=told) as caught:
        parse_ledger("broken.toml", text)
    assert "\n" not in str(caught.value)


def test_a_ledger_without_entries_is_fine() -> None:
    assert parse_ledger("empty.toml", "# nothing is known\n") == ()


@pytest.mark.parametrize(
    ("when", "case", "predicted"),
    [
        ({}, Case(), True),
        ({"labels": "double"}, Case(labels="double"), True),
        ({"labels": "double"}, Case(labels="half"), False),
        ({"labels": ["double", "zero"]}, Case(labels="zero"), True),
        ({"labels": ["double", "zero"]}, Case(labels="soft"), False),
        ({"classes": {"min": 258}}, Case(classes=258), True),
        ({"classes": {"min": 258}}, Case(classes=257), False),
        ({"classes": {"min": 2, "max": 4}}, Case(classes=5), False),
        ({"bad_label": {"max": -1}}, Case(), False),
        ({"edits": ["nan", "+inf"]}, Case(edits=(Edit(0, 0, "tie"), Edit(0, 1, "nan"))), True),
        ({"edits": ["nan"]}, Case(), False),
        ({"weighted": True}, Case(), False),
        ({"has_upstream": False}, Case(upstream="ones"), True),
        ({"has_upstream": False}, Case(upstream="zero"), False),
        ({"bad_label_is": "wraps"}, Case(classes=7, bad_label=-7), True),
        ({"bad_label_is": "wraps"}, Case(classes=7, bad_label=-8), False),
        ({"bad_label_is": "past the end"}, Case(classes=7, bad_label=7), True),
        ({"bad_label_is": "beyond int32"}, Case(classes=7, bad_label=2**31), True),
        ({"ignore_is": "inside"}, Case(classes=7, ignore_index=6), True),
        ({"ignore_is": "outside"}, Case(classes=7, ignore_index=7), True),
        ({"ignore_is": "none"}, Case(), True),
        ({"dimensions": 1}, Case(single=True), True),
        ({"dimensions": 4}, Case(rows=12, positions=(2, 3)), True),
        ({"last_axis": 5}, Case(rows=10, positions=(5,), class_axis=1), True),
        ({"last_axis": 1}, Case(rows=10, classes=1, positions=(5,)), True),
        ({"last_axis": 10}, Case(rows=10, classes=1, class_axis=0), True),
        ({"last_axis": 2}, Case(single=True), True),
        ({"has_infinite_logits": True}, Case(regime="masked"), True),
        ({"has_infinite_logits": True}, Case(edits=(Edit(0, 0, "-inf"),)), True),
        ({"has_infinite_logits": True}, Case(edits=(Edit(0, 0, "nan"),)), False),
        ({"labels": "double", "dtype": "float16"}, Case(labels="double"), False),
    ],
)
def test_a_predicate_speaks_of_facts_of_the_case(when: dict[str, Any], case: Case, predicted: bool) -> None:
    assert entry(when=when).predicts(case, Deviation("loss", expected="", got="")) is predicted


def test_a_predicate_may_name_the_results_that_deviate() -> None:
    only_gradient = entry(what=("grad_logits",))
    assert only_gradient.predicts(Case(), Deviation("grad_logits", expected="", got=""))
    assert not only_gradient.predicts(Case(), Deviation("loss", expected="", got=""))


@pytest.mark.parametrize(
    ("changes", "concerned"),
    [
        ({}, True),
        ({"clause": "SOFT-1"}, False),
        ({"clause": "SOFT-1", "also": ["SOFT-*"]}, True),
        ({"subjects": ["tf.*"]}, False),
        ({"dtypes": ["float32", "float64"]}, True),
        ({"dtypes": ["bfloat16"]}, False),
        ({"versions": {"numpy": ">=2.4"}}, True),
        ({"versions": {"numpy": "<2.4"}}, False),
        ({"versions": {"numpy": ">=2", "absent": ">=1"}}, False),
    ],
)
def test_an_entry_concerns_its_clauses_subjects_dtypes_and_versions(changes: dict[str, Any], concerned: bool) -> None:
    assert entry(**changes).concerns("SOFT-2", "numpy:a.py:b", "float32", {"numpy": "2.5.0rc1+local"}) is concerned


def test_a_deviation_that_nobody_knows_is_a_failure(judged: Callable[..., Record]) -> None:
    assert judged("SOFT-2", "losses.py:p_minus_y").status is Status.FAIL


def test_a_deviation_that_is_known_is_shown_as_such(judged: Callable[..., Record]) -> None:
    record = judged("SOFT-2", "losses.py:p_minus_y", ledger=ledger(what=("grad_logits",)))
    assert record.status is Status.KNOWN_DIVERGENCE
    (shown,) = record.divergences
    assert (shown.reason, shown.link) == ("it is documented", "https://example.org")
    assert "labels='double'" in shown.example


def test_a_healed_example_is_an_unexpected_pass(judged: Callable[..., Record]) -> None:
    record = judged("SOFT-2", "losses.py:honest", ledger=ledger())
    assert record.status is Status.UNEXPECTED_PASS
    assert record.reason is not None
    assert "it is documented" in record.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"what": ("loss",)},
        {"when": {"labels": "double"}},
        {"when": {"classes": {"max": 3}}},
        {"versions": {"numpy": ">=99"}},
        {"dtypes": ("bfloat16",)},
        {"subjects": ("tf.*",)},
    ],
)
def test_a_deviation_outside_its_entry_is_a_failure(judged: Callable[..., Record], changes: dict[str, Any]) -> None:
    assert judged("SOFT-2", "losses.py:p_minus_y", ledger=ledger(**changes)).status is Status.FAIL


def test_a_claimed_rule_must_hold_exactly(judged: Callable[..., Record]) -> None:
    claim = ledger(rules={"gradient_rule": "assume_normalised"})
    assert judged("SOFT-2", "losses.py:p_minus_y", ledger=claim).status is Status.KNOWN_DIVERGENCE
    assert judged("SOFT-2", "losses.py:half_p_minus_y", ledger=claim).status is Status.FAIL


def test_an_example_that_deviates_otherwise_than_predicted_is_a_failure(judged: Callable[..., Record]) -> None:
    known = {"clause": "VAL-1", "example": {"rows": 2, "classes": 77}}
    gradient = judged("VAL-1", "losses.py:wrong_gradient_at_77_classes", ledger=ledger(what=("grad_logits",), **known))
    assert gradient.status is Status.KNOWN_DIVERGENCE
    loss = judged("VAL-1", "losses.py:wrong_gradient_at_77_classes", ledger=ledger(what=("loss",), **known))
    assert loss.status is Status.FAIL


def test_an_entry_may_show_in_other_clauses_but_need_not(judged: Callable[..., Record], brief: Level) -> None:
    known = ledger(clause="VAL-1", also=("IGN-*",), when={"classes": {"min": 100}}, example={"classes": 100})
    many = replace(brief, unknown_examples=100)
    shown = judged("IGN-1", "losses.py:wrong_from_100_classes", ledger=known, level=many)
    assert shown.status is Status.KNOWN_DIVERGENCE
    assert judged("IGN-1", "losses.py:honest", ledger=known).status is Status.PASS
    assert judged("SOFT-1", "losses.py:wrong_from_100_classes", ledger=known, level=many).status is Status.FAIL


ENTRIES = load_ledger().entries


@pytest.mark.parametrize("known", ENTRIES, ids=[f"{known.clause} {known.subjects[0]}" for known in ENTRIES])
def test_the_ledgers_speak_of_what_exists(known: Divergence) -> None:
    subjects = built_in_subjects()
    for pattern in known.subjects:
        named = [subject for name, subject in subjects.items() if fnmatchcase(name, pattern)]
        assert named, f"no subject {pattern}"
        assert all(CONTRACT[known.clause].lacks(subject) is None for subject in named)
        assert all(set(known.versions) <= {*subject.requires} for subject in named), "a version nobody reports"
    for pattern in known.also:
        assert any(fnmatchcase(clause, pattern) for clause in CONTRACT), f"no clause {pattern}"
    assert set(known.rules) <= {field.name for field in fields(Problem)}
    assert known.link.startswith("https://")
    assert known.example
