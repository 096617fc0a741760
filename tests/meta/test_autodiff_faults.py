"""AD: what one forward and one backward pass do not show, the other ways to ask for a derivative do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from xentcheck.bench import Bench, Target
from xentcheck.cases import Case
from xentcheck.clauses import CLAUSES
from xentcheck.levels import LEVELS
from xentcheck.strategies import Scope
from xentcheck.verdict import Deviation
from xentcheck_adapters import Call, Outcome, Subject, built_in_subjects, torch_autodiff
from xentcheck_adapters.worker import run_guarded

torch = pytest.importorskip("torch")

import autodiff_faults  # noqa: E402

pytestmark = pytest.mark.frameworks

CAUGHT = {
    "gradient_scaled_in_place": "AD-3",
    "strides_of_upstream_ignored": "AD-3",
    "stride_zero_taken_for_a_mean": "AD-3",
    "inputs_read_again": "AD-4",
    "another_formula_without_recording": "AD-5",
    "tangents_not_centred": "AD-6",
    "gradient_taken_for_a_constant": "AD-7",
    "a_row_alone_is_not_averaged": "AD-8",
    "labels_forgotten_by_the_gradient": "AD-9",
}
FAMILY = [f"AD-{number}" for number in range(3, 10)]


class Here:
    """Runs calls in this process, where a function of this folder can be reached."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self._function = function

    def run(self, subject: Subject, device: str, call: Call, dtype: str) -> Outcome:
        place = torch_autodiff.open_device(device)
        return run_guarded(lambda private: torch_autodiff.evaluate(self._function, private, place), call)


def bench(name: str) -> Bench:
    """A function of `autodiff_faults.py` under test as PyTorch's own is, with the labels that it takes."""
    labels = "dense" if name == "labels_forgotten_by_the_gradient" else "index"
    subject = replace(built_in_subjects()["torch.eager"], labels=(labels,))
    pool: Any = Here(getattr(autodiff_faults, name))
    return Bench(Target(subject, "cpu", "float32"), pool, {})


def fixed_cases(bench: Bench, clause: str) -> tuple[Case, ...]:
    return CLAUSES[clause].always(Scope(bench.subject, "float32", LEVELS["standard"]))


@pytest.mark.parametrize("clause", FAMILY[:-1])
def test_the_framework_itself_is_not_accused(clause: str) -> None:
    honest = bench("honest")
    for case in fixed_cases(honest, clause):
        CLAUSES[clause].check(case, honest)


@pytest.mark.parametrize(("name", "clause"), CAUGHT.items())
def test_a_fault_is_seen_by_its_clause(name: str, clause: str) -> None:
    faulty, seen = bench(name), 0
    for case in fixed_cases(faulty, clause):
        try:
            CLAUSES[clause].check(case, faulty)
        except Deviation:
            seen += 1
    assert seen


@pytest.mark.parametrize("name", CAUGHT)
def test_one_forward_and_one_backward_pass_do_not_show_it(name: str) -> None:
    faulty = bench(name)
    for case in fixed_cases(faulty, "AD-8"):
        faulty.conforms(faulty.call(replace(case, procedure="reverse")), case)
