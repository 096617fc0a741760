"""The whole contract: the clauses that look at one subject, and the panel that compares frameworks."""

from __future__ import annotations

from xentcheck.clauses import CLAUSES, Clause
from xentcheck.panel import CLAUSE as PANEL

CONTRACT: dict[str, Clause] = {PANEL.id: PANEL, **CLAUSES}
