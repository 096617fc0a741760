"""Declared choices: what each subject answers where the contract leaves it free, as TOML beside its adapter.

    [[choice]]
    policy = "LAB-2"
    cells = ["-1", "past the end*"]     # the policy's questions, as patterns
    subjects = ["torch.eager"]
    dtypes = ["float32"]                # all of them if absent
    versions = { torch = ">=2.6" }
    answer = "refuses"                  # what a run must measure
    promise = "refuses"                 # what the document says, if one says anything
    link = "https://…"                  # that document, or where the question was discussed
    note = "…"

The first entry that fits counts; where none does, the answer is the usual one. A run that measures anything else fails:
whoever relies on the answer must hear of it. What documents call undefined behaviour is declared as `answer` and
`promise` "undefined", and is not asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from packaging.specifiers import SpecifierSet
from pydantic import BaseModel, ConfigDict, model_validator

from xentcheck.validation import entries_of
from xentcheck_reports import Choice, Standing

UNDEFINED = "undefined"


class Declared(BaseModel):
    """One entry (see the module's text)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: str
    cells: tuple[str, ...]
    subjects: tuple[str, ...]
    dtypes: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    answer: str
    promise: str | None = None
    link: str | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _a_promise_has_a_document(self) -> Declared:
        if self.promise and not self.link:
            raise ValueError(f"promise {self.promise!r} needs the link of the document that makes it")
        if self.answer == UNDEFINED != self.promise:
            raise ValueError(f"answer {UNDEFINED!r} is for what a document leaves so: expected the same promise")
        return self

    def speaks_of(self, policy: str, cell: str, subject: str, dtype: str, versions: Mapping[str, str]) -> bool:
        """Whether the entry is about this question, subject, dtype and installed version."""
        return (
            policy == self.policy
            and any(fnmatchcase(cell, pattern) for pattern in self.cells)
            and any(fnmatchcase(subject, pattern) for pattern in self.subjects)
            and (not self.dtypes or dtype in self.dtypes)
            and all(
                SpecifierSet(spec).contains(versions.get(p, "0"), prereleases=True) for p, spec in self.versions.items()
            )
        )


@dataclass(frozen=True)
class Choices:
    """All declared choices, in the order of their files."""

    entries: tuple[Declared, ...] = ()

    def of(self, policy: str, cell: str, subject: str, dtype: str, versions: Mapping[str, str]) -> Declared | None:
        """What a subject declares for a question."""
        asked = (policy, cell, subject, dtype, versions)
        return next((entry for entry in self.entries if entry.speaks_of(*asked)), None)


def measured_choice(cell: str, answer: str, usual: str, declared: Declared | None, token: str) -> Choice:
    """An answer as a record carries it, with what it is worth."""
    promise = declared.promise if declared else None
    if promise and promise != answer:
        standing = Standing.CONTRADICTS
    elif answer == usual:
        standing = Standing.EQUAL
    else:
        standing = Standing.DOCUMENTED if promise else Standing.UNDOCUMENTED
    link, note = (declared.link, declared.note) if declared else (None, None)
    return Choice(
        cell=cell, answer=answer, usual=usual, standing=standing, promise=promise, link=link, note=note, token=token
    )


def parse_choices(name: str, text: str) -> tuple[Declared, ...]:
    """The entries of one file of choices. Raises LedgerError."""
    return entries_of(name, text, "choice", Declared)
