"""A Case: a Call before its values are drawn, as named scalars that Hypothesis shrinks and a short token replays."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, dataclass, fields
from typing import Any

EDITS = ("-inf", "+inf", "nan", "tie", "subnormal", "huge")
SPECIAL_EDITS = frozenset({"+inf", "nan"})

_TOKEN_VERSION = "1"


@dataclass(frozen=True, order=True)
class Edit:
    """One logit replaced: row and column (modulo the shape) and what it becomes."""

    row: int
    column: int
    value: str


@dataclass(frozen=True)
class Explicit:
    """Values given instead of drawn: rows of logits, and labels as indices or as rows."""

    logits: tuple[tuple[float, ...], ...]
    labels: tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """What Hypothesis draws. `build.build_call` turns it into arrays; equal cases give equal arrays for ever.

    dtype        of the logits
    rows, classes
    regime       how logits are distributed (see `regimes.py`)
    seed         of the bulk values
    focus        where the outstanding class of a row sits: "anywhere", "first", "last", "edge" of a power-of-two block,
                 "sweep": row after row the first, the last and both sides of every power of two, on which the next
                 seed goes on
    labels       kind of labels: "index", or a kind of rows of `labels.py`
    label_dtype  of index labels
    bad_label, bad_row  a label outside [0, C), and the row (modulo N) that carries it
    malformed    what is wrong with the dtype or shape of the labels (see `malformed.py`)
    ignore_index, ignored   the ignore label, and which rows carry it: "none", "some", "all"
    poison       what all logits of ignored rows become: "nan", "+inf", "-inf"
    weighted, sample_weighted  whether class weights, and weights of the rows, are drawn
    weightless   whether all labels but the first row's have a class weight of 0
    upstream     kind of upstream gradient (see `build.py`)
    z_loss, softcap, activation  as in a Call
    vector       kind of vector whose product with the Hessian is wanted (see `build.py`)
    cell         the question that a policy asks with this case
    positions, class_axis, single   as in a Call; `rows` is batch x positions
    procedure    as in a Call
    edits        up to four logits replaced by special values
    """

    dtype: str = "float32"
    rows: int = 1
    classes: int = 2
    regime: str = "integers"
    seed: int = 0
    focus: str = "anywhere"
    labels: str = "index"
    label_dtype: str = "int64"
    bad_label: int | None = None
    bad_row: int = 0
    malformed: str | None = None
    ignore_index: int | None = None
    ignored: str = "none"
    poison: str | None = None
    weighted: bool = False
    sample_weighted: bool = False
    weightless: bool = False
    label_smoothing: float = 0.0
    reduction: str = "none"
    upstream: str = "ones"
    layout: str = "contiguous"
    z_loss: float = 0.0
    softcap: float | None = None
    activation: str | None = None
    vector: str = "none"
    cell: str = ""
    positions: tuple[int, ...] = ()
    class_axis: int = -1
    single: bool = False
    procedure: str = "reverse"
    edits: tuple[Edit, ...] = ()
    explicit: Explicit | None = None

    @property
    def token(self) -> str:
        """A short text that replays the case in any later version."""
        plain = {k: v for k, v in asdict(self).items() if v != _DEFAULTS[k]}
        packed = zlib.compress(json.dumps(plain, separators=(",", ":")).encode(), 9)
        return _TOKEN_VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")


_DEFAULTS = {field.name: field.default for field in fields(Case)}


def case_from_token(token: str) -> Case:
    """The case of a token; ValueError if it is not one."""
    try:
        if not token.startswith(_TOKEN_VERSION):
            raise ValueError(f"it starts with {token[:1]!r}, this version reads {_TOKEN_VERSION!r}")
        body = token[len(_TOKEN_VERSION) :]
        packed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        return case_from_fields(json.loads(zlib.decompress(packed)))
    except (ValueError, TypeError, LookupError, zlib.error) as error:
        raise ValueError(f"not a case token: {error}") from None


def case_from_fields(plain: dict[str, Any]) -> Case:
    """A case from JSON or TOML values; TypeError, ValueError or LookupError if they are not the fields of a case."""
    plain = dict(plain)
    if "positions" in plain:
        plain["positions"] = tuple(plain["positions"])
    if "edits" in plain:
        plain["edits"] = tuple(Edit(**edit) for edit in plain["edits"])
    if plain.get("explicit"):
        explicit = plain["explicit"]
        logits = tuple(tuple(float(value) for value in row) for row in explicit["logits"])
        labels = tuple(tuple(row) if isinstance(row, list) else row for row in explicit["labels"])
        plain |= {"explicit": Explicit(logits, labels), "rows": len(logits), "classes": len(logits[0])}
    return Case(**plain)
