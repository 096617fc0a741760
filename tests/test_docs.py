"""Pages that are generated say what their data say."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_accuracy_page_is_what_its_figures_render_to() -> None:
    page = runpy.run_path(str(DOCS / "accuracy.py"))
    assert page["render"]() == (DOCS / "accuracy.md").read_text(encoding="utf-8"), "run: python docs/accuracy.py"


def test_the_contract_and_the_choices_are_what_their_data_render_to() -> None:
    for name, text in runpy.run_path(str(DOCS / "contract.py"))["pages"]().items():
        assert text == (DOCS / name).read_text(encoding="utf-8"), f"{name}: run python docs/contract.py"


def test_what_changes_with_a_port_is_what_choices_and_ledgers_render_to() -> None:
    page = runpy.run_path(str(DOCS / "porting.py"))
    assert page["render"]() == (DOCS / "porting.md").read_text(encoding="utf-8"), "run: python docs/porting.py"


def test_the_findings_are_what_the_ledgers_and_their_figures_render_to() -> None:
    page = runpy.run_path(str(DOCS / "findings.py"))
    assert page["render"]() == (DOCS / "findings.md").read_text(encoding="utf-8"), "run: python docs/findings.py"


def test_the_verdicts_on_claims_are_borne_out_and_on_their_page() -> None:
    page = runpy.run_path(str(DOCS / "claims.py"))
    assert page["render"]() == (DOCS / "claims.md").read_text(encoding="utf-8"), "run: python docs/claims.py"


def test_the_speeds_are_what_their_figures_render_to() -> None:
    page = runpy.run_path(str(DOCS / "speed.py"))
    assert page["render"]() == (DOCS / "speed.md").read_text(encoding="utf-8"), "run: python docs/speed.py"


def test_the_kills_are_what_their_figures_render_to() -> None:
    page = runpy.run_path(str(DOCS / "kills.py"))
    assert page["render"]() == (DOCS / "kills.md").read_text(encoding="utf-8"), "run: python docs/kills.py"
