"""The cross-entropy that people write of NumPy when they need one, to be timed beside the frameworks. It returns 0 for
small losses, as those do; nobody is told to use it, so the suite does not judge it."""

from __future__ import annotations

import numpy as np

from xentcheck_adapters.call import Array
from xentcheck_adapters.subject import Subject
from xentcheck_adapters.workload import Repeat, Workload, repeated

NAME = "numpy.textbook"
SUBJECTS = (
    Subject(
        name=NAME,
        adapter=__name__,
        framework="numpy",
        api=f"{__name__}.loss_and_gradient",
        mode="eager",
        requires=("numpy", "ml_dtypes"),
        labels=("index", "dense"),
        precision={},
        timed=True,
    ),
)


def timed(subject: str, workload: Workload) -> Repeat:
    """The function with its arrays."""
    logits, labels = workload.arrays()
    function = loss_and_gradient if workload.gradient else loss
    return repeated(lambda: function(logits, labels))


def loss(logits: Array, labels: Array) -> Array:
    """Mean over the rows of log-sum-exp minus the label's logit. logits (N, C); labels (N,) or (N, C)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return _loss(shifted, np.log(np.exp(shifted).sum(axis=1)), labels)


def loss_and_gradient(logits: Array, labels: Array) -> tuple[Array, Array]:
    """The same, and its gradient to the logits: softmax minus the labels, divided by the rows."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    grad = np.exp(shifted)
    total = grad.sum(axis=1, keepdims=True)
    grad /= total
    if labels.ndim == 1:
        grad[np.arange(len(labels)), labels] -= 1
    else:
        grad -= labels
    grad /= len(labels)
    return _loss(shifted, np.log(total[:, 0]), labels), grad


def _loss(shifted: Array, log_total: Array, labels: Array) -> Array:
    if labels.ndim == 1:
        mean: Array = (log_total - shifted[np.arange(len(labels)), labels]).mean()
        return mean
    dense: Array = (log_total - (labels * shifted).sum(axis=1)).mean()  # of rows whose sum is 1
    return dense
