"""The oracle before its referee: a sample of the certificate, a referee that sees an ulp too much, and the command."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import xentcheck_reference
from xentcheck.certify.rows import REGIMES, Batch, draw_batch
from xentcheck.cli import main
from xentcheck.randomness import Array, Bits
from xentcheck_reference import Problem

pytest.importorskip("flint", reason="the referee is python-flint: pip install 'xentcheck[certify]'")

from xentcheck.certify import referee as refereeing
from xentcheck.certify.arb import exact_results
from xentcheck.certify.comparison import violations
from xentcheck.certify.conditioning import magnitudes

OK, BROKEN, USAGE, NOT_JUDGED, INTERRUPTED = 0, 1, 2, 3, 130
# Two batches of every regime, one of them with options: about a second.
SAMPLE = 2 * 8 * len(REGIMES)
# Other rows in every session; a failure names the seed that finds them again.
SEED = int.from_bytes(os.urandom(4), "big")


def certify(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["certify", *map(str, arguments)])


def test_the_oracle_keeps_its_stated_bounds() -> None:
    result = certify("--rows", SAMPLE, "--seed", SEED)
    assert result.exit_code == OK, f"xentcheck certify --rows {SAMPLE} --seed {SEED}\n{result.output}"
    assert all(f"\n{regime} " in result.output for regime in REGIMES)


@pytest.mark.parametrize("what", ["loss", "grad_logits", "grad_labels", "product"])
@pytest.mark.parametrize("tier", refereeing.TIERS)
def test_the_referee_sees_one_ulp_beyond_the_bound(tier: Any, what: str) -> None:
    batch = next(b for b in (draw_batch(0, "normal", number) for number in range(0, 99, 2)) if b.problem.soft)
    exact, sizes = exact_results(batch)[what], magnitudes(batch.problem, batch.vector)
    answer = refereeing.answers_of(batch, tier)[what]
    assert not [*violations(refereeing.compare(batch, tier, what, answer, exact, sizes))]

    row, column, true = exact.rows[-1], exact.columns[-1], exact.nearest()[-1]
    place = row if what == "loss" else (row, column)
    perturbed, ulp = answer.value.copy(), np.spacing(abs(true))
    perturbed[place] = true + ulp * (np.ceil(answer.bound[place] / ulp) + 1.0)
    comparison = refereeing.compare(batch, tier, what, replace(answer, value=perturbed, low=None), exact, sizes)
    seen = [v for v in violations(comparison) if (v.row, v.column) == (f"{batch.name}.{row}", column)]
    assert "the a-priori bound" in {v.promise for v in seen}


@pytest.mark.parametrize("softcap", [None, 4.0])
@pytest.mark.parametrize("z_loss", [0.0, 0.5])
def test_the_exact_side_is_consistent_with_its_own_differences(z_loss: float, softcap: float | None) -> None:
    bits, h = Bits(1), 2.0**-16
    x, v = bits.integers((1, 5), -8, 9) / 4.0, bits.integers((1, 5), -4, 5) * 1.0  # x ± h v are exact
    options: dict[str, Any] = {
        "labels": bits.integers((1, 5), -2, 5) / 4.0,
        "weight": bits.integers((5,), 1, 5) / 2.0,
        "label_smoothing": 0.25,
        "z_loss": z_loss,
        "softcap": softcap,
    }

    def at(x: Array) -> dict[str, Array]:
        results = exact_results(Batch(0, "normal", 0, Problem(logits=x, **options), v, [list(range(5))]))
        return {what: np.array(values.nearest()) for what, values in results.items()}

    here, ahead, behind = at(x), at(x + h * v), at(x - h * v)
    # A central difference leaves out h^2/6 of the third derivative along v, |v| <= 9, and rounds to 2^-53 / h.
    allowed = h * h * 9.0**3 * 10.0
    assert np.abs((ahead["loss"] - behind["loss"]) / (2.0 * h) - (here["grad_logits"] * v).sum()).max() < allowed
    assert np.abs((ahead["grad_logits"] - behind["grad_logits"]) / (2.0 * h) - here["product"]).max() < allowed
    options["labels"] = options["labels"] + v
    along = at(x)["loss"] - here["loss"]
    assert np.abs(along - (here["grad_labels"] * v).sum()).max() < 2.0**-40  # linear in the labels: roundings only


@pytest.fixture
def boastful(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle that claims to be a thousand times better than it does."""
    honest = xentcheck_reference.oracle_error

    def claim(*arguments: Any) -> Any:
        error = honest(*arguments)
        return replace(error, grad_logits=error.grad_logits / 1e3)

    monkeypatch.setattr(xentcheck_reference, "oracle_error", claim)


@pytest.mark.usefixtures("boastful")
def test_a_broken_bound_is_named_and_can_be_repeated(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    result = certify("--rows", 8 * len(REGIMES), "--seed", 3, "--json", file)
    assert result.exit_code == BROKEN
    worst = max(json.loads(file.read_text())["violations"], key=lambda v: v["error"] / v["bound"])
    assert worst["error"] > worst["bound"]
    assert f"{worst['regime']}, row {worst['row']}: grad_logits[" in result.output
    again = certify("--row", worst["row"])
    assert again.exit_code == BROKEN
    assert f"got {worst['got']!r}, exact {worst['exact']!r}, error" in again.output


def test_the_figures_name_the_rows_that_attained_them(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    certify("--rows", 8 * len(REGIMES), "--json", file)
    figures = json.loads(file.read_text())["figures"]
    assert {figure["regime"] for figure in figures} == set(REGIMES)
    attained = max((figure["of_bound"] for figure in figures if figure["what"] == "loss"), key=lambda w: w["value"])
    assert f"{attained['value']:.2g}" in certify("--row", attained["row"]).output


def test_an_interrupted_certificate_shows_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Batch] = []
    judge = refereeing.referee

    def impatient(batch: Batch) -> Any:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(batch)
        return judge(batch)

    monkeypatch.setattr(refereeing, "referee", impatient)
    result = certify("--rows", SAMPLE)
    assert result.exit_code == INTERRUPTED
    assert f"{sum(len(batch.columns) for batch in seen)} rows" in result.output


def test_a_missing_referee_is_one_helpful_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("arb", "referee", "text"):
        monkeypatch.delitem(sys.modules, f"xentcheck.certify.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "flint", None)
    result = certify("--rows", 8)
    assert result.exit_code == NOT_JUDGED
    assert "pip install 'xentcheck[certify]'" in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("name", ["rubbish", "1:nowhere:2", "1:normal:0.8", "1:normal:x"])
def test_an_unknown_row_is_a_usage_error(name: str) -> None:
    result = certify("--row", name)
    assert result.exit_code == USAGE
    assert f"no row {name!r}" in result.output
