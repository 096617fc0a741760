"""What came back from a subject. All five kinds are results; none is an accident."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from xentcheck_adapters.call import Array


@dataclass(frozen=True)
class Returned:
    """The subject answered: arrays in the dtypes it chose, the names of inputs it wrote to, and what memory its results
    share with an input, with each other or within themselves. `grad_logits` is None where the subject is not
    differentiable.

    hvp      (N, C) derivative of grad_logits along the call's vector
    mixed    (N, C) derivative to dense labels of <grad_logits, vector>
    tangent  shape of the loss: its derivative along the vector, without the upstream gradient
    """

    loss: Array
    grad_logits: Array | None = None
    grad_labels: Array | None = None
    hvp: Array | None = None
    mixed: Array | None = None
    tangent: Array | None = None
    mutated: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    @property
    def results(self) -> dict[str, Array]:
        """The loss, and the gradient to the logits where there is one, by name."""
        return {"loss": self.loss, **({} if self.grad_logits is None else {"grad_logits": self.grad_logits})}

    def rows(self, keep: Array) -> Returned:
        """Loss and gradient of the rows named by a mask (N,)."""
        return Returned(self.loss[keep], None if self.grad_logits is None else self.grad_logits[keep])


@dataclass(frozen=True)
class Refused:
    """The subject raised an exception of its own."""

    error: str
    message: str


@dataclass(frozen=True)
class Crashed:
    """The subject's process died: the signal or exit status, and the stack text it left."""

    cause: str
    stack: str


@dataclass(frozen=True)
class TimedOut:
    """The subject did not answer within `seconds` and was stopped; the stack says where it hung."""

    seconds: float
    stack: str


@dataclass(frozen=True)
class OutOfMemory:
    """The subject passed its memory cap."""

    message: str


Outcome = Union[Returned, Refused, Crashed, TimedOut, OutOfMemory]


class Unavailable(Exception):
    """An adapter cannot be opened here: the framework is missing, broken, or has no such device."""


class NotInVersion(Unavailable):
    """The installed version of the framework does not have the API."""
