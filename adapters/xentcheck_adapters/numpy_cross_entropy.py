"""A plain NumPy softmax cross-entropy: the subject that is always there. Written as a person would write it, in
float32 (float64 for float64 inputs); it is judged like every other subject and is no oracle."""

from __future__ import annotations

import numpy as np

from xentcheck_adapters.call import Array


def cross_entropy(
    logits: Array,
    labels: Array,
    *,
    weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    grad_output: Array | None = None,
) -> tuple[Array, Array]:
    """Loss and its gradient with respect to the logits.

    logits (N, C); labels (N,) integer classes or (N, C) soft labels; weight (C,); grad_output of the loss' shape.
    Index labels average over Σ weight[label] of the kept rows, soft labels over N. Raises IndexError for a label
    outside [0, C) that is not `ignore_index`, TypeError for labels of a wrong dtype, ValueError for a wrong shape.
    """
    rows, classes = logits.shape
    wide = np.float64 if logits.dtype == np.float64 else np.float32
    target, kept = _targets(labels, rows, classes, ignore_index, wide)
    weights = np.ones(classes, wide) if weight is None else weight.astype(wide)
    denominator = rows if labels.ndim == 2 else (target @ weights).sum()
    target = weights * ((1 - wide(label_smoothing)) * target + wide(label_smoothing) / classes) * kept[:, None]

    with np.errstate(all="ignore"):  # masked classes, overflow and 0/0 are part of the contract
        x = np.where(kept[:, None], logits.astype(wide), 0)
        shifted = x - x.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        total = exponentials.sum(axis=1, keepdims=True)
        log_softmax = shifted - np.log(total)
        loss = -np.where(target == 0, 0, target * log_softmax).sum(axis=1)
        scale = np.ones((), wide) if grad_output is None else grad_output.astype(wide)
        if reduction == "mean":
            loss, scale = loss.sum() / denominator, scale / np.where(denominator == 0, 1, denominator)
        elif reduction == "sum":
            loss = loss.sum()
        row_scale = np.broadcast_to(scale, (rows,))[:, None]
        gradient = row_scale * (exponentials / total * target.sum(axis=1, keepdims=True) - target)
    return loss.astype(logits.dtype), np.where(kept[:, None], gradient, 0).astype(logits.dtype)


def _targets(labels: Array, rows: int, classes: int, ignore_index: int, wide: type) -> tuple[Array, Array]:
    if labels.shape == (rows, classes) and labels.dtype.kind not in "iub":
        return labels.astype(wide), np.ones(rows, bool)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers (N,) or floats (N, C), got {labels.dtype} {labels.shape}")
    if labels.shape != (rows,):
        raise ValueError(f"class indices must have shape ({rows},), got {labels.shape}")
    kept = labels != ignore_index
    outside = kept & ((labels < 0) | (labels >= classes))
    if outside.any():
        raise IndexError(f"labels must be in [0, {classes}) or {ignore_index}, got {labels[outside][0]}")
    target: Array = np.zeros((rows, classes), wide)
    target[kept, labels[kept]] = 1
    return target, kept
