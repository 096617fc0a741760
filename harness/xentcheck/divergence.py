"""Known divergences: documented exceptions, kept as TOML beside the adapter they belong to.

    [[divergence]]
    clause = "SOFT-2"                               # where the example must show it
    also = ["DET-*"]                                # other clauses it may show in
    subjects = ["tf.dense.*"]
    versions = { tensorflow = ">=2.20" }
    what = ["grad_logits"]                          # which results may deviate; any if absent
    when = { labels = ["double", "zero"] }          # facts of the case: a value, a list of values, or { min, max }
    rules = { gradient_rule = "assume_normalised" } # optional: with this claim in the oracle the clause must hold
    link = "https://…"
    reason = "…"
    example = { dtype = "float32", labels = "double", classes = 3 }   # fields of a Case; must still diverge
    finding = { id = "…", … }                       # optional: it is a defect, proven by a script (see findings.py)

Strict in both directions: a deviation that no entry predicts fails, and so does an example that no longer deviates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod
from typing import Any

import numpy as np
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import BaseModel, ConfigDict, field_validator

from xentcheck.cases import Case, case_from_fields
from xentcheck.findings import Finding
from xentcheck.validation import entries_of
from xentcheck.verdict import Deviation


class Divergence(BaseModel):
    """One entry of a ledger (see the module's text)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clause: str
    also: tuple[str, ...] = ()
    subjects: tuple[str, ...]
    dtypes: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    what: tuple[str, ...] = ()
    when: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    link: str
    reason: str
    example: dict[str, Any]
    finding: Finding | None = None

    @field_validator("versions")
    @classmethod
    def _specifiers(cls, versions: dict[str, str]) -> dict[str, str]:
        for package, specifier in versions.items():
            try:
                SpecifierSet(specifier)
            except InvalidSpecifier:
                raise ValueError(
                    f"version of {package}: got {specifier!r}, expected a specifier like '>=2.20'"
                ) from None
        return versions

    @field_validator("when")
    @classmethod
    def _of_facts(cls, when: dict[str, Any]) -> dict[str, Any]:
        known = facts(Case())
        if unknown := sorted(set(when) - set(known)):
            raise ValueError(f"no fact {unknown}; facts are {sorted(known)}")
        return when

    @field_validator("example")
    @classmethod
    def _is_a_case(cls, example: dict[str, Any]) -> dict[str, Any]:
        try:
            case_from_fields(example)
        except (TypeError, LookupError) as error:
            raise ValueError(f"example is not a case: {error!r}") from None
        return example

    def concerns(self, clause: str, subject: str, dtype: str, versions: Mapping[str, str]) -> bool:
        """Whether the entry speaks of this clause, subject, dtype and installed version."""
        return (
            any(fnmatchcase(clause, pattern) for pattern in (self.clause, *self.also))
            and any(fnmatchcase(subject, pattern) for pattern in self.subjects)
            and (not self.dtypes or dtype in self.dtypes)
            and all(
                SpecifierSet(spec).contains(versions.get(p, "0"), prereleases=True) for p, spec in self.versions.items()
            )
        )

    def predicts(self, case: Case, deviation: Deviation) -> bool:
        """Whether the entry's predicate covers this deviation of this case."""
        return (not self.what or deviation.what in self.what) and self.covers(case)

    def covers(self, case: Case) -> bool:
        """Whether the predicate holds for the case, whatever the subject makes of it."""
        known = facts(case)
        return all(_meets(known[fact], wanted) for fact, wanted in self.when.items())

    def example_case(self, dtype: str) -> Case:
        """The explicit example, in the dtype under test unless it names its own."""
        return case_from_fields({"dtype": dtype, **self.example})


def facts(case: Case) -> dict[str, Any]:
    """What a predicate may speak of: the case's fields, and what follows from them."""
    return {
        **vars(case),
        "dimensions": 1 if case.single else 2 + len(case.positions),
        "last_axis": _length_of_last_axis(case),
        "edits": [edit.value for edit in case.edits],
        "has_upstream": case.upstream != "ones",
        "bad_label_is": _bad_label_kind(case),
        "ignore_is": _ignore_kind(case),
        "has_infinite_logits": _has_infinite_logits(case),
    }


def _has_infinite_logits(case: Case) -> bool:
    if case.explicit and np.isinf(case.explicit.logits.array).any():
        return True
    return case.regime in ("masked", "tiled") or any("inf" in edit.value for edit in case.edits)


def _length_of_last_axis(case: Case) -> int:
    """Of the logits as the subject gets them."""
    shape = [case.rows // prod(case.positions), *case.positions] if not case.single else []
    shape.insert(case.class_axis % (len(shape) + 1), case.classes)
    return shape[-1]


def _bad_label_kind(case: Case) -> str:
    label = case.bad_label
    if label is None:
        return "none"
    if label < 0:
        return "wraps" if label >= -case.classes else "negative"
    return "past the end" if label < 2**31 else "beyond int32"


def _ignore_kind(case: Case) -> str:
    if case.ignore_index is None:
        return "none"
    return "inside" if 0 <= case.ignore_index < case.classes else "outside"


def _meets(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return value is not None and wanted.get("min", value) <= value <= wanted.get("max", value)
    choices = wanted if isinstance(wanted, list) else [wanted]
    return any(item in choices for item in value) if isinstance(value, list) else value in choices


@dataclass(frozen=True)
class Ledger:
    """All known divergences."""

    entries: tuple[Divergence, ...]

    def concerning(self, clause: str, subject: str, dtype: str, versions: Mapping[str, str]) -> Sequence[Divergence]:
        """The entries that speak of a clause and target."""
        return [entry for entry in self.entries if entry.concerns(clause, subject, dtype, versions)]


def parse_ledger(name: str, text: str) -> tuple[Divergence, ...]:
    """The entries of one ledger file. Raises LedgerError."""
    return entries_of(name, text, "divergence", Divergence)
