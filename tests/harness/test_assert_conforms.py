"""`assert_conforms` in somebody's tests, of which this file is one: its functions are judged as a user's would be."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from xentcheck import ConformanceError, assert_conforms
from xentcheck.cli import main
from xentcheck.selection import SelectionError
from xentcheck.spec_of import NoSpecError
from xentcheck_adapters import Unavailable
from xentcheck_adapters.numpy_cross_entropy import cross_entropy

FEW: dict[str, Any] = {"clauses": "NUM-3,NUM-4", "dtypes": "float32"}
VALUES: dict[str, Any] = {"clauses": "VAL-1", "dtypes": "float32"}
HERE = Path(__file__)


def honest(logits: Any, labels: Any, *, reduction: str = "mean", grad_output: Any = None) -> Any:
    return cross_entropy(logits, labels, reduction=reduction, grad_output=grad_output)


def doubled(logits: Any, labels: Any, *, reduction: str = "mean", grad_output: Any = None) -> Any:
    loss, gradient = honest(logits, labels, reduction=reduction, grad_output=grad_output)
    return loss, 2 * gradient


def ignores_nothing(
    logits: Any,
    labels: Any,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    grad_output: Any = None,
    weight: Any = None,
    label_smoothing: float = 0.0,
) -> Any:
    """Right without an index to ignore."""
    counted = np.where(labels == ignore_index, 0, labels) if labels.ndim == 1 else labels
    options: dict[str, Any] = {"weight": weight, "label_smoothing": label_smoothing}
    return cross_entropy(logits, counted, reduction=reduction, grad_output=grad_output, **options)


def message_of(subject: Any, **options: Any) -> str:
    with pytest.raises(ConformanceError) as failure:
        assert_conforms(subject, **options)
    return str(failure.value)


def test_an_honest_function_passes_by_its_object_and_by_its_spec() -> None:
    assert_conforms(honest, **FEW)
    assert_conforms(f"numpy:{HERE}:honest", **FEW)


def test_a_failure_is_readable_and_can_be_replayed() -> None:
    told = message_of(doubled, **VALUES)
    lines = told.splitlines()
    assert lines[0].endswith(":doubled does not conform to VAL-1: loss and gradient match the float64 reference for"
                             " class-index labels")  # fmt: skip
    parts = {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in lines if "  " in line}
    assert any(line.startswith("logits = [[") for line in lines)
    assert parts["expected"].startswith("grad_logits[")
    assert parts["got"]
    replay = shlex.split(parts["replay"])
    assert replay[0] == "xentcheck"
    assert CliRunner().invoke(main, replay[1:]).exit_code == 1


def test_what_has_no_import_path_is_judged_in_process_only() -> None:
    pids = set()

    def local(logits: Any, labels: Any, *, reduction: str = "mean", grad_output: Any = None) -> Any:
        pids.add(os.getpid())
        return honest(logits, labels, reduction=reduction, grad_output=grad_output)

    nameless = lambda x, y, *, reduction="mean", grad_output=None: doubled(  # noqa: E731
        x, y, reduction=reduction, grad_output=grad_output
    )
    for function in (local, nameless):
        with pytest.raises(NoSpecError, match=r"no import path.*in_process=True"):
            assert_conforms(function, **FEW)
    assert_conforms(local, **FEW, in_process=True)
    assert pids == {os.getpid()}
    assert "once the function has an import path" in message_of(nameless, **VALUES, in_process=True)


def test_what_fails_in_process_is_replayed_in_a_worker() -> None:
    told = message_of(doubled, **VALUES, in_process=True)
    assert f"{HERE.name}:doubled 1e" in told.partition("replay ")[2]


def test_options_say_what_is_judged() -> None:
    for clauses in ("IGN-1,NUM-3", "VAL-8"):  # about one argument, and about all of them together
        judged: dict[str, Any] = {"clauses": clauses, "dtypes": "float32"}
        assert "ignore_index = " in message_of(ignores_nothing, **judged)
        assert_conforms(ignores_nothing, **judged, options={"weight", "label_smoothing"})
    with pytest.raises(
        ValueError, match="does not offer z_loss; its options are: weight, ignore_index, label_smoothing"
    ):
        assert_conforms(ignores_nothing, **VALUES, options={"z_loss", "weight"})


def test_a_pass_says_something_was_judged() -> None:
    with pytest.raises(ValueError, match="none of the clauses is about"):
        assert_conforms(honest, clauses="IGN-1", dtypes="float32")
    with pytest.raises(Unavailable, match="has no 'nowhere'"):
        assert_conforms(f"numpy:{HERE}:nowhere", **FEW)
    with pytest.raises(SelectionError, match="unknown clause 'NUM-99'"):
        assert_conforms(honest, clauses="NUM-99")


def test_a_flavour_that_cannot_be_seen_is_asked_for() -> None:
    def loss(logits: Any, labels: Any) -> Any:
        return logits

    with pytest.raises(NoSpecError, match=r"imports no framework; flavour= is one of numpy, "):
        assert_conforms(loss, in_process=True)


@pytest.mark.frameworks
def test_a_framework_is_told_by_the_object_or_by_what_its_code_names(tmp_path: Path) -> None:
    if missing := [name for name in ("torch", "jax") if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    script = tmp_path / "both.py"
    script.write_text(
        """
import jax
import torch
from torch.nn.functional import cross_entropy
from xentcheck.spec_of import NoSpecError, flavour_of, spec_of

class Loss(torch.nn.Module):
    pass

def by_name(input, target):
    return cross_entropy(input, target)

def of_jax(logits, labels):
    def inner(x):
        return jax.nn.log_softmax(x)
    return inner(logits)

def of_neither(logits, labels):
    return logits

assert [flavour_of(each) for each in (Loss, Loss(), by_name, torch.no_grad()(by_name))] == ["torch"] * 4
assert [flavour_of(each) for each in (of_jax, jax.jit(of_jax))] == ["jax"] * 2
renamed = jax.jit(of_jax)
assert [spec_of(each) for each in (Loss, renamed)] == ["torch:both.py:Loss", "jax:both.py:renamed"]
try:
    flavour_of(of_neither)
except NoSpecError as error:
    print(error)
""",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert "it may be any of jax, torch; flavour=" in done.stdout, done.stderr


def test_a_script_that_asserts_as_it_is_imported_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"{_source_of_honest()}\nfrom xentcheck import assert_conforms\n"
        "assert_conforms(honest, clauses='NUM-3', dtypes='float32')\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert 'put it under `if __name__ == "__main__":`' in done.stderr


def _source_of_honest() -> str:
    return (
        "from xentcheck_adapters.numpy_cross_entropy import cross_entropy\n"
        "def honest(logits, labels, *, reduction='mean', grad_output=None):\n"
        "    return cross_entropy(logits, labels, reduction=reduction, grad_output=grad_output)\n"
    )


def test_importing_xentcheck_costs_nothing() -> None:
    command = "import sys, xentcheck; print(sorted({'numpy', 'hypothesis', 'xentcheck.bench'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
