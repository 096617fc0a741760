"""A Case: a Call before its values are drawn, as named scalars that Hypothesis shrinks and a short token replays."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import asdict, dataclass, fields
from typing import Any

from numpy.typing import ArrayLike

from xentcheck.values import Values

EDITS = ("-inf", "+inf", "nan", "tie", "subnormal", "huge")

_TOKEN_VERSION = "1"
# What is named by its digest is too large to be written out; see `Case.token`.
_TOO_LARGE = "0"
_MOST_IN_TOKEN = 1 << 17
_LONGEST_TOKEN = 4096


@dataclass(frozen=True, order=True)
class Edit:
    """One logit replaced: row and column (modulo the shape) and what it becomes."""

    row: int
    column: int
    value: str


@dataclass(frozen=True)
class Explicit:
    """Values given instead of drawn: logits (N, C), and labels as indices (N,) or as rows (N, C). The others, of the
    shapes that a Call has, may be absent: then they are as the fields of the case say."""

    logits: Values
    labels: Values
    weight: Values | None = None
    sample_weight: Values | None = None
    upstream: Values | None = None
    vector: Values | None = None

    @classmethod
    def of(cls, logits: ArrayLike, labels: ArrayLike, **others: ArrayLike) -> Explicit:
        """From arrays or nested sequences. TypeError if they are no numbers, or for an unknown name; ValueError if
        logits or labels have another number of dimensions."""
        given = cls(Values.of(logits), Values.of(labels), **{name: Values.of(array) for name, array in others.items()})
        if len(given.logits.shape) != 2 or len(given.labels.shape) not in (1, 2):
            raise ValueError(f"explicit values: got logits {given.logits.shape} and labels {given.labels.shape}")
        return given

    @property
    def arrays(self) -> dict[str, Values]:
        """What is given, by name."""
        return {name: values for name, values in vars(self).items() if values is not None}


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
    explicit     values that stand in the place of drawn ones
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
        """A short text that replays the case in any later version. Of more than 2**17 explicit values it is a digest,
        which replays nothing: such a case is kept in a file (see `stored.py`)."""
        document = self.document().encode()
        if self.explicit and self.explicit.logits.size > _MOST_IN_TOKEN:
            digest = hashlib.sha256(document + b"".join(values.data for values in self.explicit.arrays.values()))
            return _TOO_LARGE + digest.hexdigest()[:16]
        packed = zlib.compress(document, 9)
        return _TOKEN_VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @property
    def fits_a_token(self) -> bool:
        """Whether the token replays the case and is no longer than a person can paste."""
        token = self.token
        return token.startswith(_TOKEN_VERSION) and len(token) <= _LONGEST_TOKEN

    def document(self) -> str:
        """The fields that are not at their defaults, as JSON; without explicit values past what a token holds."""
        plain = {k: v for k, v in vars(self).items() if v != _DEFAULTS[k]}
        if self.edits:
            plain["edits"] = [asdict(edit) for edit in self.edits]
        if self.explicit:
            small = self.explicit.logits.size <= _MOST_IN_TOKEN
            plain["explicit"] = {name: values.plain for name, values in self.explicit.arrays.items() if small}
        return json.dumps(plain, separators=(",", ":"))


_DEFAULTS = {field.name: field.default for field in fields(Case)}


def case_from_token(token: str) -> Case:
    """The case of a token; ValueError if it is not one."""
    try:
        if token.startswith(_TOO_LARGE):
            raise ValueError("it only names values that are too many for a token; replay the file that holds them")
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
        explicit = Explicit.of(**plain["explicit"])
        rows, classes = explicit.logits.shape
        plain |= {"explicit": explicit, "rows": rows, "classes": classes}
    return Case(**plain)
