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

How a script proves a defect is told in `scripts.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field, model_validator

from xentcheck.installed import versions_of
from xentcheck.scripts import MOST_LINES, ScriptRun, run_text
from xentcheck.validation import LedgerError, entries_of

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
        if len(self.script.strip().splitlines()) > MOST_LINES:
            raise ValueError(f"finding {self.id}: the script has more than {MOST_LINES} lines")
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


def run_script(finding: Finding, backend: str = "") -> ScriptRun:
    """Run the script in a fresh process, with the installed frameworks; `backend` is Keras's."""
    return run_text(finding.script, {"KERAS_BACKEND": backend} if backend else {}, seconds=_SECONDS)


def _imported(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return [str(node.module).split(".")[0]] if isinstance(node, ast.ImportFrom) else []


def parse_findings(name: str, text: str) -> tuple[FreeFinding, ...]:
    """The findings of one file. Raises LedgerError, also where there is none."""
    findings = entries_of(name, text, "finding", FreeFinding)
    if not findings:
        raise LedgerError(f"{name}: expected [[finding]] tables")
    return findings


def installed_versions() -> dict[str, str]:
    """Of the frameworks and NumPy, by the name that scripts import."""
    names = ["torch", "tensorflow", "keras", "jax", "optax", "numpy"]
    names += ["autograd", "mlx", "onnx", "onnxruntime", "tinygrad", "triton", "liger_kernel"]
    return versions_of(names)
