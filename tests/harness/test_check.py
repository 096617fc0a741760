"""`xentcheck check`: a verdict, how it is told, what it leaves behind, and how it ends."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from xentcheck.cases import case_from_token
from xentcheck.cli import main
from xentcheck.contract import CONTRACT
from xentcheck.selection import nameable
from xentcheck_reports import Run, Status, read_records

CONFORMS, DOES_NOT, USAGE, NOT_JUDGED, INTERRUPTED = 0, 1, 2, 3, 130
FEW = ("--quick", "--clause=NUM-3,NUM-4,IGN-5", "--dtype=float32", "-n1")

Check = Callable[..., Result]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """The command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ("check", *arguments))


def report_of(folder: Path) -> Run:
    assert "<html" in (folder / "xentcheck-report" / "report.html").read_text()
    return read_records(folder / "xentcheck-report" / "records.jsonl")


def test_an_honest_function_conforms(check: Check, spec: Callable[[str], str], tmp_path: Path) -> None:
    subject = spec("losses.py:honest")
    result = check(subject, *FEW)
    assert result.exit_code == CONFORMS, result.output
    assert re.search(rf"^{subject} conforms: 2 laws hold, \d+ choices? as expected", result.stdout, re.MULTILINE)
    assert result.stdout.endswith("report: xentcheck-report/report.html\n")
    judged = {record.clause for record in report_of(tmp_path).records if record.status.is_judged}
    assert judged == {"NUM-3", "NUM-4", "IGN-5"}


def test_a_faulty_function_is_named_with_the_clause_and_a_shrunk_input(
    check: Check, spec: Callable[[str], str], tmp_path: Path
) -> None:
    subject = spec("losses.py:doubled_gradient")
    result = check(subject, "--quick", "--clause=VAL-1,NUM-4", "--dtype=float32", "-n1")
    assert result.exit_code == DOES_NOT
    assert f"{subject} does not conform: VAL-1" in result.stdout
    assert "\nlogits = [[" in result.stdout
    assert "\nexpected  grad_logits[" in result.stdout
    token = re.search(r"^replay    xentcheck replay VAL-1 \S+ (\S+)$", result.stdout, re.MULTILINE)
    assert token
    assert case_from_token(token[1]).rows <= 2
    script = re.search(r"^script    (\S+) reproduces it$", result.stdout, re.MULTILINE)
    assert script
    assert (tmp_path / script[1]).is_file()


def test_the_options_that_a_signature_lacks_are_told(check: Check, spec: Callable[[str], str]) -> None:
    result = check(spec("losses.py:p_minus_y"), *FEW)
    assert "6 options not offered (weight, " in result.stdout


def test_processes_side_by_side_come_to_the_same(check: Check, spec: Callable[[str], str], tmp_path: Path) -> None:
    subjects = [spec(f"losses.py:{name}") for name in ("honest", "flat_gradient")]
    options = ("--quick", "--clause=EQ-2,NUM-3,LAB-2", "--dtype=float32,float64")

    def seen(*more: str) -> dict[tuple[str, ...], Status]:
        assert check(*subjects, *options, *more).exit_code == DOES_NOT
        return {record.key: record.status for record in report_of(tmp_path).records}

    assert seen("-n", "1") == seen("-n", "2")


def test_of_many_failures_the_first_ones_are_told_in_full(
    check: Check, spec: Callable[[str], str], tmp_path: Path
) -> None:
    result = check(
        spec("losses.py:refuses"), "--quick", "--clause=NUM-2,NUM-3,NUM-4,NUM-5", "--dtype=float32,float64", "-n1"
    )
    failed = [record for record in report_of(tmp_path).records if record.status is Status.FAIL]
    in_full = {record.clause for record in failed if record.failure and record.failure.script}
    assert in_full == {"NUM-2", "NUM-3", "NUM-4"}
    assert {(record.clause, record.dtype) for record in failed} > {("NUM-5", "float32"), ("NUM-5", "float64")}
    assert len(re.findall("^replay ", result.stdout, re.MULTILINE)) == 3
    assert re.search("^and NUM-5: see the report$", result.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nmupy"], USAGE, "unknown backend 'nmupy' (did you mean 'numpy'?)"),
        (["numpy:loss.py"], USAGE, "numpy:MODULE_OR_FILE:FUNCTION, got 'numpy:loss.py'"),
        (["numpy", "--clause=VAL-100"], USAGE, "unknown clause 'VAL-100' (did you mean 'VAL-10'?)"),
        (["numpy", "--device=cuda"], USAGE, "no subject has the wanted device and dtype"),
        (["numpy", "--clause=PRB"], NOT_JUDGED, "numpy could not be judged: none of the clauses is about it"),
        ([], USAGE, "Missing argument 'SUBJECT...'"),
        (["numpy:json:loss", *FEW], NOT_JUDGED, "numpy:json:loss could not be judged: cpu: json has no 'loss'"),
    ],
)
def test_what_stands_in_the_way_is_one_line(check: Check, arguments: list[str], status: int, told: str) -> None:
    result = check(*arguments)
    assert result.exit_code == status, result.output
    assert told in result.output


def test_what_is_not_installed_is_no_verdict(
    check: Check, spec: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from xentcheck import selection

    monkeypatch.setattr(selection, "missing_modules", lambda subject: ["torch"])
    result = check("torch.eager")
    assert result.exit_code == NOT_JUDGED
    assert "pip install 'xentcheck[torch]'" in result.output


def test_a_report_folder_that_cannot_be_made_costs_the_report_only(
    check: Check, spec: Callable[[str], str], tmp_path: Path
) -> None:
    tmp_path.joinpath("occupied").write_text("a file")
    subject = spec("losses.py:honest")
    result = check(subject, *FEW, "--report-dir=occupied")
    assert result.exit_code == NOT_JUDGED
    assert f"{subject} conforms" in result.stdout
    assert "cannot write occupied/records.jsonl" in result.stderr


def test_ctrl_c_leaves_a_report_of_what_there_is(spec: Callable[[str], str], tmp_path: Path) -> None:
    subjects = [spec(f"losses.py:{name}") for name in ("honest", "slow")]
    options = ["--quick", "--clause=VAL-1", "--dtype=float32", "-n", "2"]
    command = [sys.executable, "-m", "xentcheck", "check", *subjects, *options]
    # A shell that runs pytest in the background has its children ignore the interrupt.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=tmp_path, text=True, preexec_fn=heeding, **pipes) as run:
        records = tmp_path / "xentcheck-report" / "records.jsonl"
        while run.poll() is None and not (records.exists() and '"pass"' in records.read_text()):
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        told, _ = run.communicate(timeout=60)  # ends when all have ended that hold the pipe
    assert run.returncode == INTERRUPTED, told
    assert "losses.py:slow so far: " in told
    assert " conforms: " not in told
    assert Status.PASS in {record.status for record in report_of(tmp_path).records}


@pytest.mark.frameworks
@pytest.mark.skipif(find_spec("torch") is None, reason="not installed: torch")
def test_nothing_of_the_users_module_is_imported_here(check: Check, tmp_path: Path) -> None:
    loss = tmp_path / "only_in_a_worker.py"
    loss.write_text("from torch.nn.functional import cross_entropy\n")
    before = set(sys.modules)
    result = check(f"torch:{loss}:cross_entropy", *FEW)
    assert result.exit_code == CONFORMS, result.output
    assert not {"only_in_a_worker", "torch"} & (set(sys.modules) - before)


def test_a_terminal_has_a_bar_and_colours_and_a_pipe_has_lines(spec: Callable[[str], str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xentcheck", "check", spec("losses.py:honest"), *FEW]
    plain = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "[3/3]" in plain.stderr
    assert "\033[" not in plain.stdout + plain.stderr
    main_side, other_side = pty.openpty()
    with subprocess.Popen(command, cwd=tmp_path, stdout=other_side, stderr=other_side) as run:
        os.close(other_side)
        shown = b""
        try:
            while piece := os.read(main_side, 1 << 16):
                shown += piece
        except OSError:  # the other side is closed
            pass
    os.close(main_side)
    assert run.returncode == CONFORMS
    assert b"3/3" in shown
    assert b"\033[32m" in shown
    assert b"conforms" in shown


@pytest.mark.parametrize(
    ("arguments", "begun", "offered"),
    [
        (["check"], "torch.e", {"torch.eager"}),
        (["check"], "torch:", {"torch:"}),
        (["replay"], "VAL", {"VAL", *(id for id in CONTRACT if id.startswith("VAL-"))}),
        (["explain"], "ign-1", {"IGN-1"}),
        ([], "che", {"check"}),
    ],
)
def test_a_shell_can_complete_commands_subjects_and_clauses(
    arguments: list[str], begun: str, offered: set[str]
) -> None:
    completion = ShellComplete(main, {}, "xentcheck", "_XENTCHECK_COMPLETE")
    assert {item.value for item in completion.get_completions(arguments, begun)} == offered


def test_every_name_that_completes_is_one_that_can_be_asked_for() -> None:
    assert {"numpy", "all", "torch", "keras.torch.scce", "jax:"} <= set(nameable())


def test_the_exit_statuses_are_in_the_help(check: Check) -> None:
    told = check("--help").output
    for status in (CONFORMS, DOES_NOT, USAGE, NOT_JUDGED, INTERRUPTED):
        assert re.search(rf"^ +{status}  \w", told, re.MULTILINE)
