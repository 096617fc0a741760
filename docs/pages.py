"""What the pages of this folder are written by: their templates, which lie beside them."""

from __future__ import annotations

from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined


def environment() -> Environment:
    """The templates of this folder and of the harness. The filter `cell` is for what stands in a table."""
    made = Environment(
        loader=ChoiceLoader([FileSystemLoader(Path(__file__).parent), PackageLoader("xentcheck")]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("*", "\\*").replace("\n", " ")
    return made
