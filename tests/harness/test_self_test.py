"""`xentcheck self-test`: what it says of faults and of honest functions, and what it leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xentcheck.cli import main
from xentcheck.faults import Fault, Registry
from xentcheck.levels import LEVELS
from xentcheck.selftest import command
from xentcheck.selftest.trial import Court, hear, try_fault
from xentcheck.workers import WorkerPool
from xentcheck_reports import read_kills

ON_NUMPY = "numpy:xentcheck_faults.on_numpy"
FLIPPED = Fault(spec=f"{ON_NUMPY}.numbers:Gradient.negated", about="q - softmax", clause="VAL-1")
HONEST = f"{ON_NUMPY}.honest:wide"
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def self_test(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["self-test", "-n", "1", "--output", str(directory), *arguments])


def with_registry(monkeypatch: pytest.MonkeyPatch, faults: tuple[Fault, ...], honest: tuple[str, ...]) -> None:
    monkeypatch.setattr(command, "load_registry", lambda: Registry(faults, honest))


def test_a_killed_fault_has_a_time_an_example_and_a_page(tmp_path: Path) -> None:
    result = self_test(tmp_path, "--fault", "Gradient.negated")
    assert result.exit_code == OK, result.output
    (trial,) = read_kills(tmp_path / "kills.json").trials
    assert trial.killed
    assert trial.example
    assert trial.example.rows * trial.example.classes <= 4
    assert trial.conventional
    assert "Gradient.negated" in (tmp_path / "self-test.html").read_text(encoding="utf-8")
    assert "killed 1 of 1 fault" in result.output


def test_a_survivor_is_a_failure_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_sees = Fault(spec=HONEST, about="nothing", clause="VAL-1")
    with_registry(monkeypatch, (nobody_sees, FLIPPED), ())
    result = self_test(tmp_path)
    assert result.exit_code == FAILED
    assert "wide survives" in result.output
    assert f"pytest --backend={HONEST}" in result.output
    assert "killed 1 of 2 faults" in result.output


def test_whoever_is_accused_is_told_by_whom_and_how_to_see_it(pool: WorkerPool) -> None:
    one_case = replace(LEVELS["quick"], unknown_examples=1, shrink_seconds=0)
    hearing = hear(FLIPPED.spec, "float32", Court(pool, seed=0), one_case)
    assert hearing.looked > len(hearing.accusations) > 1
    accusation = next(one for one in hearing.accusations if one.clause == "VAL-1")
    assert accusation.replay.startswith(f"xentcheck replay VAL-1 {FLIPPED.spec}")
    assert hearing.conventional


def test_a_fault_that_cannot_be_opened_is_no_kill(pool: WorkerPool) -> None:
    trial = try_fault(FLIPPED.model_copy(update={"spec": "numpy:no_such_module:anything"}), Court(pool, seed=0))
    assert trial.survives
    assert "no_such_module" in (trial.trouble or "")


def test_a_fault_whose_framework_is_missing_is_not_judged(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xentcheck.selection.spec_of", lambda module: None)
    trial = try_fault(FLIPPED, Court(pool, seed=0))
    assert not trial.survives
    assert "pip install" in (trial.not_judged or "")


def test_a_name_that_matches_no_fault_is_a_usage_error(tmp_path: Path) -> None:
    result = self_test(tmp_path, "--fault", "Gradient.negate")
    assert result.exit_code == USAGE
    assert "did you mean Gradient.negated" in result.output


def test_ctrl_c_keeps_what_there_is_and_leaves_no_process(tmp_path: Path) -> None:
    start = "from xentcheck.cli import main; main()"
    arguments = ["self-test", "-n", "1", "--fault", "Gradient.*", "--output", str(tmp_path)]
    # A shell that runs pytest in the background has its children ignore the interrupt.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        [sys.executable, "-c", start, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeding,
    ) as process:
        assert process.stderr
        assert "Gradient." in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=60)  # ends when all have ended that hold the pipe
    assert process.returncode == INTERRUPTED, told
    kills = read_kills(tmp_path / "kills.json")
    assert not kills.complete
    assert kills.trials
    assert f"incomplete: {len(kills.trials)} of {kills.faults} faults" in told


@pytest.mark.slow
def test_every_law_can_look_in_every_dtype(pool: WorkerPool) -> None:
    fault = Fault(spec=f"{ON_NUMPY}.numbers:Precision.single_log", about="", clause="VAL-1", dtype="float64")
    trial = try_fault(fault, Court(pool, seed=0), everywhere=True)
    assert {kill.dtype for kill in trial.kills} == {"float64"}
    assert {kill.clause for kill in trial.kills} > {"VAL-1"}
    assert set(trial.looked) > {kill.clause for kill in trial.kills}
