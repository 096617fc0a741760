"""`pytest --backend=…` from the outside: what it selects, prints, writes and returns."""

from __future__ import annotations

import html
import os
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

from xentcheck.contract import CONTRACT
from xentcheck_reports import Run, Status, read_records

pytest_plugins = ["pytester"]

Pytester = pytest.Pytester
RunPytest = Callable[..., pytest.RunResult]
# -k, unlike --clause, finds parts of names, and VAL-1 is part of VAL-10
ONE = "VAL-1 and reference"
FEW = ("-k", f"({ONE}) or IGN-1")
OK, FAILED, USAGE = 0, 1, 4


@pytest.fixture
def conform(pytester: Pytester) -> RunPytest:
    """pytest with --backend in an empty folder."""

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "--dtype=float32", *arguments)

    return run


def report_of(pytester: Pytester) -> Run:
    assert "<html" in (pytester.path / "xentcheck-report" / "report.html").read_text()
    return read_records(pytester.path / "xentcheck-report" / "records.jsonl")


def output(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


def test_an_honest_subject_passes_and_leaves_records_and_a_page(conform: RunPytest, pytester: Pytester) -> None:
    result = conform("--backend=numpy", *FEW, "-v", "--case-seed=7")
    assert result.ret == OK
    assert "IGN-1 ignored rows give exactly zero loss" in result.stdout.str()
    assert "[numpy-cpu-float32] PASSED" in result.stdout.str()
    result.stdout.fnmatch_lines(["xentcheck: 1 subjects, 1 targets, *, --case-seed=7", "report: *report.html"])
    run = report_of(pytester)
    assert run.header.seed == 7
    judged = {record.clause for record in run.records if record.status.is_judged}
    assert judged == {"VAL-1", "IGN-1"}


def test_a_failure_is_told_with_a_command_that_replays_it(
    conform: RunPytest, pytester: Pytester, spec: Callable[[str], str]
) -> None:
    backend = spec("losses.py:doubled_gradient")
    result = conform(f"--backend=numpy,{backend}", "-k", f"({ONE}) or EQ-2")
    assert result.ret == FAILED
    text = result.stdout.str()
    assert "logits = [[" in text
    assert "expected  grad_logits" in text
    replay = re.search(r"^replay    (xentcheck replay VAL-1 \S+ \S+)$", text, re.MULTILINE)
    assert replay is not None
    assert f"1 {Status.FAIL.label}" in text
    failed = [record for record in report_of(pytester).records if record.status is Status.FAIL]
    files = {file.suffix: file for file in (pytester.path / "xentcheck-report" / "failures").iterdir()}
    assert files.keys() == {".py", ".md", ".npz"}
    assert f"{files['.py'].relative_to(pytester.path)} reproduces it" in text
    assert [(record.clause, record.subject) for record in failed] == [("VAL-1", backend)]


def test_a_level_judges_a_compiled_mode_in_few_dtypes_unless_one_is_asked_for(pytester: Pytester) -> None:
    def judged(*arguments: str) -> set[str]:
        result = pytester.runpytest_inprocess("--backend=jax.log_softmax.jit", "--collect-only", "-q", *arguments)
        return set(re.findall(r"jit-cpu-(\w+)\]", result.stdout.str()))

    assert judged() == {"float32"}
    assert judged("--level=standard") == {"bfloat16", "float32"}
    assert judged("--level=nightly") == {"float16", "bfloat16", "float32", "float64"}
    assert judged("--dtype=float64") == {"float64"}


def test_a_subject_that_was_named_and_is_not_in_the_installed_version_fails_the_run(
    conform: RunPytest, spec: Callable[[str], str]
) -> None:
    result = conform(f"--backend={spec('too_old.py:loss')}", "--clause=VAL-1")
    assert result.ret == FAILED
    result.stdout.fnmatch_lines(["xentcheck: *too_old.py:loss was not judged: framework 1.0 has no such loss*"])


def test_what_a_level_leaves_out_is_not_run_with_the_way_to_run_it(pytester: Pytester) -> None:
    pytester.runpytest_inprocess("--backend=numpy,jax.log_softmax.jit", "-k", f"numpy and {ONE}")
    records = [r for r in report_of(pytester).records if r.subject == "jax.log_softmax.jit" and r.dtype == "float16"]
    left_out = [r for r in records if r.status is Status.NOT_RUN]
    assert left_out
    assert all("deeper level or --dtype" in str(r.reason) for r in left_out)


def test_a_misshapen_answer_to_the_panel_does_not_end_the_run(
    conform: RunPytest, pytester: Pytester, spec: Callable[[str], str]
) -> None:
    result = conform("--backend=numpy", f"--backend={spec('losses.py:flat_gradient')}", "-k", "EQ-2")
    assert result.ret == FAILED
    statuses = {r.subject: r.status for r in report_of(pytester).records if r.clause == "EQ-2"}
    assert set(statuses.values()) == {Status.NOT_RUN, Status.FAIL}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--backend=nmupy"], "unknown backend 'nmupy' (did you mean 'numpy'?); known: all, auto, numpy,"),
        (["--backend="], "no backend named; known: all, auto,"),
        (["--backend=numpy:loss.py"], "numpy:MODULE_OR_FILE:FUNCTION, got 'numpy:loss.py'"),
        (["--backend=numpy", "--dtype=int8"], "unknown dtype 'int8'; known: float16,"),
        (["--backend=numpy", "--device=tpu"], "unknown device 'tpu'; known: cpu, cuda"),
        (["--backend=numpy", "--device=cuda"], "no subject has the wanted device and dtype"),
        (["--backend=numpy", "--clause=VAL-100"], "unknown clause 'VAL-100' (did you mean 'VAL-10'?); known: EQ, VAL,"),
        (["--backend=numpy", "--level=hard"], "unknown level 'hard'; known: quick, standard, nightly"),
    ],
)
def test_a_bad_option_is_a_usage_error_of_one_line(pytester: Pytester, arguments: list[str], told: str) -> None:
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)
    assert result.ret == USAGE
    lines = [line for line in output(result).splitlines() if line.strip()]
    assert len(lines) == 1
    assert told in lines[0]
    assert not (pytester.path / "xentcheck-report").exists()


@pytest.mark.usefixtures("no_kernels")
def test_all_reports_what_is_not_installed_and_drops_nothing(pytester: Pytester, bare_python: Path) -> None:
    options = ["-p", "no:cacheprovider", "--backend=all", "--dtype=float32", "-k", ONE]
    done = subprocess.run([bare_python, "-m", "pytest", *options], capture_output=True, text=True, cwd=pytester.path)
    assert done.returncode == OK, done.stdout + done.stderr
    verdicts = {record.subject: record for record in report_of(pytester).records if record.clause == "VAL-1"}
    assert verdicts.pop("numpy").status is Status.PASS
    takers = {name for name, record in verdicts.items() if record.status is not Status.UNSUPPORTED}
    assert {"torch.eager", "tf.sparse.xla", "optax.int.jit", "keras.torch.scce"} <= takers
    for name in takers:
        assert verdicts[name].status is Status.NOT_RUN
        assert "not installed: pip install" in (verdicts[name].reason or "")
    assert "· tinygrad.dense, tinygrad.sparse: not installed: pip install 'xentcheck[tinygrad]'\n" in done.stdout


def test_a_report_folder_that_cannot_be_made_costs_the_report_only(conform: RunPytest, pytester: Pytester) -> None:
    pytester.path.joinpath("occupied").write_text("a file")
    result = conform("--backend=numpy", "-k", ONE, "--report-dir=occupied")
    assert result.ret == FAILED
    text = result.stdout.str()
    assert "1 passed" in text
    assert text.count("xentcheck: cannot write occupied/records.jsonl: ") == 1
    assert "Traceback" not in output(result)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_costs_the_report_only(conform: RunPytest, pytester: Pytester) -> None:
    folder = pytester.path / "xentcheck-report"
    folder.mkdir()
    (folder / "records.jsonl").symlink_to("/dev/full")
    result = conform("--backend=numpy", "-k", ONE)
    assert result.ret == FAILED
    text = result.stdout.str()
    assert "1 passed" in text
    assert re.search(r"xentcheck: cannot write \S*records.jsonl: No space left on device", text)


def test_ctrl_c_leaves_records_and_a_page(pytester: Pytester, spec: Callable[[str], str]) -> None:
    backend = spec("losses.py:slow")
    options = ["-p", "no:cacheprovider", f"--backend=numpy,{backend}", "--dtype=float32"]
    command = [sys.executable, "-m", "pytest", *options]
    records = pytester.path / "xentcheck-report" / "records.jsonl"
    # A shell that runs pytest in the background has its children ignore the interrupt.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.PIPE, text=True, preexec_fn=heeding) as run:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (records.exists() and '"pass"' in records.read_text()):
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        try:
            text, _ = run.communicate(timeout=20)
        except subprocess.TimeoutExpired:  # an interrupt that hits a garbage collector's callback is lost to Python
            run.send_signal(signal.SIGINT)
            text, _ = run.communicate(timeout=20)
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    kept = report_of(pytester)
    assert Status.PASS in {record.status for record in kept.records}
    assert len(kept.records) < 2 * len(CONTRACT)
    assert "report: " in text


def test_xdist_gives_each_subject_to_one_worker(pytester: Pytester, spec: Callable[[str], str]) -> None:
    pytest.importorskip("xdist")
    backends = f"--backend=numpy,{spec('losses.py:honest')}"
    options = ("-p", "no:cacheprovider", "--dtype=float32", "-v", "-n", "2")
    result = pytester.runpytest_subprocess(*options, backends, "-k", f"({ONE}) or LAB-1 or EQ-2")
    assert result.ret == OK, output(result)
    by_subject: dict[str, set[str]] = {}
    for worker, subject in re.findall(r"\[(gw\d)\].*PASSED.*\[(numpy\S*)-cpu-float32\]", result.stdout.str()):
        by_subject.setdefault(subject, set()).add(worker)
    assert len(by_subject) == 2
    assert all(len(workers) == 1 for workers in by_subject.values())
    run = report_of(pytester)
    assert sorted(r.clause for r in run.records if r.status.is_judged) == sorted(["VAL-1", "LAB-1"] * 2)
    assert len({record.key for record in run.records}) == len(run.records)
    assert any(record.probe for record in run.records)


def test_what_is_found_of_a_callable_stands_above_the_matrix_and_on_the_page(
    conform: RunPytest, pytester: Pytester, spec: Callable[[str], str]
) -> None:
    backend = spec("strangers.py:smoothing_unused")
    lines = conform(f"--backend={backend}", "-k", ONE).stdout.str().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{backend}: class indices and rows; ")]
    assert "; label_smoothing is accepted and changes nothing; " in line
    assert lines.index(line) < next(place for place, text in enumerate(lines) if text.startswith(f"{backend}  "))
    assert line in html.unescape((pytester.path / "xentcheck-report" / "report.html").read_text())


@pytest.mark.frameworks
@pytest.mark.skipif(find_spec("torch") is None, reason="not installed: torch")
def test_no_framework_is_imported_by_pytest_itself(pytester: Pytester) -> None:
    pytester.makeconftest(
        """
        import sys

        def pytest_unconfigure():
            names = ("torch", "tensorflow", "keras", "jax", "optax")
            print("frameworks here:", [name for name in names if name in sys.modules])
        """
    )
    result = pytester.runpytest_subprocess("--backend=torch.eager", "--dtype=float32", "-k", ONE)
    result.stdout.fnmatch_lines(["*1 passed*", "frameworks here: []"])


def test_plain_pytest_is_unaffected(pytester: Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_the_harness_is_not_even_imported():
            assert "xentcheck.plugin" in sys.modules
            assert not {"xentcheck.bench", "xentcheck_reports", "xentcheck_adapters"} & set(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.ret == OK, output(result)
    assert "xentcheck: " not in result.stdout.str()
    assert not (pytester.path / "xentcheck-report").exists()


def test_tests_beside_a_conformance_run_are_not_collected(conform: RunPytest, pytester: Pytester) -> None:
    pytester.makepyfile("def test_of_somebody_else(): raise AssertionError")
    result = conform("--backend=numpy", "--collect-only", "-q", "-k", f"({ONE}) or somebody")
    assert "VAL-1" in result.stdout.str()
    assert "somebody" not in result.stdout.str()


def test_the_suite_is_named_as_a_package_and_selected_by_marks(conform: RunPytest) -> None:
    result = conform("--pyargs", "xentcheck.suite", "--backend=numpy", "-m", "ign", "--strict-markers", "--co", "-q")
    families = set(re.findall(r"::([A-Z]+)-\d", result.stdout.str()))
    assert families == {"IGN"}


@pytest.mark.parametrize(("names", "chosen"), [("VAL-1", {"VAL-1"}), ("IGN-1, SOFT", {"IGN-1", "SOFT"})])
def test_clauses_are_chosen_by_whole_ids_and_by_families(conform: RunPytest, names: str, chosen: set[str]) -> None:
    result = conform("--backend=numpy", f"--clause={names}", "--co", "-q")
    found = re.findall(r"::(([A-Z]+)-\d+) ", result.stdout.str())
    assert {id if id in chosen else family for id, family in found} == chosen


def test_what_is_not_chosen_is_not_in_the_report(conform: RunPytest, pytester: Pytester) -> None:
    assert conform("--backend=numpy", "--clause=VAL-1").ret == OK
    assert {record.clause for record in report_of(pytester).records} == {"VAL-1"}
