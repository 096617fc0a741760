"""The procedures: ways in which a framework can be asked for the same derivatives, and what each returns.

All but "reverse" are an adapter's to offer (`Subject.procedures`). What is named first answers as "reverse" does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from xentcheck_adapters.call import Array, Call
from xentcheck_adapters.outcome import Returned

LOSS_ALONE = "loss alone"
PROCEDURES = {
    "reverse": "one forward and one backward pass; with a vector, a backward pass through the gradient",
    "twice": "two backward passes through one forward pass; the second gradient",
    "no-grad": "the loss of a forward pass that records nothing; the gradient of one that does",
    "inference mode": "the loss of a forward pass of whose tensors none can ever be recorded; the gradient as above",
    "constant logits": "the loss of logits that ask for no gradient; the gradient of ones that do",
    "strided upstream": "the upstream gradient is every second element of a larger array",
    "expanded upstream": "the upstream gradient is the first row's, with stride 0",
    "overwritten logits": "the logits are set to zero between the forward and the backward pass",
    "overwritten labels": "the labels are set to zero between the forward and the backward pass",
    "behind relu": "the logits, all above zero, are the output of relu, whose own gradient is read off that output",
    "overwritten loss": "the loss is set to zero between the forward and the backward pass",
    "interleaved": "another forward pass, on the same rows in reverse order, between the forward and the backward pass",
    "freed": "the second of two backward passes, the first of which has freed what the forward pass saved",
    "per-sample": "the gradient function of one row, mapped over the rows",
    "accumulated": "the sum that two forward and backward passes leave",
    "jvp": "forward mode; the loss and its tangent along the vector",
    "two backward passes": "a backward pass from the vector through the gradient to the upstream gradient: the tangent",
    "forward-over-reverse": "forward mode through the gradient along the vector; the product alone is new",
    "reverse-over-reverse": "a backward pass through the gradient, from the vector; the product alone is new",
    "hessian": "the whole Hessian (N, C, N, C) of <upstream, loss>, multiplied with the vector",
    "fixed shapes": "as reverse, by a program that is compiled for the shapes of this call alone",
    "mixed": "a backward pass from the vector through the gradient to the labels",
    "compiled": "the framework compiles the function: torch.compile, without the code generator; jax.jit",
    "autocast": "the forward pass under torch.autocast",
    LOSS_ALONE: "one forward pass; no gradient. The probe of what nobody described asks so",
}


class Ask(NamedTuple):
    """What a step is asked for beside its arrays; a framework that traces the step does so once for each."""

    grad_labels: bool
    procedure: str

    @staticmethod
    def of(call: Call) -> Ask:
        """What a call asks for."""
        return Ask(call.want_grad_labels, call.procedure)


def returned(results: Mapping[str, Any], call: Call) -> Returned:
    """A step's results as NumPy arrays; a Hessian becomes its product with the call's vector."""
    arrays: dict[str, Any] = {name: np.asarray(result) for name, result in results.items()}
    if "hessian" in arrays:
        assert call.vector is not None
        arrays["hvp"] = contracted(arrays.pop("hessian"), call.vector)
    return Returned(**arrays)


def contracted(hessian: Array, vector: Array) -> Array:
    """(N, C) product of a Hessian (N, C, N, C) with a vector (N, C), exact but for roundings of float64."""
    return np.tensordot(hessian.astype(np.float64), vector.astype(np.float64), axes=2).astype(hessian.dtype)
