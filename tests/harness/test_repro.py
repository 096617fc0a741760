"""A failure is written as a script of the framework alone, which fails as long as the fault is there and not longer."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xentcheck import evidence
from xentcheck.bench import Bench, Target
from xentcheck.cases import Case
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Ledger
from xentcheck.faults import load_registry
from xentcheck.judge import Assignment, judge
from xentcheck.levels import LEVELS
from xentcheck.literals import HEX, TooLong, assignment
from xentcheck.repro import with_script
from xentcheck.scripts import MOST_LINES, run_text
from xentcheck.verdict import Deviation
from xentcheck.workers import WorkerPool
from xentcheck_adapters import built_in_subjects
from xentcheck_adapters.numpy_callable import subject_from_spec
from xentcheck_reports import Failure, Record

FAULTS = {fault.name: fault for fault in load_registry().faults}


@given(data=st.data(), dtype=st.sampled_from(["float16", "float32", "float64", "int64", "uint8", "bool"]))
def test_an_array_is_written_to_the_last_bit(data: st.DataObject, dtype: str) -> None:
    shape = data.draw(st.sampled_from([(), (1,), (2, 3), (0, 3), (1, 200)]))
    few = data.draw(st.lists(hnp.from_dtype(np.dtype(dtype)), min_size=1, max_size=4))
    array = np.full(shape, few[0], dtype)
    array.reshape(-1)[: len(few)] = np.array(few, dtype)[: array.size]
    made: dict[str, Any] = {"np": np}
    exec(f"{HEX}\n{assignment('a', array)}", made)
    np.testing.assert_array_equal(made["a"], array, strict=True)
    signs = (np.signbit(a.astype(float)) & ~np.isnan(a.astype(float)) for a in (made["a"], array))  # NaN is one value
    np.testing.assert_array_equal(*signs)


def test_an_array_that_no_line_holds_is_too_long() -> None:
    with pytest.raises(TooLong, match="200 numbers, 200 of them different"):
        assignment("a", np.arange(200.0))


@pytest.fixture(scope="module")
def bench_of(pool: WorkerPool) -> Callable[[str, str], Bench]:
    """A bench for a fault or a built-in subject."""

    def build(name: str, dtype: str) -> Bench:
        known = built_in_subjects()
        subject = known[name] if name in known else subject_from_spec(FAULTS[name].spec)
        return Bench(Target(subject, "cpu", dtype), pool, {**known, subject.name: subject})

    return build


@pytest.fixture(scope="module")
def told(bench_of: Callable[[str, str], Bench]) -> Callable[..., Failure]:
    """The failure of a clause on a subject, nothing being known of it."""
    few = replace(LEVELS["quick"], unknown_examples=40)

    def run(clause: str, name: str, dtype: str = "float32") -> Failure:
        bench = bench_of(name, dtype)
        record = judge(Assignment(CONTRACT[clause], bench, few, Ledger(()), 1, None))
        failure = with_script(record, CONTRACT[clause], bench).failure
        assert failure is not None
        return failure

    return run


def record_of(clause: str, bench: Bench, case: Case, deviation: Deviation) -> Record:
    told = evidence.failure(CONTRACT[clause], bench, case, deviation)
    return evidence.record(CONTRACT[clause], bench.target, deviation.status, failure=told)


def imports(script: str) -> set[str]:
    """The packages that a script imports."""
    found = [node for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [n.name for node in found if isinstance(node, ast.Import) for n in node.names]
    return {name.split(".")[0] for name in [*names, *(str(n.module) for n in found if isinstance(n, ast.ImportFrom))]}


# Of each kind of proof one in every run: an interval, a refusal, a layout, a change of an input, a call after another.
SHOWN = (
    ("VAL-3", "Weight.of_the_largest_logit", "bfloat16"),
    ("EXC-2", "Labels.bool_accepted", "float32"),
    ("LAY-1", "Memory.gaps_read", "float32"),
    ("DET-1", "Memory.writes_logits", "float32"),
    ("DET-1", "Memory.by_logits", "float32"),
)
SHOWN_AT_NIGHT = (
    ("VAL-1", "Softmax.last_class_dropped", "float64"),
    ("LAB-1", "Labels.wrap", "float32"),
    ("MET-3", "Softmax.odd_class_dropped", "float32"),
    ("LAY-3", "Memory.workspace", "float32"),
    ("DET-1", "Memory.noisy", "float32"),
    ("NUM-4", "Gradient.of_cleaned_logits", "float32"),
    ("NUM-6", "Softmax.slightly_negative", "float32"),
    ("SHP-5", "Softmax.one_class_is_nan", "float32"),
)


@pytest.mark.parametrize(
    ("clause", "fault", "dtype"), [*SHOWN, *(pytest.param(*one, marks=pytest.mark.slow) for one in SHOWN_AT_NIGHT)]
)
def test_a_script_shows_a_fault_and_passes_without_it(
    told: Callable[..., Failure], clause: str, fault: str, dtype: str
) -> None:
    failure = told(clause, fault, dtype)
    assert failure.script is not None, failure.note
    assert failure.reproduced
    assert len(failure.script.splitlines()) <= MOST_LINES
    assert imports(failure.script) <= {"numpy", "ml_dtypes", "xentcheck_faults"}
    honest = failure.script.replace(f"{fault}(", "cross_entropy(").splitlines()
    honest.insert(0, "from xentcheck_adapters.numpy_cross_entropy import cross_entropy")
    assert run_text("\n".join(honest), {}, seconds=60).ended == ""
    assert failure.issue is not None
    assert failure.script.strip() in failure.issue


def test_what_no_line_holds_is_read_from_the_file_of_the_failure(bench_of: Callable[[str, str], Bench]) -> None:
    case, bench = Case(rows=33, classes=17, regime="normal"), bench_of("Gradient.label_off", "float32")
    with pytest.raises(Deviation) as wrong:
        CONTRACT["VAL-1"].check(case, bench)
    failure = with_script(record_of("VAL-1", bench, case, wrong.value), CONTRACT["VAL-1"], bench).failure
    assert failure is not None
    assert failure.reproduced
    assert "np.load" in str(failure.script)


def test_a_failure_without_a_script_says_why(bench_of: Callable[[str, str], Bench]) -> None:
    bench = bench_of("Gradient.label_off", "float32")
    record = record_of("LAB-8", bench, Case(), Deviation("changed answer", expected="this", got="that"))
    failure = with_script(record, CONTRACT["LAB-8"], bench).failure
    assert failure is not None
    assert failure.script is None
    assert "no script can prove" in str(failure.note)


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("clause", "name", "package"),
    [
        ("IGN-4", "torch.eager", "torch"),
        ("EXC-2", "torch.func.vmap", "torch"),
        ("SOFT-2", "tf.dense.eager", "tensorflow"),
        ("LAB-1", "jax.log_softmax.jit", "jax"),
        ("EXC-3", "optax.int.eager", "jax"),
        ("SOFT-2", "keras.tf.cce", "keras"),
        ("VAL-1", "keras.jax.scce", "keras"),
    ],
)
def test_a_script_shows_what_a_framework_is_known_to_do(
    told: Callable[..., Failure], clause: str, name: str, package: str
) -> None:
    pytest.importorskip(package)
    failure = told(clause, name)
    assert failure.script is not None, failure.note
    assert failure.reproduced, failure.script
    assert len(failure.script.splitlines()) <= MOST_LINES
    assert imports(failure.script) <= {"numpy", "torch", "tensorflow", "keras", "jax", "optax", "os"}


def test_the_command_line_is_a_module_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xentcheck", "list", "--backend=numpy"], capture_output=True, text=True
    )
    assert done.stdout.startswith("numpy")
