"""A subject may run in another interpreter, which needs NumPy and nothing of this project."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xentcheck.bench import Bench, Target
from xentcheck.selection import SelectionError, framework_count, select_subjects, subject_and_interpreter
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Call, Returned, Unavailable, built_in_subjects
from xentcheck_reports import Record, Status, read_records

pytest_plugins = ["pytester"]

WRONG_ELSEWHERE = "elsewhere.py:wrong_elsewhere"


def names(*typed: str) -> list[str]:
    return [subject.name for subject in select_subjects(typed)]


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("torch.eager", ("torch.eager", None)),
        ("torch@old", ("torch", "old")),
        ("numpy:my.py:f@old/bin/python", ("numpy:my.py:f", "old/bin/python")),
        ("numpy:me@work/my.py:f", ("numpy:me@work/my.py:f", None)),
        ("numpy:me@work/my.py:f@old", ("numpy:me@work/my.py:f", "old")),
    ],
)
def test_an_interpreter_follows_a_name_of_any_kind(typed: str, parts: tuple[str, str | None]) -> None:
    assert subject_and_interpreter(typed) == parts


def test_an_environment_is_named_by_its_folder_and_stands_beside_this_one(elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "my.py").touch()
    mine, folder = f"numpy:{tmp_path}/my.py:f", str(elsewhere)
    assert names(f"{mine}@{folder}/bin/python", "numpy", mine, f"{mine}@{folder}") == [
        "numpy", f"{mine}@{folder}", mine,
    ]  # fmt: skip
    assert framework_count([mine, f"{mine}@{folder}"]) == 2


def test_auto_is_what_is_installed_there_and_all_is_everything(
    elsewhere: Path, bare_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch").mkdir()  # as an environment of that framework may be called
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)  # by which it would share what is installed here
    assert names(f"auto@{elsewhere}") == []
    assert names(f"auto@{bare_python}") == [f"numpy@{bare_python.parent.parent}"]
    assert len(names(f"all@{elsewhere}")) == len(built_in_subjects())


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("numpy@nowhere", "there is no file nowhere"),
        ("numpy@{empty}/lib", "/lib holds no bin/python"),
        ("numpy@{here}", "cannot be run as a Python interpreter: Permission denied"),
        ("numpy@{silent}", "must be Python 3.9 or newer, got something else"),
        ("numpy@{empty}", "has no NumPy, which every worker needs: .*/bin/python -m pip install numpy"),
        ("torch.eager@{elsewhere}", "needs torch: .*/bin/python -m pip install torch"),
        ("numpy@{elsewhere}", "needs ml_dtypes"),
        ("nmupy@{elsewhere}", "did you mean 'numpy'"),
    ],
)
def test_where_nothing_can_run_is_told_in_one_line(
    typed: str, told: str, empty_environment: Path, elsewhere: Path, tmp_path: Path
) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\n")
    silent.chmod(0o755)
    typed = typed.format(empty=empty_environment, elsewhere=elsewhere, here=Path(__file__), silent=silent)
    with pytest.raises(SelectionError, match=told) as caught:
        select_subjects([typed])
    assert "\n" not in str(caught.value)


def test_an_interpreter_that_disappears_is_unavailable(pool: WorkerPool, tmp_path: Path) -> None:
    gone = built_in_subjects()["numpy"].at(str(tmp_path / "gone"))
    with pytest.raises(Unavailable, match="gone cannot be started: No such file"):
        pool.open(gone, "cpu", "float32")


def test_only_bfloat16_needs_more_than_numpy(pool: WorkerPool, elsewhere: Path, spec: Callable[[str], str]) -> None:
    (subject,) = select_subjects([f"{spec(WRONG_ELSEWHERE)}@{elsewhere}"])
    call = Call(np.zeros((2, 3), np.float32), np.array([0, 1]))
    answer = pool.run(subject, "cpu", call, "float32")
    assert isinstance(answer, Returned)
    np.testing.assert_allclose(answer.loss, 2 * np.log(3), rtol=1e-6)
    with pytest.raises(Unavailable, match=r"bfloat16 needs ml_dtypes: .*/bin/python -m pip install ml_dtypes"):
        pool.open(subject, "cpu", "bfloat16")


def test_a_twin_runs_in_the_same_interpreter(pool: WorkerPool) -> None:
    known = built_in_subjects()
    bench = Bench(Target(known["torch.compile"].at("old"), "cpu", "float32"), pool, known)
    assert bench.of("torch.eager").target.id == "torch.eager@old-cpu-float32"


def test_a_run_judges_both_and_compares_them(
    pytester: pytest.Pytester, spec: Callable[[str], str], elsewhere: Path
) -> None:
    here = spec(WRONG_ELSEWHERE)
    there = f"{here}@{elsewhere}"
    arguments = ("--dtype=float32", "--clause=VAL-1", "-n", "0", f"--backend={here}", f"--backend={there}")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    run = read_records(pytester.path / "xentcheck-report" / "records.jsonl")
    told = {record.subject: record for record in run.records if record.clause == "VAL-1"}
    assert {name: record.status for name, record in told.items()} == {here: Status.PASS, there: Status.FAIL}
    assert all(record.versions == {"numpy": np.__version__} for record in told.values())
    _assert_is_shown_there(told[there], there)
    text = result.stdout.str()
    assert re.search(r"versions compared: here → @\S*elsewhere: 1 difference in 1 check", text)
    assert f"VAL-1 {here}: ✓ → ✗" in text
    assert "elsewhere.py:wrong_elsewhere@elsewhere " in text  # the matrix has the folder's own name


def _assert_is_shown_there(record: Record, name: str) -> None:
    """The failure is replayed by name, and its script shows it, which it would do nowhere else."""
    assert record.failure is not None
    assert f"xentcheck replay VAL-1 {name} " in record.failure.replay
    assert record.failure.reproduced
