"""Messages between the harness and a worker: a JSON header over a pipe, array bytes in a slab. No pickle: a value
that only one framework can unpickle must not be able to break the other side."""

from __future__ import annotations

import json
from typing import Any

from xentcheck_adapters.call import CALL_ARRAYS, Array, Call
from xentcheck_adapters.outcome import Crashed, Outcome, OutOfMemory, Refused, Returned, TimedOut
from xentcheck_adapters.slab import Slab

_CALL_SCALARS = (
    *("ignore_index", "label_smoothing", "reduction", "want_grad_labels", "layout", "reused", "z_loss", "softcap"),
    *("positions", "class_axis", "single", "procedure", "activation"),
)
OUTCOME_ARRAYS = ("loss", "grad_logits", "grad_labels", "hvp", "mixed", "tangent")
_OTHER_OUTCOMES = {kind.__name__: kind for kind in (Refused, Crashed, TimedOut, OutOfMemory)}

Header = dict[str, Any]


def encode(header: Header) -> bytes:
    """Bytes of a header."""
    return json.dumps(header).encode()


def decode(message: bytes) -> Header:
    """The header in a message; ValueError if it is not a JSON object."""
    header = json.loads(message)
    if not isinstance(header, dict):
        raise ValueError(f"a message must be a JSON object, got {type(header).__name__}")
    return header


def _pack(slab: Slab, source: object, names: tuple[str, ...]) -> Header:
    arrays: dict[str, Array] = {n: getattr(source, n) for n in names if getattr(source, n) is not None}
    return dict(zip(arrays, slab.write(arrays.values())))


def _unpack(slab: Slab, metas: Header) -> dict[str, Array]:
    return dict(zip(metas, slab.read(metas.values())))


def pack_call(slab: Slab, call: Call) -> Header:
    """Put a call's arrays into the slab and describe it."""
    return {"arrays": _pack(slab, call, CALL_ARRAYS), **{name: getattr(call, name) for name in _CALL_SCALARS}}


def unpack_call(slab: Slab, header: Header) -> Call:
    """The call a header describes; its arrays are read-only views of the slab."""
    fields: dict[str, Any] = {**_unpack(slab, header["arrays"]), **{name: header[name] for name in _CALL_SCALARS}}
    return Call(**{**fields, "positions": tuple(fields["positions"])})  # JSON has lists only


def pack_outcome(slab: Slab, outcome: Outcome) -> Header:
    """Put an outcome's arrays into the slab and describe it."""
    if isinstance(outcome, Returned):
        remarks = {"mutated": list(outcome.mutated), "shared": list(outcome.shared)}
        return {"kind": "Returned", "arrays": _pack(slab, outcome, OUTCOME_ARRAYS), **remarks}
    return {"kind": type(outcome).__name__, **vars(outcome)}


def unpack_outcome(slab: Slab, header: Header) -> Outcome:
    """The outcome a header describes, with private copies of its arrays."""
    fields = dict(header)
    kind = fields.pop("kind")
    if kind == "Returned":
        arrays = {name: array.copy() for name, array in _unpack(slab, fields["arrays"]).items()}
        return Returned(**arrays, mutated=tuple(fields["mutated"]), shared=tuple(fields["shared"]))
    outcome: Outcome = _OTHER_OUTCOMES[kind](**fields)
    return outcome
