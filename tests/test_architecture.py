"""The house stays a house: who may import whom, how large a file may grow, and what no file may mention."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("harness", "reference", "adapters", "reports", "tests", "benchmarks")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def tool(name: str, *arguments: str) -> None:
    pytest.importorskip(name)
    done = subprocess.run([sys.executable, "-m", name, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_room_imports_what_it_must_not_know() -> None:
    pytest.importorskip("importlinter")
    kernels = ROOT / "adapters" / "kernels"  # which need not be installed
    command = f"import sys; sys.path.insert(0, {str(kernels)!r})\n"
    command += "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_adapters_are_written_for_the_oldest_interpreter_of_a_worker() -> None:
    tool("ruff", "check", "--no-cache", "adapters")  # its ruff.toml targets Python 3.9
    for module in tracked("adapters/xentcheck_adapters/*.py", "adapters/kernels/*.py"):
        ast.parse(module.read_text(), feature_version=(3, 9))


def test_the_packages_are_typed() -> None:
    tool("mypy", "--no-error-summary")


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_outgrows_its_reader(room: str) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in tracked(f"{room}/*.py")}
    assert lengths
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 300} == {}


def test_every_module_says_what_it_is_for() -> None:
    modules = tracked(*(f"{room}/*.py" for room in ROOMS[:4]))
    assert modules
    assert [path for path in modules if not ast.get_docstring(ast.parse(path.read_text()))] == []


# Spelt in pieces, so that this file does not hold them itself.
FOREIGN = ("/wo" + "rk/", "/tm" + "p/", "/ro" + "ot/", "/ho" + "me/", "index-" + "url", "shared/" + "proto")


@pytest.mark.parametrize("foreign", FOREIGN)
def test_no_file_mentions_the_machine_it_was_written_on(foreign: str) -> None:
    text = [
        path for path in tracked() if path.suffix in {".py", ".toml", ".md", ".html", ".css", ".json", ".yml", ".txt"}
    ]
    assert text
    assert [str(path.relative_to(ROOT)) for path in text if foreign in path.read_text()] == []
