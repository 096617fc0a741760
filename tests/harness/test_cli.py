"""`xentcheck list`, `explain`, `replay` and `report merge`."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xentcheck.cases import Case
from xentcheck.cli import main
from xentcheck.contract import CONTRACT
from xentcheck.selection import missing_modules, select_targets
from xentcheck_adapters import built_in_subjects
from xentcheck_reports import Record, RunHeader, Status, write_records

SUBJECTS = built_in_subjects()
OK, NOT_CONFORMING, USAGE, NOT_JUDGED = 0, 1, 2, 3


def xentcheck(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def write_run(path: Path, subject: str) -> Path:
    header = RunHeader(
        id=subject,
        started=1_700_000_000,
        level="quick",
        seed=1,
        command="pytest --backend=numpy",
        harness_version="0",
        python="3",
        platform="p",
        processor="c",
        versions={},
    )
    record = Record(
        clause="VAL-1",
        title="a sentence",
        family="VAL",
        subject=subject,
        framework="numpy",
        device="cpu",
        dtype="float32",
        status=Status.PASS,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_records(path, header, [record])
    return path


def test_list_shows_every_subject_and_what_is_missing() -> None:
    result = xentcheck("list")
    assert result.exit_code == OK
    lines = {line.split()[0]: line for line in result.output.splitlines()}
    assert set(lines) == set(SUBJECTS)
    for name, subject in SUBJECTS.items():
        assert ("not installed: pip install" in lines[name]) == bool(missing_modules(subject))


def test_every_job_of_the_list_is_a_run_that_somebody_can_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from xentcheck import selection

    monkeypatch.setattr(selection, "missing_modules", lambda subject: [])  # the list is for machines that have it all
    jobs = json.loads(xentcheck("list", "--json").output)
    covered = set()
    for job in jobs:
        subjects = selection.select_subjects([job["backend"]])
        targets = select_targets(subjects, [job["device"]], [])
        assert targets
        covered |= {(target.subject.name, target.device) for target in targets}
    everything = select_targets(list(SUBJECTS.values()), ["all"], [])
    assert covered == {(target.subject.name, target.device) for target in everything}


def test_list_can_be_narrowed() -> None:
    jobs = json.loads(xentcheck("list", "--backend=numpy", "--device=cpu", "--json").output)
    assert [(job["backend"], job["device"]) for job in jobs] == [("numpy", "cpu")]


def test_list_tells_the_versions_of_what_is_installed() -> None:
    lines = {line.split()[0]: line for line in xentcheck("list").output.splitlines()}
    for name in ("numpy", "torch.eager", "keras.jax.scce"):
        if not missing_modules(SUBJECTS[name]):
            versions = [f"{module} {metadata.version(module)}" for module in SUBJECTS[name].requires]
            assert f"  {', '.join(versions)}  " in lines[name]


def test_a_replay_of_what_cannot_be_loaded_is_no_verdict(spec: Callable[[str], str]) -> None:
    result = xentcheck("replay", "VAL-1", spec("losses.py:nowhere"), Case(rows=2, classes=3).token)
    assert result.exit_code == NOT_JUDGED
    assert "has no 'nowhere'" in result.output


def test_replay_tells_whether_a_case_still_fails(spec: Callable[[str], str]) -> None:
    token = Case(rows=2, classes=3).token
    holds = xentcheck("replay", "VAL-1", spec("losses.py:honest"), token)
    assert holds.exit_code == OK, holds.output
    assert "VAL-1 holds: worst error is" in holds.output
    fails = xentcheck("replay", "VAL-1", spec("losses.py:doubled_gradient"), token)
    assert fails.exit_code == NOT_CONFORMING
    assert "logits = [[" in fails.output
    assert "expected  grad_logits[" in fails.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("VAL-1", "numpy", "rubbish"), "not a case token"),
        (("VAL-1", "numpy", Case(regime="of another version").token), "of another version"),
        (("VAL-1", "numpy", Case(dtype="int8").token), "int8"),
        (("VAL-99", "numpy", Case().token), "unknown clause 'VAL-99'; known: EQ-2,"),
        (("VAL-1", "nmupy", Case().token), "unknown backend 'nmupy'"),
        (("VAL-1", "all", Case().token), "name one subject"),
    ],
)
def test_a_replay_of_what_is_not_known_is_a_usage_error(arguments: tuple[str, ...], told: str) -> None:
    result = xentcheck("replay", *arguments)
    assert result.exit_code == USAGE, result.output
    assert told in result.output


def test_merge_makes_one_page_of_many_files(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "records.jsonl", "first")
    write_run(tmp_path / "b" / "c" / "records.jsonl", "second")
    result = xentcheck("report", "merge", str(tmp_path), "--output", str(tmp_path / "page"))
    assert result.exit_code == OK, result.output
    page = (tmp_path / "page" / "report.html").read_text()
    assert "first" in page
    assert "second" in page


def test_merge_names_a_corrupt_file_and_leaves_it_out(tmp_path: Path) -> None:
    good = write_run(tmp_path / "good.jsonl", "good")
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{]\n")
    result = xentcheck("report", "merge", str(good), str(bad), "--output", str(tmp_path / "page"))
    assert result.exit_code == NOT_JUDGED
    assert f"left out: {bad}, line 1" in result.output
    assert "good" in (tmp_path / "page" / "report.html").read_text()


def test_merge_of_nothing_readable_is_an_error(tmp_path: Path) -> None:
    result = xentcheck("report", "merge", str(tmp_path / "nowhere.jsonl"))
    assert result.exit_code == NOT_JUDGED
    assert "no record file could be read" in result.output


def test_a_clause_is_explained_with_its_sources_and_everybody_it_concerns_or_not() -> None:
    told = xentcheck("explain", "SOFT-2")
    assert told.exit_code == OK
    assert CONTRACT["SOFT-2"].title in told.output
    assert all(source in told.output for source in CONTRACT["SOFT-2"].sources)
    assert all(name in told.output for name in SUBJECTS)
    assert "takes no dense labels" in told.output
    assert "known divergence  tf.dense." in told.output


def test_an_unknown_clause_is_named_beside_the_known_ones() -> None:
    refused = xentcheck("explain", "SOFT-99")
    assert refused.exit_code == USAGE
    assert "unknown clause 'SOFT-99'; known: EQ-2," in refused.output
