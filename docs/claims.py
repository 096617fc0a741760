"""Writes docs/claims.md from docs/claims.toml and docs/figures/claims.json:

    python docs/claims.py [--measure [PROBE …]]

With --measure, the probes (or only those named) collect their evidence first: in the subjects' own workers here, or in
processes of their own (claims_probes.py). A verdict that the evidence does not bear out is refused.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from claims_probes import PROBES, Row, row  # it runs by itself too, in processes of its own
from pages import environment

from xentcheck.bench import Bench, Target
from xentcheck.cases import Case, Edit, case_from_fields
from xentcheck.contract import CONTRACT
from xentcheck.findings import installed_versions
from xentcheck.malformed import SOFT
from xentcheck.verdict import Deviation, describe
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Refused, Returned, Subject, built_in_subjects

HERE = Path(__file__).parent

CLAIMS, FIGURES, PAGE = HERE / "claims.toml", HERE / "figures" / "claims.json", HERE / "claims.md"
_BACKENDS = ("tensorflow", "torch", "jax")
_SMALL = {"rows": 4, "classes": 7, "regime": "normal", "seed": 1}


def _benches(pool: WorkerPool, kind: str, dtype: str = "float32") -> Iterator[Bench]:
    """A bench for each softmax subject that takes logits and labels of this kind."""
    known = built_in_subjects()
    for subject in known.values():
        softmax = subject.inputs == "logits" and "multi-hot" not in subject.labels
        if softmax and subject.framework != "numpy" and kind in subject.labels and dtype in subject.dtypes:
            yield Bench(Target(subject, "cpu", dtype), pool, known)


def _label(pool: WorkerPool, cell: str, claimed: Callable[[str], bool]) -> Iterator[Row]:
    """The answers of policy LAB-2 to one label outside [0, C)."""
    for bench in _benches(pool, "index"):
        policy = CONTRACT["LAB-2"]
        label = {"-1": -1, "C": 7}[cell]
        case = Case(rows=4, classes=7, seed=3, bad_row=1, bad_label=label, label_dtype="int64", cell=cell)
        try:
            seen = policy.check(case, bench)
        except Deviation as deviation:  # measured all the same: this page is not about what adapters declare
            seen = deviation.measurement
        answer = seen.choices[0].answer
        yield row(f"{_api(bench.subject)}, label {cell}", answer, claimed(answer))


def minus_one(pool: WorkerPool) -> Iterator[Row]:
    """What label -1 does in every form that takes indices, and what a one-hot row of -1 does in the dense ones."""
    yield from _label(pool, "-1", lambda answer: answer.startswith("0"))
    for bench in _benches(pool, "dense"):
        call = bench.call(Case(labels="zero", **_SMALL))
        answer = bench.answer(call)
        loss, gradient = float(np.abs(answer.loss).max()), answer.grad_logits
        seen = f"loss {loss:g}"
        if gradient is not None:
            seen += f", gradient up to {np.abs(gradient).max():.3g}, not 0" if gradient.any() else ", gradient 0"
        yield row(f"{_api(bench.subject)}, an all-zero row", seen, "not 0" not in seen)


def labels_outside(pool: WorkerPool) -> Iterator[Row]:
    """Whether a label of C is refused."""
    yield from _label(pool, "C", lambda answer: answer == "refuses")


def rows_that_are_no_distribution(pool: WorkerPool) -> Iterator[Row]:
    """Loss and gradient for rows that sum to 0, 1/2 and 2, and for a negative entry in a row that sums to 1."""
    for bench in (bench for bench in _benches(pool, "dense") if bench.subject.differentiable):
        for kind, what in (("zero", "sum 0"), ("half", "sum 1/2"), ("double", "sum 2")):
            case = Case(labels=kind, **_SMALL)
            yield _gradient(bench, case, what)
        explicit = {"logits": [[0.5, -1.0, 2.0]], "labels": [[1.5, -0.5, 0.0]]}
        yield _gradient(bench, case_from_fields({"labels": "soft", "explicit": explicit}), "sum 1, a negative entry")


def _gradient(bench: Bench, case: Case, what: str) -> Row:
    call = bench.call(case)
    where = f"{_api(bench.subject)}, rows with {what}"
    expected = bench.expect(call).parts
    answer = bench.answer(call)
    loss_off, off = (
        float(np.abs(np.asarray(getattr(answer, part), np.float64) - expected[part].value).max())
        for part in ("loss", "grad_logits")
    )
    wrong = bool((np.abs(np.asarray(answer.grad_logits) - expected["grad_logits"].value) > 1e-5).any())
    assert loss_off < 1e-4, f"{where}: the loss is wrong too"
    seen = f"loss right; gradient off by {off:.3g}" if wrong else "loss and gradient right"
    return row(where, seen, wrong)


def soft_labels_in_the_sparse_form(pool: WorkerPool) -> Iterator[Row]:
    """Fractions and rows of probabilities as labels."""
    for bench in _benches(pool, "index"):
        for kind in SOFT:
            outcome = bench.run(bench.call(Case(malformed=kind, rows=4, classes=7, seed=1)))
            refused = isinstance(outcome, Refused)
            yield row(f"{_api(bench.subject)}, {kind}", "refused" if refused else describe(outcome), refused)


def computed_from_the_index(pool: WorkerPool) -> Iterator[Row]:
    """A row with a class masked by -inf that is not its label."""
    for bench in _benches(pool, "index"):
        case = Case(rows=1, classes=3, edits=(Edit(0, 1, "-inf"),), seed=2, focus="first")
        outcome = bench.run(bench.call(case))
        finite = isinstance(outcome, Returned) and bool(np.isfinite(outcome.loss).all())
        yield row(_api(bench.subject), describe(outcome), finite)


def _api(subject: Subject) -> str:
    return f"{subject.name} ({subject.api})"


_IN_WORKERS = {
    probe.__name__.replace("_", "-"): probe
    for probe in (
        minus_one,
        labels_outside,
        rows_that_are_no_distribution,
        soft_labels_in_the_sparse_form,
        computed_from_the_index,
    )
}


def measured(probe: str) -> list[Row]:
    """The evidence of one probe."""
    if probe in _IN_WORKERS:
        with WorkerPool() as pool:
            return list(_IN_WORKERS[probe](pool))
    backends = _BACKENDS if probe.startswith("keras-") and probe != "keras-crossentropies" else ("tensorflow",)
    rows: list[Row] = []
    for backend in backends:
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-W", "ignore", str(HERE / "claims_probes.py"), probe]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        rows += json.loads(done.stdout.splitlines()[-1])
    return rows


def borne_out(verdict: str, rows: list[Row]) -> bool:
    """Whether the first word of the verdict is what the evidence says."""
    agreeing = sum(one["agrees"] for one in rows)
    return verdict.startswith("true" if agreeing == len(rows) else "partly" if agreeing else "false")


def claims() -> Mapping[str, Any]:
    """The claims and their sources. ValueError if a claim's probe does not exist."""
    document = tomllib.loads(CLAIMS.read_text(encoding="utf-8"))
    unknown = {claim["probe"] for claim in document["claim"]} - {*_IN_WORKERS, *PROBES}
    if unknown:
        raise ValueError(f"no probe {sorted(unknown)}")
    return document


def render() -> str:
    """The page as text; ValueError for a verdict that the evidence does not bear out."""
    document, figures = claims(), json.loads(FIGURES.read_text(encoding="utf-8"))
    for claim in document["claim"]:
        if not borne_out(claim["verdict"], figures["evidence"][claim["probe"]]):
            raise ValueError(f"{claim['quote']!r}: the evidence does not bear out {claim['verdict'][:20]!r}…")
    return environment().get_template("claims.md.jinja").render(**document, **figures, grouped=_grouped)


def _grouped(rows: list[Row]) -> list[Row]:
    """Rows that saw the same, told once."""
    same: dict[tuple[Any, ...], list[str]] = {}
    for one in rows:
        same.setdefault((one["seen"], one["dtype"], one["agrees"]), []).append(one["where"])
    return [{"seen": s, "dtype": d, "agrees": a, "where": where} for (s, d, a), where in same.items()]


@click.command(help=__doc__)
@click.option("--measure", "measuring", is_flag=True, help="Collect the evidence first.")
@click.argument("probes", nargs=-1)
def main(measuring: bool, probes: tuple[str, ...]) -> None:
    """Renew the page."""
    if measuring:
        wanted = [claim["probe"] for claim in claims()["claim"]]
        before = json.loads(FIGURES.read_text(encoding="utf-8"))["evidence"] if probes else {}
        evidence = {probe: measured(probe) if not probes or probe in probes else before[probe] for probe in wanted}
        figures = {"versions": installed_versions(), "evidence": evidence}
        FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(), encoding="utf-8")
    click.echo(PAGE)


if __name__ == "__main__":
    main()
