"""A recipe is the adapter's call as a person writes it: run by itself, it gives what the adapter gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xentcheck.build import build_call
from xentcheck.cases import Case
from xentcheck.literals import HEX, assignment
from xentcheck.selection import missing_modules
from xentcheck.workers import WorkerPool
from xentcheck.workers.pool import state_of
from xentcheck_adapters import Call, Returned, Subject, adapter_module, built_in_subjects, subject_from_spec
from xentcheck_adapters.presentation import present

SUBJECTS = {name: subject for name, subject in built_in_subjects().items() if subject.inputs != "scores"}
LOSSES = Path(__file__).parents[1] / "harness" / "subjects"
STRANGERS = (
    "torch:torch.nn:CrossEntropyLoss",
    "jax:optax:softmax_cross_entropy",
    *(f"tf:{LOSSES / 'tensorflow_losses.py'}:{name}" for name in ("composed", "traced")),
    *(f"keras:{LOSSES / 'keras_losses.py'}:{name}" for name in ("sparse", "Sparse", "Dense", "made")),
)
# What is compiled in another order of shapes may round its last bit otherwise.
SAME = {"float32": 1e-6, "bfloat16": 2**-6, "float64": 1e-14}
KINDS = {"index": "index", "dense": "soft", "multi-hot": "multi-hot"}
FLAT = "flat = lambda a: np.array(a.tolist() if hasattr(a, 'tolist') else a.numpy(), float).ravel().tolist()"


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as pool:
        yield pool


def calls(subject: Subject, dtype: str) -> Iterator[Call]:
    """One for each thing that a subject can be asked for."""
    regime = "normal" if subject.inputs == "logits" else "unit-interval"
    plain = Case(dtype=dtype, rows=6, classes=3, seed=3, regime=regime)
    options: dict[str, dict[str, Any]] = {
        "weight": {"weighted": True},
        "sample_weight": {"sample_weighted": True},
        "ignore_index": {"ignore_index": -100, "ignored": "some"},
        "label_smoothing": {"label_smoothing": 0.5},
        "z_loss": {"z_loss": 0.5},
        "softcap": {"softcap": 2.0},
        "hvp": {"vector": "random"},
    }
    asked = [{}, {"upstream": "random"}, *({"reduction": name} for name in subject.reductions)]
    asked += [fields for option, fields in options.items() if subject.offers(option)]
    asked += [{"class_axis": axis, "positions": (2,)} for axis in subject.class_axes]
    if subject.framework == "torch":
        asked += [
            {"procedure": name} for name in ("twice", "no-grad", "strided upstream") if name in subject.procedures
        ]
    for kind in subject.labels:
        for fields in asked:
            if kind == "index" or "ignore_index" not in fields:
                yield build_call(Case(**{**vars(plain), "labels": KINDS[kind], **fields}))


def script(subject: Subject, asked: list[Call]) -> str:
    """A script that prints the loss, and the gradient if there is one, of every call."""
    recipe = adapter_module(subject.adapter).recipe
    lines = ["import json", "import numpy as np", HEX, FLAT]
    lines += dict.fromkeys(line for call in asked for line in recipe(subject, present(call)).imports)
    for call in map(present, asked):
        hvp = "hvp" if call.vector is not None else ""
        results = f"loss, grad, {hvp}" if subject.differentiable else "loss,"
        lines += [assignment(name, array) for name, array in call.arrays.items()]
        lines += [*recipe(subject, call).lines, f"print(json.dumps([flat(a) for a in ({results})]))"]
    return "\n".join(lines)


def told(outcome: Returned) -> list[list[float]]:
    """What an adapter gives, as numbers without an order: in which dimensions is another test's subject."""
    arrays = [*outcome.results.values(), *([] if outcome.hvp is None else [outcome.hvp])]
    return [np.sort(array.astype(np.float64).ravel()).tolist() for array in arrays]


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("dtype", SAME)
@pytest.mark.parametrize("name", [*SUBJECTS, *STRANGERS])
def test_a_recipe_gives_what_its_adapter_gives(pool: WorkerPool, name: str, dtype: str) -> None:
    subject = SUBJECTS[name] if name in SUBJECTS else subject_from_spec(name)
    if missing_modules(subject):
        pytest.skip("not installed")
    if dtype not in subject.dtypes:
        pytest.skip(f"not judged in {dtype}")
    subject = pool.open(subject, "cpu", dtype).narrow(subject)
    outcomes = [(call, pool.run(subject, "cpu", call, dtype)) for call in calls(subject, dtype)]
    answered = [(call, outcome) for call, outcome in outcomes if isinstance(outcome, Returned)]
    assert len(answered) > len(outcomes) / 2
    environment = {**os.environ, **dict(state_of(subject, "cpu", dtype).environment), "JAX_PLATFORMS": "cpu"}
    text = script(subject, [call for call, _ in answered])
    command = [sys.executable, "-W", "ignore", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    printed = [[sorted(part) for part in json.loads(line)] for line in done.stdout.splitlines()]
    for parts, (call, outcome) in zip(printed, answered, strict=True):
        for mine, theirs in zip(parts, told(outcome), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=SAME[dtype], err_msg=f"{name} {call}")
