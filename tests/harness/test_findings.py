"""Findings: told once, proven by a script, and no other failure is taken for the defect."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from xentcheck.findings import Finding, run_script
from xentcheck.scripts import shows_the_defect

PAGE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "findings.py"))
FINDINGS = PAGE["all_findings"]()
FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "optax"}
FRAMEWORKS |= {"autograd", "mlx", "onnx", "onnxruntime", "tinygrad", "liger_kernel"}
WHOLE = {"id": "a-defect", "title": "it is wrong", "promise": "mathematics", "script": "assert False"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": "A defect"}, "id"),
        ({"title": ""}, "title, promise and script belong together"),
        ({"script": "\n".join(["x = 1"] * 16)}, "more than 15 lines"),
        ({"scripts": ""}, "not permitted"),
    ],
)
def test_a_finding_that_is_not_whole_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Finding.model_validate(WHOLE | changes)


def test_a_finding_told_elsewhere_is_its_id() -> None:
    assert not Finding(id="a-defect").is_told


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("print(1)\nassert False, 'as expected'", True),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGABRT)", True),
        ("assert True", False),
        ("import no_such_framework", False),
        ("def inside():\n    assert False\ninside()", False),
        ("assert False\nprint(1)", False),
    ],
)
def test_only_the_last_line_or_a_signal_shows_a_defect(script: str, shown: bool) -> None:
    assert shows_the_defect(run_script(Finding.model_validate(WHOLE | {"script": script})).ended) is shown


@pytest.mark.parametrize("one", FINDINGS, ids=[one.finding.id for one in FINDINGS])
def test_a_script_imports_frameworks_and_numpy_only(one: Any) -> None:
    assert set(one.finding.packages) <= FRAMEWORKS | {"numpy", "os"}  # where the environment must say something first
    assert bool(one.finding.backends) == ("keras" in one.finding.packages)


@pytest.mark.parametrize("one", FINDINGS, ids=[one.finding.id for one in FINDINGS])
def test_a_finding_says_where_and_where_it_is_written(one: Any) -> None:
    assert one.where
    assert all(link.startswith("https://") for link in [*one.links, one.finding.thread or "https://"])


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("one", FINDINGS, ids=[one.finding.id for one in FINDINGS])
def test_the_defect_is_still_there(one: Any) -> None:
    for package in one.finding.packages:
        pytest.importorskip(package)
    for backend in one.finding.backends or ("",):
        run = run_script(one.finding, backend)
        assert shows_the_defect(run.ended), f"mended? {backend} {run}"
