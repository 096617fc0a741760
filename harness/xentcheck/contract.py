"""The whole contract: the clauses that draw cases, and the panel that compares frameworks."""

from __future__ import annotations

from xentcheck.clauses import CLAUSES, Clause
from xentcheck.panel import CLAUSE as PANEL

_equivalence = {clause.id: clause for clause in CLAUSES.values() if clause.family == PANEL.family}
_others = {clause.id: clause for clause in CLAUSES.values() if clause.family != PANEL.family}

CONTRACT: dict[str, Clause] = {PANEL.id: PANEL, **_equivalence, **_others}
