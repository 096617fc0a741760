"""A Call: one evaluation of a softmax cross-entropy, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

REDUCTIONS = ("none", "sum", "mean")
CALL_ARRAYS = ("logits", "labels", "weight", "sample_weight", "upstream", "vector")  # the last four are optional
WEIGHTED_MEAN = "weighted-mean"
ACTIVATIONS = ("softmax", "sigmoid", "softmax, then times 1")


@dataclass(frozen=True)
class Call:
    """What a subject is asked to evaluate. N rows, C classes, class axis last: so the harness makes it. An adapter gets
    it as `presentation.py` presents it, with logits, labels, upstream gradient and vector in the dimensions asked for.

    logits        (N, C) in the subject's dtype; probabilities where the subject takes probabilities
    labels        (N,) class indices, or (N, C) soft or multi-hot labels
    weight        (C,) class weights
    ignore_index  rows with this label do not count
    sample_weight (N,) multiplies each row's loss
    reduction     "none": loss (N,); "sum" and "mean": loss (); "weighted-mean": the mean that divides by the sum of the
                  sample weights of the rows that count, for subjects that have it beside another one
    upstream      upstream gradient of the returned loss, same shape as the loss; None means ones
    want_grad_labels  also return the gradient with respect to dense labels
    z_loss        zeta >= 0: each row's loss gains zeta times its squared log-sum-exp
    softcap       c > 0: c tanh(logits / c) stands for the logits; the gradient stays that to `logits`
    activation    the framework's own function that makes probabilities of the logits for a loss that takes those (one
                  of ACTIVATIONS); the gradient stays that to `logits`
    vector        (N, C) wants the Hessian-vector product too: the derivative of the gradient to the logits along it
    procedure     how the framework is asked for derivatives; see `procedures.py`
    layout        memory layout in which the subject receives its arrays (see `layout.py`)
    reused        before the answer is read, its arrays are filled with other values and evaluated again
    positions     (P, Q, ...): the rows are N / (P Q ...) times P times Q ..., logits (batch, P, Q, ..., C)
    class_axis    where the subject finds the classes in that array
    single        the only row comes alone: logits (C,), label ()
    """

    logits: Array
    labels: Array
    weight: Array | None = None
    sample_weight: Array | None = None
    ignore_index: int | None = None
    label_smoothing: float = 0.0
    reduction: str = "none"
    upstream: Array | None = None
    want_grad_labels: bool = False
    layout: str = "contiguous"
    reused: bool = False
    z_loss: float = 0.0
    softcap: float | None = None
    activation: str | None = None
    vector: Array | None = None
    positions: tuple[int, ...] = ()
    class_axis: int = -1
    single: bool = False
    procedure: str = "reverse"

    @property
    def has_dense_labels(self) -> bool:
        """Whether the labels are rows over the classes rather than class indices."""
        return self.labels.ndim == self.logits.ndim

    @property
    def arrays(self) -> dict[str, Array]:
        """The arrays that the call has, by the names of their fields."""
        return {name: getattr(self, name) for name in CALL_ARRAYS if getattr(self, name) is not None}

    def cotangent(self) -> Array:
        """The upstream gradient, with ones made explicit."""
        if self.upstream is not None:
            return self.upstream
        shape = self.logits.shape[:1] if self.reduction == "none" else ()
        return np.ones(shape, self.logits.dtype)
