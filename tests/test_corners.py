"""Corners: what frameworks do where no clause reaches is shown by a script, and on its page."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

PAGE = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "corners.py"))
CORNERS = PAGE["all_corners"]()
BY_ID = pytest.mark.parametrize("corner", CORNERS, ids=[corner.id for corner in CORNERS])
FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "optax"}


def test_the_page_is_what_its_figures_render_to() -> None:
    assert PAGE["render"]() == PAGE["PAGE"].read_text(encoding="utf-8"), "run: python docs/corners.py"


@BY_ID
def test_a_script_imports_frameworks_and_numpy_only_and_says_its_backends(corner: Any) -> None:
    assert set(corner.packages) - FRAMEWORKS <= {"numpy", "math", "os", "warnings"}
    assert bool(corner.backends) == ("keras" in corner.packages)


@pytest.mark.slow
@pytest.mark.frameworks
@BY_ID
def test_it_is_still_so(corner: Any) -> None:
    for package in corner.packages:
        pytest.importorskip(package)
    assert {run.ended for run in PAGE["runs_of"](corner).values()} == {corner.ended}
