"""Writes docs/findings.md from the findings in the adapters' TOML files and docs/figures/findings.json:

    python docs/findings.py [--measure [ID …]]

With --measure, every script (or only those named) runs in a fresh process with the installed versions, and the ledger's
examples are judged; what came becomes the figures first. A finding whose script no longer shows it is refused: it is
mended, or never was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from pages import environment

from xentcheck.bench import Bench, Target
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Divergence
from xentcheck.findings import Finding, FreeFinding, installed_versions, run_script
from xentcheck.known import free_findings, load_ledger
from xentcheck.scripts import shows_the_defect
from xentcheck.verdict import Deviation
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Subject, built_in_subjects

HERE = Path(__file__).parent
FIGURES, PAGE = HERE / "figures" / "findings.json", HERE / "findings.md"
_FRAMEWORKS = {
    "torch": "PyTorch",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "jax": "JAX",
    "optax": "optax",
    "autograd": "Autograd",
    "mlx": "MLX",
    "onnx": "ONNX",
    "onnxruntime": "ONNX Runtime",
    "tinygrad": "tinygrad",
    "liger_kernel": "Liger-Kernel",
}
# Those that import another one come before it.
_OUTERMOST = ("keras", "optax", "liger_kernel", "onnxruntime", "onnx", "jax", "tensorflow", "torch", *_FRAMEWORKS)


@dataclass(frozen=True)
class Told:
    """A finding with the ledger entries that show it (none for one that no clause reaches)."""

    finding: Finding
    entries: tuple[Divergence, ...]

    @property
    def framework(self) -> str:
        """The framework it is told to: Keras where Keras is imported, else the outermost one."""
        imported = self.finding.packages
        return next(name for name in _OUTERMOST if name in imported)

    @property
    def subjects(self) -> list[Subject]:
        """The built-in subjects that show it."""
        patterns = [pattern for entry in self.entries for pattern in entry.subjects]
        known = built_in_subjects()
        return [s for name, s in known.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]

    @property
    def where(self) -> str:
        """API and modes."""
        if isinstance(self.finding, FreeFinding):
            return self.finding.where
        apis: dict[str, list[str]] = {}
        for subject in self.subjects:
            apis.setdefault(subject.api, []).append(subject.name)
        return "; ".join(f"{api} ({', '.join(names)})" for api, names in apis.items())

    @property
    def dtypes(self) -> list[str]:
        """Where it shows; empty for all."""
        if isinstance(self.finding, FreeFinding):
            return list(self.finding.dtypes)
        named = [entry.dtypes for entry in self.entries]
        return list(dict.fromkeys(dtype for dtypes in named for dtype in dtypes)) if all(named) else []

    @property
    def links(self) -> list[str]:
        """Documents and code that it is about."""
        own = [self.finding.link] if isinstance(self.finding, FreeFinding) else []
        links = [*own, *(entry.link for entry in self.entries)]
        return [link for link in dict.fromkeys(links) if link != self.finding.thread]

    @property
    def reasons(self) -> list[str]:
        """What the ledger says about it."""
        return list(dict.fromkeys(entry.reason for entry in self.entries))


def all_findings() -> list[Told]:
    """Every finding, framework by framework, those of the ledgers first. ValueError if an id is told twice or never."""
    entries = [entry for entry in load_ledger().entries if entry.finding]
    outside = [finding for of_adapter in free_findings().values() for finding in of_adapter]
    told = [*(entry.finding for entry in entries if entry.finding and entry.finding.is_told), *outside]
    ids = [finding.id for finding in told]
    named = {entry.finding.id for entry in entries if entry.finding}
    if len(set(ids)) < len(ids) or not named <= set(ids):
        twice = {id for id in ids if ids.count(id) > 1}
        raise ValueError(f"findings told twice: {sorted(twice)}; never: {sorted(named - set(ids))}")
    shown_by = {id: tuple(e for e in entries if e.finding and e.finding.id == id) for id in ids}
    findings = [Told(finding, shown_by[finding.id]) for finding in told]
    return sorted(findings, key=lambda one: list(_FRAMEWORKS).index(one.framework))


def measure(chosen: Sequence[Told]) -> dict[str, Any]:
    """What the scripts print and the oracle says, by id. ClickException if a script does not show its defect."""
    with ThreadPoolExecutor(2) as threads:
        measured = list(threads.map(_runs, chosen))
    failed = [
        f"{one.finding.id} {run['backend']}: ended by {run['ended'] or 'no error'}\n{run['output']}"
        for one, runs in zip(chosen, measured, strict=True)
        for run in runs
        if not shows_the_defect(run["ended"])
    ]
    if failed:
        raise click.ClickException("these scripts do not show their defect:\n" + "\n".join(failed))
    with WorkerPool() as pool:
        return {
            one.finding.id: {"runs": runs, "oracle": [_judged(entry, pool) for entry in one.entries]}
            for one, runs in zip(chosen, measured, strict=True)
        }


def _runs(one: Told) -> list[dict[str, str]]:
    click.echo(one.finding.id, err=True)
    runs = [(backend, run_script(one.finding, backend)) for backend in one.finding.backends or ("",)]
    return [{"backend": backend, "output": run.output, "ended": run.ended} for backend, run in runs]


def _judged(entry: Divergence, pool: WorkerPool) -> dict[str, str]:
    """What the entry's example gives on the first subject that it names, and what the oracle expects."""
    known = built_in_subjects()
    subject = next(s for name, s in known.items() if any(fnmatchcase(name, pattern) for pattern in entry.subjects))
    dtype = entry.dtypes[0] if entry.dtypes else "float32"
    case = entry.example_case(dtype)
    try:
        CONTRACT[entry.clause].check(case, Bench(Target(subject, "cpu", dtype), pool, known))
    except Deviation as deviation:
        shown = {"clause": entry.clause, "subject": subject.name, "dtype": dtype, "token": case.token}
        return {**shown, "expected": deviation.expected, "got": deviation.got}
    raise click.ClickException(f"{entry.clause} holds on {subject.name} for the example of {entry.reason!r}")


def render() -> str:
    """The page as text."""
    figures: Mapping[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    findings = all_findings()
    return (
        environment()
        .get_template("findings.md.jinja")
        .render(
            findings=findings,
            measured=figures["findings"],
            versions=figures["versions"],
            frameworks=_FRAMEWORKS,
            headings={one.finding.id: number for number, one in enumerate(findings, start=1)},
        )
    )


@click.command(help=__doc__)
@click.option("--measure", "measuring", is_flag=True, help="Run the scripts and the oracle first.")
@click.argument("ids", nargs=-1)
def main(measuring: bool, ids: tuple[str, ...]) -> None:
    """Renew the page."""
    if measuring:
        findings = all_findings()
        chosen = [one for one in findings if not ids or one.finding.id in ids]
        before = json.loads(FIGURES.read_text(encoding="utf-8")) if ids else {"versions": {}, "findings": {}}
        measured = {**before["findings"], **measure(chosen)}
        figures = {
            "versions": {**before["versions"], **installed_versions()},
            "findings": {one.finding.id: measured[one.finding.id] for one in findings},
        }
        FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(), encoding="utf-8")
    click.echo(PAGE)


if __name__ == "__main__":
    main()
