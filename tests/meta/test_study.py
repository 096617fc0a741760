"""A sample of the detection study, and what its committed figures claim."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from study.batches import Cell
from study.faulty import FAULTS
from study.figures import OURS, always, our_rules, scales, share, tolerance
from study.markdown import markdown
from study.rules import DEFAULTS
from study.run import Observations, Plan, observe

FIGURES = Path(__file__).parents[2] / "docs" / "figures" / "detection.json"
CELLS = (Cell("normal"), Cell("confident"), Cell("landmark", "last"))
# A fault and a regime that it cannot hide in
SENSITIVE = {
    "float32": {
        "exp 2e-6 off, by argument": "confident",
        "exp 1e-6 too large": "confident",
        "log 2e-6 too large": "confident",
        "sum lacks the last class": "landmark, last",
        "gradient at the label 1e-5 off": "normal",
        "z-loss gradient without the factor 2": "normal",
    },
    "bfloat16": {
        "exp 1e-4 off, by argument": "confident",
        "sum lacks the last class": "landmark, last",
        "gradient of the last class is 0": "normal",
    },
}
dtypes = pytest.mark.parametrize("dtype", SENSITIVE)


@pytest.fixture(scope="module")
def sample() -> dict[str, tuple[Plan, Observations]]:
    sizes = ((10, 256), (1000, 16))
    plans = [Plan(dtype, range(4), range(50, 52), CELLS, sizes=sizes, frameworks=False) for dtype in SENSITIVE]
    return {plan.dtype: (plan, observe(plan)) for plan in plans}


@dtypes
def test_no_rule_of_ours_accuses_an_honest_batch(sample: Any, dtype: str) -> None:
    plan, seen = sample[dtype]
    rules = our_rules(plan, seen)
    assert {name: share(flags, seen.honest) for name, flags in rules.items()} == dict.fromkeys(rules, 0)


@dtypes
def test_a_fault_is_seen_in_every_batch_of_its_regime(sample: Any, dtype: str) -> None:
    plan, seen = sample[dtype]
    flags = our_rules(plan, seen)[OURS]
    assert [f for f, cell in SENSITIVE[dtype].items() if cell not in always(flags, seen, f)] == []


@dtypes
@pytest.mark.parametrize("default", DEFAULTS)
def test_no_default_that_accuses_nobody_sees_as_much(sample: Any, dtype: str, default: str) -> None:
    plan, seen = sample[dtype]
    _, factor = scales(default, seen)
    assert share(tolerance(default, factor), seen.faulty) < share(our_rules(plan, seen)[OURS], seen.faulty)


@dtypes
def test_each_test_sees_what_the_others_miss(sample: Any, dtype: str) -> None:
    plan, seen = sample[dtype]
    rules = our_rules(plan, seen)
    shares = [share(rules[f"declared precision: {name}"], seen.faulty) for name in ("bound", "bound and rounding")]
    assert shares == sorted(shares)
    assert max(shares) <= share(rules[OURS], seen.faulty)
    assert shares[0] < share(rules[OURS], seen.faulty)


def test_the_committed_figures_are_of_the_faults_there_are() -> None:
    found = json.loads(FIGURES.read_text())
    for figures in found["dtypes"].values():
        assert [row["fault"] for row in figures["faults"]] == [fault.about for fault in FAULTS]
    for fault in FAULTS:
        assert fault.about in markdown(found)


@dtypes
def test_the_committed_figures_accuse_nobody_and_see_more_than_any_scaled_default(dtype: str) -> None:
    rules = json.loads(FIGURES.read_text())["dtypes"][dtype]["rules"]
    assert rules[OURS]["false_alarms"] == 0
    others = [rule for name, rule in rules.items() if "no framework fails" in name]
    assert all(rule["nine"] < rules[OURS]["nine"] for rule in others)


def test_every_fault_is_always_seen_somewhere_in_float32() -> None:
    faults = json.loads(FIGURES.read_text())["dtypes"]["float32"]["faults"]
    assert [row["fault"] for row in faults if not row["always"]] == []
