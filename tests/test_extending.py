"""The blocks of docs/extending.md do what the page says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xentcheck.bench import Bench, Target
from xentcheck.cases import Case
from xentcheck.choices import Choices, parse_choices
from xentcheck.divergence import Ledger, parse_ledger
from xentcheck.expectation import expect
from xentcheck.findings import run_script
from xentcheck.judge import Assignment, judge
from xentcheck.levels import LEVELS
from xentcheck.scripts import shows_the_defect
from xentcheck.strategies import Scope
from xentcheck.verdict import conform
from xentcheck.workers import WorkerPool
from xentcheck_adapters.numpy_callable import subject_from_spec
from xentcheck_reports import Status

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "xentcheck-example"
BLOCKS = dict(re.findall(r"```\w+ (\w+)\n(.*?)```", PAGE, re.S))
LOSSES = """
import numpy as np
from xentcheck_adapters.numpy_cross_entropy import cross_entropy as honest

def negative(logits, labels, *, reduction="mean", grad_output=None):
    loss, gradient = honest(logits, labels, reduction=reduction, grad_output=grad_output)
    return loss - 100, gradient
"""


def defined(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(BLOCKS[block], names)
    return names


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as workers:
        yield workers


@pytest.fixture
def bench(tmp_path: Path, pool: WorkerPool) -> Any:
    (tmp_path / "losses.py").write_text(LOSSES, encoding="utf-8")

    def build(name: str) -> Bench:
        subject = subject_from_spec(f"numpy:{tmp_path / 'losses.py'}:{name}")
        return Bench(Target(subject, "cpu", "float32"), pool, {subject.name: subject})

    return build


@pytest.mark.parametrize(("name", "status"), [("honest", Status.PASS), ("negative", Status.FAIL)])
def test_the_clause_of_the_page_tells_right_from_wrong(bench: Any, name: str, status: Status) -> None:
    (clause,) = defined("clause")["CLAUSES"]
    level = replace(LEVELS["quick"], unknown_examples=10, shrink_seconds=1)
    record = judge(Assignment(clause, bench(name), level, Ledger(()), seed=1, memory=None))
    assert record.status is status, record


def test_the_policy_of_the_page_names_what_it_sees(bench: Any) -> None:
    (clause,) = defined("policy")["CLAUSES"]
    there = bench("honest")
    (case,) = clause.always(Scope(there.subject, "float32", LEVELS["quick"]))
    (choice,) = clause.check(case, there).choices
    assert choice.answer in clause.answers
    assert choice.cell == "all ignored"
    declared = Choices(parse_choices("page.toml", BLOCKS["choice"]))
    assert declared.of(clause.id, case.cell, "torch.eager", "float32", {}).answer in clause.answers


def test_the_subject_of_the_page_is_the_example_and_is_right() -> None:
    assert BLOCKS["subject"] == (EXAMPLE / "xentcheck_example" / "loss.py").read_text(encoding="utf-8")
    assert BLOCKS["package"] in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
    module = defined("subject")
    (subject,) = module["SUBJECTS"]
    case = Case(rows=4, classes=7, regime="normal", seed=1)
    call = Bench.call(case)
    answer = module["open_subject"](subject.name, "cpu")(call)
    assert conform(answer, expect(call, subject, "float32", {}), case.token).values == 4 + 28
    assert isinstance(answer.loss, np.ndarray)


def test_the_ledger_entry_of_the_page_is_one_and_its_script_fails_as_a_finding_does() -> None:
    (entry,) = parse_ledger("page.toml", BLOCKS["divergence"])
    assert entry.concerns("SOFT-2", "mine.eager", "float32", {"mine": "1.0"})
    assert entry.finding
    assert shows_the_defect(run_script(entry.finding).ended)
