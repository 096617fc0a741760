"""The injected faults of the study: the honest NumPy kernel with one stage broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from xentcheck_faults.on_numpy.honest import log_sum_exp_minus_logit
from xentcheck_faults.on_numpy.kernel import Array, Kernel, total
from xentcheck_faults.on_numpy.numbers import Gradient, Precision, Softmax, bent
from xentcheck_faults.on_numpy.options import Smoothing
from xentcheck_faults.on_numpy.stages import ZLoss


@dataclass(frozen=True)
class Fault:
    """A faulty function, and the kind of batch that it is about."""

    about: str
    function: Callable[..., Any]
    kind: str = "index"


def off_by(error: float) -> Callable[[Array], Array]:
    """exp with one and the same relative error everywhere."""
    return lambda x: np.exp(x) * x.dtype.type(1 + error)


def cut(lowest: float) -> Callable[[Array], Array]:
    """exp that is 0 below an argument."""
    return lambda x: np.where(x < lowest, x.dtype.type(0), np.exp(x))


def padded(e: Array) -> Array:
    """Lanes up to the next multiple of 16 read as exp(0)."""
    return np.asarray(total(e) + -e.shape[1] % 16)


def last_part_not_rescaled(e: Array) -> Array:
    """Classes split among four workers: the sum of the first three is not rescaled to a maximum that the last one
    finds. Without a larger one in the last part there is no fault."""
    first, last = np.split(e, [e.shape[1] * 3 // 4], axis=1)
    top = first.max(axis=1, keepdims=True)
    grows = (last.max(axis=1, keepdims=True) > top) & (top > 0)
    return np.asarray(total(first) / np.where(grows, top, 1) + total(last))


FAULTS = (
    Fault("exp 1e-4 off, by argument", Kernel("", exp=bent(1e-4))),
    Fault("exp 1e-5 off, by argument", Precision.table_exp),
    Fault("exp 2e-6 off, by argument", Kernel("", exp=bent(2e-6))),
    Fault("exp 1e-6 too large", Kernel("", exp=off_by(1e-6))),
    Fault("exp2 with five digits of log2(e)", Precision.short_log2e),
    Fault("exp is 0 below -20", Kernel("", exp=cut(-20.0))),
    Fault("log 2e-6 too large", Kernel("", log=lambda s: np.log(s) + s.dtype.type(2e-6))),
    Fault("sum kept in bfloat16", Precision.bfloat16_sum),
    Fault("sum kept in float16", Precision.half_sum),
    Fault("sum lacks the last class", Softmax.last_class_dropped),
    Fault("gradient of the last class is 0", Gradient.last_class_zero),
    Fault("padding lanes read as 0", Kernel("", total=padded)),
    Fault("smoothing by eps / (C - 1)", Smoothing.over_the_others, "smoothed"),
    Fault("gradient without the labels' sum", Kernel("", gradient=lambda p, q, b: np.asarray(p - q)), "mass"),
    Fault("z-loss gradient without the factor 2", ZLoss.not_doubled, "z-loss"),
    Fault("softmax stored in bfloat16", Precision.bfloat16_softmax),
    Fault("logits through TF32", Precision.tf32_logits),
    Fault("no maximum subtracted", Softmax.no_maximum),
    Fault("probabilities clipped at 1e-7", Softmax.clipped),
    Fault("log-sum-exp minus logit", log_sum_exp_minus_logit),
    Fault("last of four parts not rescaled", Kernel("", total=last_part_not_rescaled)),
    Fault("log of the softmax", Softmax.naive_log),
    Fault("gradient at the label 1e-5 off", Gradient.label_slightly_off),
)
