"""What the tests of public kernels notice: a few shapes, standard-normal logits, loss and gradient near enough.

Read as examples: Liger-Kernel test/transformers/test_cross_entropy.py, Apex contrib/test/xentropy and flash-attention
tests/losses/test_cross_entropy.py. All draw logits by `randn` and labels by `randint`, give some rows the ignore label,
reduce by mean or sum, go backward from that (mostly from a gradient of 1) and compare loss and gradient with PyTorch's
own function in float32. What one or the other of them tests (class weights, soft labels, the z-loss, a cap, an ignore
label that is a class) is tested here throughout; only the vocabulary's shapes have fewer rows. Tolerances are the
defaults of torch.testing.assert_close (https://docs.pytorch.org/docs/stable/testing.html); shapes must be equal, NaN
equals nothing, and a wider dtype is taken as it is. In 16 bits only NumPy functions are tested, which stand for kernels
that compute in float32: a framework's own function rounds each step to 16 bits, and fails these tolerances.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from xentcheck.audit.tolerance import ASSERT_CLOSE
from xentcheck.randomness import Array
from xentcheck.verdict import describe
from xentcheck.workers import WorkerPool
from xentcheck_adapters import REDUCTIONS, Call, Returned, Subject, dtype_named

DTYPES = ("float32", "bfloat16", "float16")
_NARROW = ("float16", "bfloat16")
SHAPES = ((8, 32), (4, 128), (63, 41), (3, 1000), (4, 32000))
_IGNORED = -100


@dataclass(frozen=True)
class Setting:
    """One line of the table that such a test is parametrised by."""

    rows: int
    classes: int
    dtype: str
    reduction: str
    option: str
    """What is given beside logits and labels; "" for nothing."""

    def __str__(self) -> str:
        options = [self.option] if self.option else []
        return ", ".join([f"({self.rows}, {self.classes})", self.dtype, self.reduction, *options])


def notices(subject: Subject, pool: WorkerPool, dtypes: Iterable[str]) -> str | None:
    """What the first test that fails says, or None if all pass. Raises Unavailable if the subject cannot be opened."""
    for setting in _settings(subject, pool, dtypes):
        call, loss, grad = _example(setting)
        outcome = pool.run(subject, "cpu", call, setting.dtype)
        if not isinstance(outcome, Returned):
            return f"{describe(outcome)} at {setting}"
        for what, got, expected in (("loss", outcome.loss, loss), ("gradient", outcome.grad_logits, grad)):
            if got is None or not ASSERT_CLOSE[setting.dtype].share(got, expected) <= 1:
                return f"{what} at {setting}"
    return None


_OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "ignored rows": {"ignore_index": _IGNORED},
    "ignore_index 2": {"ignore_index": 2},
    "label_smoothing": {"label_smoothing": 0.1},
    "label_smoothing, ignored rows": {"label_smoothing": 0.1, "ignore_index": _IGNORED},
    "z_loss": {"z_loss": 1e-4},
    "softcap": {"softcap": 30.0},
    "weight": {"weight": ()},
    "sample_weight": {"sample_weight": ()},
    "soft labels": {},
}


def _settings(subject: Subject, pool: WorkerPool, dtypes: Iterable[str]) -> Iterator[Setting]:
    """What the subject offers, the smallest shape first; of one that compiles for each shape, that one only."""
    for dtype in dtypes:
        if subject.framework != "numpy" and dtype in _NARROW:
            continue
        here = pool.open(subject, "cpu", dtype).narrow(subject)
        reductions = [each for each in REDUCTIONS if each in here.reductions and each != "none"] or ["none"]
        for (rows, classes), reduction in product(SHAPES[:1] if here.retraces else SHAPES, reductions):
            for option, needs in _OPTIONS.items():
                kind = "dense" if option == "soft labels" else "index"
                if needs.keys() <= here.options and kind in here.labels:
                    yield Setting(rows, classes, dtype, reduction, option)


@cache
def _example(setting: Setting) -> tuple[Call, Array, Array]:
    """The call, and what the test expects: the loss, and the gradient in the dtype of the logits."""
    draw = np.random.RandomState(0)  # the old generator, whose numbers NumPy keeps for ever
    shape, dtype = (setting.rows, setting.classes), dtype_named(setting.dtype)
    given = dict(_OPTIONS[setting.option])
    logits, labels = draw.randn(*shape).astype(dtype), draw.randint(0, setting.classes, setting.rows)
    ignore = given.get("ignore_index")
    if ignore is not None:
        labels[draw.permutation(setting.rows)[: max(1, setting.rows // 4)]] = ignore
    if "weight" in given:
        given["weight"] = draw.rand(setting.classes).astype(dtype)
    if "sample_weight" in given:
        given["sample_weight"] = draw.rand(setting.rows).astype(dtype)
    if setting.option == "soft labels":
        soft = np.exp(draw.randn(*shape))
        labels = (soft / soft.sum(1, keepdims=True)).astype(dtype)
    call = Call(logits=logits, labels=labels, reduction=setting.reduction, **given)
    loss, grad = _naive(call)
    return call, loss, grad.astype(dtype)


def _naive(call: Call) -> tuple[Array, Array]:
    """Loss and gradient for an upstream gradient of 1, written down as in a textbook; float32, or float64 for float64.
    The mean divides as PyTorch's does: by the weights of the labels that count."""
    wide = np.float64 if call.logits.dtype == np.float64 else np.float32
    x: Array = call.logits.astype(wide)
    q, counts, slope = _targets(call, wide), _counts(call, wide), np.ones((), wide)
    if call.softcap is not None:
        ratio: Array = np.tanh(x / call.softcap)
        x, slope = call.softcap * ratio, 1 - ratio**2
    exponentials = np.exp(x - x.max(1, keepdims=True))
    total = exponentials.sum(1)
    log_sum = np.log(total) + x.max(1)
    losses: Array = (q * (log_sum[:, None] - x)).sum(1) + call.z_loss * log_sum**2
    mass: Array = q.sum(1) + 2 * call.z_loss * log_sum
    gradient: Array = slope * (exponentials * (mass / total)[:, None] - q)
    losses, gradient = counts * losses, counts[:, None] * gradient
    if call.reduction == "none":
        return losses, gradient
    divisor = 1.0
    if call.reduction == "mean":
        plain = replace(call, label_smoothing=0.0, weight=None if call.has_dense_labels else call.weight)
        divisor = float((counts * _targets(plain, wide).sum(1)).sum())
    return np.asarray(losses.sum() / divisor), gradient / divisor


def _targets(call: Call, wide: Any) -> Array:
    """(N, C) weighted and smoothed labels."""
    y = call.labels.astype(wide)
    if not call.has_dense_labels:
        y = np.zeros(call.logits.shape, wide)
        kept = np.flatnonzero(call.labels != call.ignore_index)
        y[kept, call.labels[kept]] = 1
    weight = np.ones((), wide) if call.weight is None else call.weight.astype(wide)
    return np.asarray(weight * ((1 - call.label_smoothing) * y + call.label_smoothing / call.logits.shape[1]))


def _counts(call: Call, wide: Any) -> Array:
    """(N,) sample weights, 0 for ignored rows."""
    weight = np.ones(len(call.logits), wide) if call.sample_weight is None else call.sample_weight.astype(wide)
    return weight if call.has_dense_labels else np.asarray(weight * (call.labels != call.ignore_index))
