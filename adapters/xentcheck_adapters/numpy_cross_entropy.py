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
    sample_weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
    reduction: str = "mean",
    grad_output: Array | None = None,
) -> tuple[Array, Array]:
    """Loss and its gradient with respect to the logits.

    logits (N, C); labels (N,) integer classes or (N, C) soft labels; weight (C,); sample_weight (N,) multiplies each
    row's loss; grad_output of the loss' shape.
    `softcap` c puts c tanh(logits / c) in the logits' place (Gemma 2, arXiv 2408.00118); `z_loss` adds that many times
    the squared log-sum-exp to each row's loss (PaLM, arXiv 2204.02311). Index labels average over
    Σ sample_weight weight[label] of the kept rows, soft labels over Σ sample_weight, which is N where there is none.
    Raises IndexError for a label outside [0, C) that is not `ignore_index`, TypeError for labels of a wrong dtype,
    ValueError for a wrong shape.
    """
    rows, classes = logits.shape
    wide = np.float64 if logits.dtype.type is np.float64 else np.float32
    target, kept = _targets(labels, rows, classes, ignore_index, wide)
    weights = np.ones(classes, wide) if weight is None else weight.astype(wide)
    row_weights: Array = np.ones(rows, wide) if sample_weight is None else sample_weight.astype(wide)
    denominator = (row_weights if labels.ndim == 2 else row_weights * (target @ weights)).sum()
    target = weights * ((1 - wide(label_smoothing)) * target + wide(label_smoothing) / classes) * kept[:, None]

    with np.errstate(all="ignore"):  # masked classes, overflow and 0/0 are part of the contract
        x = np.where(kept[:, None], logits.astype(wide), 0)
        slope = np.ones((), wide)
        if softcap is not None:
            # 1 / cosh² is the derivative of tanh; 1 - tanh² would cancel where tanh is nearly 1
            slope = np.cosh(x / wide(softcap)) ** -2
            x = wide(softcap) * np.tanh(x / wide(softcap))
        maximum = x.max(axis=1, keepdims=True)
        shifted = x - maximum
        exponentials = np.exp(shifted)
        total = exponentials.sum(axis=1, keepdims=True)
        log_total = np.log(total)
        log_softmax = shifted - log_total
        loss = -np.where(target == 0, 0, target * log_softmax).sum(axis=1)
        mass = target.sum(axis=1, keepdims=True)
        if z_loss:
            log_sum_exp = maximum + log_total
            loss = loss + np.where(kept, wide(z_loss) * log_sum_exp[:, 0] ** 2, 0)
            mass = mass + 2 * wide(z_loss) * log_sum_exp
        loss = row_weights * loss
        scale = np.ones((), wide) if grad_output is None else grad_output.astype(wide)
        if reduction == "mean":
            loss, scale = loss.sum() / denominator, scale / np.where(denominator == 0, 1, denominator)
        elif reduction == "sum":
            loss = loss.sum()
        row_scale = (row_weights * scale)[:, None]
        gradient = row_scale * slope * (exponentials / total * mass - target)
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
