"""What the probe has to see of a function that nobody described: each differs from an honest one in one thing."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from xentcheck_adapters.numpy_cross_entropy import cross_entropy

Array = np.ndarray[Any, Any]
Answer = tuple[Array, Array]

honest = cross_entropy


def indices_only(logits: Array, labels: Array, *, reduction: str, grad_output: Array | None = None) -> Answer:
    if labels.ndim == 2:
        raise TypeError("labels must be class indices")
    return cross_entropy(logits, labels, reduction=reduction, grad_output=grad_output)


def smoothing_unused(
    logits: Array,
    labels: Array,
    *,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    grad_output: Array | None = None,
) -> Answer:
    return cross_entropy(logits, labels, reduction=reduction, grad_output=grad_output)


def upstream_unused(logits: Array, labels: Array, **options: Any) -> Answer:
    return cross_entropy(logits, labels, **{**options, "grad_output": None})


def sum_for_mean(logits: Array, labels: Array, **options: Any) -> Answer:
    reduction = "sum" if options["reduction"] == "mean" else options["reduction"]
    return cross_entropy(logits, labels, **{**options, "reduction": reduction})


def dies_of_weights(logits: Array, labels: Array, **options: Any) -> Answer:
    if options["weight"] is not None:
        os.abort()
    return cross_entropy(logits, labels, **options)


def refuses_softcap(logits: Array, labels: Array, **options: Any) -> Answer:
    if options["softcap"] is not None:
        raise NotImplementedError("softcap\nis for later")
    return cross_entropy(logits, labels, **options)


def hangs(logits: Array, labels: Array, **options: Any) -> Answer:
    time.sleep(600)
    return honest(logits, labels, **options)


def dies_of_everything(logits: Array, labels: Array, **options: Any) -> Answer:
    os.abort()
