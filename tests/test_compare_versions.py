"""The commands of docs/compare-versions.md name what there is; that they compare is test_interpreters.py's claim."""

from __future__ import annotations

import re
import shlex
import venv
from pathlib import Path

import pytest

from xentcheck.contract import CONTRACT
from xentcheck.selection import select_clauses, select_subjects, split_names

PAGE = (Path(__file__).parent.parent / "docs" / "compare-versions.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line) for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]


def values(command: list[str], option: str) -> list[str]:
    return split_names(word.removeprefix(option) for word in command if word.startswith(option))


def test_every_command_names_subjects_and_clauses_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_loss.py").touch()
    monkeypatch.setattr("xentcheck.selection.missing_modules", lambda subject: [])
    monkeypatch.setattr("xentcheck.workers.interpreter.missing_there", lambda interpreter, modules: ())
    asked = [command for command in COMMANDS if values(command, "--backend=")]
    for environment in {name.partition("@")[2] for command in asked for name in values(command, "--backend=")} - {""}:
        venv.create(environment, symlinks=True)
    for command in asked:
        subjects = select_subjects(values(command, "--backend="))
        assert any(subject.interpreter for subject in subjects), command
        assert select_clauses(values(command, "--clause="), CONTRACT)
    assert {command[0] for command in asked} == {"pytest", "xentcheck"}
