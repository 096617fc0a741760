"""The whole contract: the clauses that draw cases, and the panel that compares frameworks."""

from __future__ import annotations

from xentcheck.clauses import CLAUSES, Clause
from xentcheck.panel import CLAUSE as PANEL

CONTRACT: dict[str, Clause] = {**CLAUSES, PANEL.id: PANEL}
