"""Adapters of other packages: what an installed one registers is known and judged, and a broken one costs a line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xentcheck.known import registered
from xentcheck.workers import WorkerPool
from xentcheck_reports import Status, read_records

EXAMPLE = Path(__file__).parent.parent / "examples" / "xentcheck-example"
SUBJECT = """
from xentcheck_adapters import Precision, Subject
FACTS = {{"framework": "f", "api": "a", "mode": "eager", "requires": (), "labels": ("index",), "dtypes": ("float32",)}}
SUBJECTS = (Subject("{name}", {adapter}, precision={{"float32": Precision()}}, **FACTS),)
offered_options = versions = open_subject = print
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages that holds the example, as its own build makes it."""
    folder = tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    source = shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    subprocess.run([*pip, "--target", str(folder / "site"), str(source)], check=True)
    return folder / "site"


def test_a_subject_of_an_installed_package_is_listed_and_judged_with_its_tables(
    installed: Path, tmp_path: Path
) -> None:
    paths = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    run = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--backend=example", "--clause=VAL-1,SHP-12"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, str(installed)])}
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    records = read_records(tmp_path / "xentcheck-report" / "records.jsonl").records
    assert {record.clause: record.status for record in records} == dict.fromkeys(("VAL-1", "SHP-12"), Status.PASS)


def test_a_worker_needs_no_path_to_the_package(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed)  # of this process; a worker, maybe of another interpreter, has its own
    (subject,) = registered.__wrapped__().subjects
    with WorkerPool() as pool:
        assert pool.open(subject, "cpu", "float32").versions["example"] == "1.0"


def test_a_broken_package_costs_a_line_and_no_other_one(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        "failing": "import no_such_module",
        "empty": "",
        "taken": SUBJECT.format(name="numpy", adapter="__name__"),
        "stray": SUBJECT.format(name="stray", adapter="'elsewhere'"),
        "torn": SUBJECT.format(name="torn", adapter="__name__"),
    }
    (tmp_path / "torn.choices.toml").write_text("[[choice")
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
        about = tmp_path / f"{name}-2.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
        (about / "entry_points.txt").write_text(f"[xentcheck.adapters]\n{name} = {name}\n")
    for folder in (installed, tmp_path):
        monkeypatch.syspath_prepend(folder)
    seen = registered.__wrapped__()
    assert [subject.name for subject in seen.subjects] == ["example"]
    told = dict(zip(sorted(sources), seen.problems, strict=True))
    assert all(f"the adapter '{name}' of {name} 2.0: " in line and "\n" not in line for name, line in told.items())
    assert "ModuleNotFoundError: No module named 'no_such_module'" in told["failing"]
    assert "empty.SUBJECTS must hold its subjects, got ()" in told["empty"]
    assert "its subject 'numpy' is one of the adapter numpy_callable" in told["taken"]
    assert "must be 'stray', got 'elsewhere'" in told["stray"]
    assert "torn.choices.toml: not TOML" in told["torn"]
