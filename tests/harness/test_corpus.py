"""The trigger of every known bug is a case of a clause: it shows the fault that re-creates the bug, and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from click.testing import CliRunner

from xentcheck.bench import Bench, Target
from xentcheck.bugs import load_bugs
from xentcheck.cases import Case
from xentcheck.clauses import CLAUSES
from xentcheck.cli import main
from xentcheck.corpus import CorpusError, Trigger, bugs_triggered_by, corpus_cases, load_corpus, parse_corpus
from xentcheck.faults import Fault, load_registry
from xentcheck.levels import LEVELS
from xentcheck.selection import missing_modules
from xentcheck.strategies import Scope
from xentcheck.verdict import Deviation
from xentcheck.workers import WorkerPool
from xentcheck_adapters import built_in_subjects, subject_from_spec
from xentcheck_reports import Record

CORPUS, SUBJECTS = load_corpus(), built_in_subjects()
# Compiled and under autocast only functions of a user's own are asked.
STRANGERS = [subject_from_spec(f"{flavour}:a:function") for flavour in ("torch", "jax")]
ASKED = [trigger for trigger in CORPUS.values() if trigger.case]
BY_BUG: dict[str, list[Fault]] = {
    bug: [fault for fault in load_registry().faults if bug in fault.bugs] for bug, t in CORPUS.items() if t.case
}


def flavours(bug: str) -> set[str]:
    return {fault.spec.partition(":")[0] for fault in BY_BUG[bug]}


IN_NUMPY = [bug for bug in BY_BUG if "numpy" in flavours(bug)]
IN_FRAMEWORKS = [bug for bug in BY_BUG if flavours(bug) and "numpy" not in flavours(bug)]


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as workers:
        yield workers


def shows(trigger: Trigger, spec: str, dtype: str, pool: WorkerPool) -> bool:
    subject = subject_from_spec(spec)
    bench = Bench(Target(subject, "cpu", dtype), pool, {subject.name: subject})
    assert trigger.case
    assert trigger.clause
    try:
        CLAUSES[trigger.clause].check(replace(trigger.case, dtype=dtype), bench)
    except Deviation:
        return True
    return False


def test_every_known_bug_has_a_trigger_or_a_reason_why_no_call_shows_it() -> None:
    assert {name for name, bug in load_bugs().items() if not bug.outside} <= set(CORPUS)


@pytest.mark.parametrize("bug", IN_NUMPY)
def test_a_trigger_shows_the_fault_that_recreates_its_bug(bug: str, pool: WorkerPool) -> None:
    faults = [fault for fault in BY_BUG[bug] if fault.spec.startswith("numpy:")]
    assert any(shows(CORPUS[bug], fault.spec, fault.dtype, pool) for fault in faults)


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("bug", IN_FRAMEWORKS)
def test_a_trigger_shows_the_fault_of_a_framework_that_recreates_its_bug(bug: str, pool: WorkerPool) -> None:
    clause = CLAUSES[CORPUS[bug].clause or ""]
    subjects = {fault: subject_from_spec(fault.spec) for fault in BY_BUG[bug]}
    faults = [fault for fault, s in subjects.items() if not missing_modules(s) and clause.lacks(s) is None]
    if not faults:
        pytest.skip("its framework is not installed, or the clause is about modes of built-in subjects")
    assert any(shows(CORPUS[bug], fault.spec, fault.dtype, pool) for fault in faults)


@pytest.mark.parametrize(("name", "dtype"), [("wide", "float32"), ("every_operation_rounded", "float16")])
def test_no_trigger_accuses_an_honest_function(name: str, dtype: str, pool: WorkerPool) -> None:
    honest = f"numpy:xentcheck_faults.on_numpy.honest:{name}"
    options = pool.open(subject := subject_from_spec(honest), "cpu", dtype).options
    scope = Scope(replace(subject, options=subject.options & options), dtype, LEVELS["standard"])
    clauses = [clause.id for clause in CLAUSES.values() if clause.lacks(scope.subject) is None]
    asked = [t for t in ASKED if t.clause in clauses and replace(t.case, dtype=dtype) in corpus_cases(t.clause, scope)]
    assert len(asked) > len(ASKED) / 2
    assert [trigger.bug.id for trigger in asked if shows(trigger, honest, dtype, pool)] == []


def test_a_policy_that_stands_for_a_case_asks_the_question() -> None:
    for trigger in CORPUS.values():
        if trigger.cell:
            policy = CLAUSES[trigger.clause or ""]
            asked = (Scope(s, "float32", LEVELS["nightly"]) for s in SUBJECTS.values() if policy.lacks(s) is None)
            assert any(case.cell == trigger.cell for scope in asked for case in policy.always(scope)), trigger.bug.id


@pytest.mark.parametrize("trigger", ASKED, ids=[trigger.bug.id for trigger in ASKED])
def test_somebody_real_is_asked(trigger: Trigger) -> None:
    clause = CLAUSES[trigger.clause or ""]
    subjects = [s for s in (*SUBJECTS.values(), *STRANGERS) if clause.lacks(s) is None]
    scopes = [Scope(subject, "float32", LEVELS["nightly"]) for subject in subjects]
    assert any(trigger.case in clause.fixed(scope) for scope in scopes)


def test_a_described_subject_is_asked_from_level_standard_on_and_a_compiled_one_in_its_own_shapes() -> None:
    eager, compiled = SUBJECTS["torch.eager"], SUBJECTS["torch.compile"]
    quick, standard = LEVELS["quick"], LEVELS["standard"]
    assert corpus_cases("IGN-1", Scope(eager, "float32", quick)) == ()
    assert corpus_cases("IGN-1", Scope(eager, "float32", standard))
    shapes = {(case.rows, case.classes) for case in corpus_cases("IGN-1", Scope(compiled, "float32", standard))}
    assert shapes <= set(standard.shapes(compiled))


def test_triggers_are_logits_so_that_no_loss_of_probabilities_is_asked() -> None:
    for subject in (s for s in SUBJECTS.values() if s.inputs == "probabilities"):
        scope = Scope(subject, "float32", LEVELS["standard"])
        assert not any(corpus_cases(clause.id, scope) for clause in CLAUSES.values() if clause.lacks(subject) is None)


def test_a_failure_on_a_trigger_names_its_bug(judged: Callable[..., Record]) -> None:
    failure = judged("IGN-2", "losses.py:doubled_gradient").failure
    assert failure
    assert any(bug.url.startswith("https://") for bug in failure.precedents)
    assert bugs_triggered_by("IGN-2", Case(rows=3, classes=3)) == []


def test_a_trigger_is_replayed_and_explained_by_the_id_of_its_bug() -> None:
    assert CORPUS["CE-024"].clause == "IGN-2"
    replayed = CliRunner().invoke(main, ["replay", "IGN-2", "numpy", "CE-024"])
    assert replayed.exit_code == 0, replayed.output
    assert "IGN-2 holds" in replayed.output
    assert load_bugs()["CE-024"].trigger in CliRunner().invoke(main, ["explain", "IGN-2"]).output


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('CE-0 = { outside = "why" }', "CE-0: no such bug"),
        ('CE-024 = { clause = "IGN-2" }', "expected a case, the cell of a policy, or why"),
        ("CE-024 = { case = { rows = 3 } }", "expected a clause"),
        ('CE-024 = { clause = "IGN-2", case = { row = 3 } }', "'row'"),
        ('CE-024 = { clause = "IGN-2", cell = "C", good = "1" }', "good: Extra inputs"),
    ],
)
def test_an_entry_that_cannot_be_read_names_its_bug(entry: str, told: str) -> None:
    with pytest.raises(CorpusError, match=told):
        parse_corpus(entry)
