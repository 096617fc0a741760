"""Findings: defects of a framework, each proven by a script that its maintainers can paste.

A difference of policy is no finding. A number (or an answer where others refuse, or a refusal of what is documented)
that contradicts the subject's own documentation, its other modes, or the mathematics is one. A finding stands in the
ledger entry whose clause shows it; entries that show the same defect name its id only:

    finding.id = "torch-float16-many-classes"
    finding.title = "…"
    finding.promise = "what document or mathematics it contradicts"
    finding.thread = "https://…"              # where it is reported upstream; nowhere if absent
    finding.backends = ["torch", "jax"]       # for Keras: KERAS_BACKEND of each run of the script
    finding.script = '''…'''                  # at most 15 lines; imports the framework and NumPy only

What no clause reaches, or what is wider than the clauses that do, stands in `ADAPTER.findings.toml`, as [[finding]]
tables that also say `where` (API and modes), `dtypes` and `link`; ledger entries may name it by id.

A script prints what came and what is right, and its last line asserts that they agree: it fails with AssertionError (or
by a signal) as long as the defect is there, and passes once it is mended.
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field, model_validator

from xentcheck_adapters.registry import ADAPTERS

_MOST_LINES = 15
_SECONDS = 300


class Finding(BaseModel):
    """One defect (see the module's text), or the id of one that is told elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str = ""
    promise: str = ""
    thread: str | None = None
    backends: tuple[str, ...] = ()
    script: str = ""

    @model_validator(mode="after")
    def _told_whole_or_not_at_all(self) -> Finding:
        told = [bool(part) for part in (self.title, self.promise, self.script)]
        if any(told) != all(told):
            raise ValueError(f"finding {self.id}: title, promise and script belong together")
        if len(self.script.strip().splitlines()) > _MOST_LINES:
            raise ValueError(f"finding {self.id}: the script has more than {_MOST_LINES} lines")
        return self

    @property
    def is_told(self) -> bool:
        """Whether this is the defect itself, not a reference to it."""
        return bool(self.script)

    @property
    def packages(self) -> list[str]:
        """What the script imports, in its order, and the backends that it runs on."""
        nodes = ast.walk(ast.parse(self.script))
        names = [name for node in nodes for name in _imported(node)]
        return list(dict.fromkeys([*names, *self.backends]))


class FreeFinding(Finding):
    """A defect that is told outside the ledgers."""

    where: str
    dtypes: tuple[str, ...]
    link: str


@dataclass(frozen=True)
class ScriptRun:
    """How a script went: what it printed, and the exception or signal that ended it ("" if none did)."""

    output: str
    ended: str


def shows_the_defect(ended: str) -> bool:
    """Whether a script that ended so failed as a finding's script does, and not for want of a framework."""
    return ended == "AssertionError" or ended in signal.Signals.__members__


def run_script(finding: Finding, backend: str = "") -> ScriptRun:
    """Run the script in a fresh process, with the installed frameworks; `backend` is Keras's."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    if backend:
        environment["KERAS_BACKEND"] = backend
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", finding.script.strip()],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    return ScriptRun(done.stdout.rstrip(), _end(done.returncode, done.stderr, finding.script))


def _end(code: int, errors: str, script: str) -> str:
    if code < 0:
        return signal.Signals(-code).name
    if code == 0:
        return ""
    told = errors.strip().splitlines()
    error = told[-1].split(":")[0]
    deepest = [line.strip() for line in told if line.strip().startswith("File ")][-1:]
    # an assertion of the framework's own is another failure than the script's last line
    last_line = f'File "<string>", line {len(script.strip().splitlines())}, in <module>'
    return error if deepest == [last_line] or error != "AssertionError" else "AssertionError elsewhere"


def _imported(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return [str(node.module).split(".")[0]] if isinstance(node, ast.ImportFrom) else []


def free_findings() -> Mapping[str, tuple[FreeFinding, ...]]:
    """The findings of every adapter that has some outside its ledger, by adapter."""
    folder = files("xentcheck_adapters")
    sources = {adapter: folder / f"{adapter}.findings.toml" for adapter in ADAPTERS}
    return {
        adapter: tuple(FreeFinding.model_validate(table) for table in tomllib.loads(file.read_text())["finding"])
        for adapter, file in sources.items()
        if file.is_file()
    }


def installed_versions() -> dict[str, str]:
    """Of the frameworks and NumPy, by the name that scripts import."""
    distributions = importlib.metadata.packages_distributions()
    names = ("torch", "tensorflow", "keras", "jax", "optax", "numpy")
    return {name: importlib.metadata.version(distributions[name][0]) for name in names if name in distributions}
