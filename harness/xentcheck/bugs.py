"""Bugs of shipped cross-entropies, kept in `bugs.toml` beside the faults that re-create them.

[CE-024]
repository = "NVIDIA/TransformerEngine"
url = "https://github.com/NVIDIA/TransformerEngine/pull/2476"
year = 2025
trigger = "a mean, and some labels are ignored"
wrong = "divided by all rows"
right = "divided by those that count"
outside = "why no fault re-creates it, if none does"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from xentcheck.validation import first_problem

_PACKAGE = "xentcheck_faults"


class BugError(ValueError):
    """A table of the list that cannot be read; names the bug and the cause."""


class Bug(BaseModel):
    """
    id          by which faults and cases name it
    repository  owner/name, where the code is
    url         the issue, pull request or commit that tells of it
    year        in which it was reported
    trigger     what shows it
    wrong       what came
    right       what should have come
    outside     why no fault re-creates it; None if one does
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    repository: str
    url: str
    year: int
    trigger: str
    wrong: str
    right: str
    outside: str | None = None

    @property
    def name(self) -> str:
        """As people refer to it: PaddlePaddle/Paddle #17961, or a commit."""
        place = self.url.rstrip("/").rpartition("/")[2]
        return f"{self.repository} {'#' if place.isdecimal() else ''}{place}"


@cache
def load_bugs() -> Mapping[str, Bug]:
    """Every known bug by its id, as installed with the faults. Raises BugError."""
    return parse_bugs((files(_PACKAGE) / "bugs.toml").read_text(encoding="utf-8"))


def parse_bugs(text: str) -> Mapping[str, Bug]:
    """The bugs of a TOML text by id. Raises BugError."""
    return {name: _bug(name, table) for name, table in tomllib.loads(text).items()}


def _bug(name: str, table: dict[str, Any]) -> Bug:
    try:
        return Bug(id=name, **table)
    except ValidationError as error:
        raise BugError(f"bug {name}: {first_problem(error)}") from None
