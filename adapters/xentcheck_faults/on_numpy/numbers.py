"""Mistakes of arithmetic, and of kernels that work in blocks of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from xentcheck_faults.on_numpy.changes import logits, relabelled
from xentcheck_faults.on_numpy.kernel import (
    Array,
    Batch,
    Kernel,
    gradient,
    maximum,
    row_losses,
    rows_of,
    running_sum,
    softmax_of,
    total,
)

BF16 = ml_dtypes.bfloat16


def through(dtype: Any) -> Callable[[Array], Array]:
    """Rounds values to a dtype and back."""
    return lambda values: values.astype(dtype).astype(values.dtype)


def blocks(e: Array, width: int) -> list[Array]:
    return [e[:, start : start + width] for start in range(0, e.shape[1], width)]


def sum_in(dtype: Any) -> Callable[[Array], Array]:
    """A running sum kept in a dtype."""
    return lambda e: running_sum(e, dtype)


def tail_not_rescaled(width: int) -> Callable[[Array], Array]:
    """An online softmax that adds its last, short block relative to that block's own maximum."""

    def summed(e: Array) -> Array:
        *full, tail = blocks(e, width)
        own = tail.max(axis=1, keepdims=True)
        short = full and tail.shape[1] < width
        return np.asarray(
            sum(total(block) for block in full) + total(tail) / (np.where(own > 0, own, 1) if short else 1)
        )

    return summed


def first_tile_maximum(width: int) -> Callable[[Array], Array]:
    return lambda x: maximum(x[:, :width])


def empty_tile_is_nan(width: int) -> Callable[[Array], Array]:
    """An online softmax that rescales by exp(-inf - -inf) while all it has seen is masked."""

    def summed(e: Array) -> Array:
        empty = np.stack([block.max(axis=1) == 0 for block in blocks(e, width)], axis=1)
        return np.where(empty[:, :1], np.nan, total(e))

    return summed


def subnormals_masked(x: Array) -> Array:
    """A kernel that takes any exponent of 0 but that of 0 itself for a mask."""
    tiny = np.abs(x.astype(np.float64)) < float(ml_dtypes.finfo(x.dtype).smallest_normal)
    return np.where(tiny & (x != 0), -np.inf, x).astype(x.dtype)


def only_classes(count: int) -> Callable[[Array], Array]:
    return lambda e: total(e[:, :count])


def tf32(values: Array) -> Array:
    """Rounded to ten bits of mantissa."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32).astype(values.dtype)


def fast_exp(x: Array) -> Array:
    """Schraudolph's: the bits of a float are roughly its logarithm."""
    return np.asarray(np.exp2(np.floor(x * 1.442695)) * (1 + x * 1.442695 - np.floor(x * 1.442695)))


def bent(error: float) -> Callable[[Array], Array]:
    """exp with a relative error that depends on its argument, as a table without interpolation has."""
    return lambda x: np.exp(x) * (1 + error * np.sin(9 * np.where(np.isfinite(x), x, 0)).astype(x.dtype))


def at_label(change: float) -> Callable[[Array, Array, Batch], Array]:
    """The gradient at classes with a label is off by a relative error."""
    return lambda p, q, b: gradient(p, q, b) * np.where(q > 0, 1 + b.wide(change), 1)


class Softmax:
    """exp(x - max) over its sum."""

    no_maximum = Kernel("nothing subtracted", maximum=lambda x: np.zeros_like(x[:, :1]))
    of_the_batch = Kernel("the batch's maximum subtracted", maximum=lambda x: np.full_like(x[:, :1], x.max()))
    of_magnitudes = Kernel(
        "the largest |x| subtracted",
        maximum=lambda x: np.abs(np.where(np.isfinite(x), x, 0)).max(axis=1, keepdims=True),
    )
    mean_subtracted = Kernel(
        "the mean subtracted", maximum=lambda x: np.where(np.isfinite(x), x, 0).mean(axis=1, keepdims=True)
    )
    padded_maximum = Kernel("the maximum includes a padding lane of 0", maximum=lambda x: np.maximum(maximum(x), 0))
    first_tile_128 = Kernel("the maximum of the first 128 classes", maximum=first_tile_maximum(128))
    first_tile_1024 = Kernel("the maximum of the first 1024 classes", maximum=first_tile_maximum(1024))
    naive_log = Kernel(
        "log(softmax) underflows", row_losses=lambda q, log_p, b: row_losses(q, np.log(np.exp(log_p)), b)
    )
    clipped = Kernel(
        "probabilities clipped at 1e-7",
        row_losses=lambda q, log_p, b: row_losses(q, np.maximum(log_p, np.log(b.wide(1e-7))), b),
    )
    log_plus_epsilon = Kernel(
        "log(p + 1e-8)", row_losses=lambda q, log_p, b: row_losses(q, np.log(np.exp(log_p) + b.wide(1e-8)), b)
    )
    loss_capped = Kernel(
        "losses capped at 100", row_losses=lambda q, log_p, b: np.minimum(row_losses(q, log_p, b), 100)
    )
    last_class_dropped = Kernel(
        "the sum lacks the last class", total=lambda e: total(e[:, :-1]) if e.shape[1] > 1 else total(e)
    )
    odd_class_dropped = Kernel(
        "classes are added in pairs", total=lambda e: total(e[:, : e.shape[1] // 2 * 2]) if e.shape[1] > 1 else total(e)
    )
    tail_of_8_dropped = Kernel(
        "the tail of a loop over 8 lanes is missing",
        total=lambda e: total(e[:, : e.shape[1] // 8 * 8]) if e.shape[1] >= 8 else total(e),
    )
    truncated_4096 = Kernel("classes from 4096 on are not summed", total=only_classes(4096))
    truncated_1024 = Kernel("classes from 1024 on are not summed", total=only_classes(1024))
    block_edge_twice = Kernel(
        "the first class of each block of 128 is counted twice", total=lambda e: total(e) + total(e[:, 128::128])
    )
    tail_128_not_rescaled = Kernel("online softmax, blocks of 128", total=tail_not_rescaled(128))
    tail_1024_not_rescaled = Kernel("online softmax, blocks of 1024", total=tail_not_rescaled(1024))
    padding_counts = Kernel("padding lanes hold exp(0)", total=lambda e: total(e) + -e.shape[1] % 8)
    one_class_is_nan = Kernel("C = 1 divides by C - 1", total=lambda e: total(e) / (e.shape[1] > 1))
    square_is_transposed = Kernel(
        "the axis is guessed from the shape: rows where N = C",
        rows_of=lambda b: rows_of(b).T if b.rows == b.classes else rows_of(b),
    )
    epsilon_in_sum = Kernel("1e-6 added to the sum", total=lambda e: total(e) + e.dtype.type(1e-6))
    shift_forgotten = Kernel(
        "max(x - max) is taken for 0 where it is -inf", rows_of=lambda b: np.maximum(rows_of(b), -100)
    )
    masked_is_nan = Kernel(
        "-inf - -inf somewhere",
        rows_of=lambda b: rows_of(b) + 0 * np.where(np.isneginf(rows_of(b)), rows_of(b), 0).sum(axis=1, keepdims=True),
    )
    nan_cleaned = Kernel(
        "NaN logits are taken for 0", see=logits(lambda x: np.where(np.isnan(x), 0, x).astype(x.dtype))
    )
    nan_spreads = Kernel(
        "a statistic of the batch is added and taken away", rows_of=lambda b: rows_of(b) + 0 * rows_of(b).max()
    )
    masked_is_finite = Kernel("-inf is taken for -1e9", rows_of=lambda b: np.maximum(rows_of(b), -1e9))
    empty_tile_is_nan = Kernel("a first tile of 32 masked classes is NaN", total=empty_tile_is_nan(32))
    subnormals_masked = Kernel("subnormal logits are taken for masks", see=logits(subnormals_masked))
    slightly_negative = Kernel("the log of 1 is a little negative", log=lambda s: np.log(s) - 2 * np.finfo(s.dtype).eps)
    truncated_32768 = Kernel("classes from 32768 on are not summed", total=only_classes(32768))
    twice = Kernel("softmax is taken of a softmax", rows_of=lambda b: softmax_of(rows_of(b)))
    zero_times_infinity = Kernel(
        "labels of 0 are multiplied with the log-softmax of masked classes",
        row_losses=lambda q, log_p, b: -(q * log_p).sum(axis=1),
    )
    shift_twice_at_label = Kernel(
        "what all logits of a row share is added to the label's twice",
        row_losses=lambda q, log_p, b: row_losses(q, log_p + maximum(rows_of(b)), b),
    )
    tail_of_8_zero = Kernel(
        "the tail of a loop over 8 lanes is read as 0",
        rows_of=lambda b: np.where((np.arange(b.classes) < b.classes // 8 * 8) | (b.classes < 8), rows_of(b), 0),
    )
    temperature = Kernel("logits times 1 + 1e-5", rows_of=lambda b: rows_of(b) * b.wide(1 + 1e-5))


class Precision:
    """float32 arithmetic, float64 for float64."""

    half_sum = Kernel("the sum is kept in float16", total=sum_in(np.float16))
    bfloat16_sum = Kernel("the sum is kept in bfloat16", total=sum_in(BF16))
    single_for_double = Kernel("float64 is computed in float32", wide=lambda dtype: np.float32)
    single_exp = Kernel("exp of float64 in float32", exp=lambda x: np.exp(x.astype(np.float32)).astype(x.dtype))
    single_log = Kernel("log of float64 in float32", log=lambda s: np.log(s.astype(np.float32)).astype(s.dtype))
    short_log2e = Kernel("exp2 with log2(e) = 1.44269", exp=lambda x: np.exp2(x * x.dtype.type(1.44269)))
    table_exp = Kernel("exp from a table, 1e-5 off", exp=bent(1e-5))
    table_exp_fine = Kernel("exp from a table, 1e-6 off", exp=bent(1e-6))
    fast_exp = Kernel("exp by bits", exp=fast_exp)
    flushed_exp = Kernel("exp below -16 is 0", exp=lambda x: np.where(x < -16, 0, np.exp(x)))
    clamped_exp = Kernel("exp's argument is at least -20", exp=lambda x: np.exp(np.maximum(x, -20)))
    log_approximate = Kernel("log of the sum 1e-5 off", log=lambda s: np.log(s) * s.dtype.type(1 + 1e-5))
    tf32_logits = Kernel("logits in TF32", rows_of=lambda b: tf32(rows_of(b)))
    half_logits = Kernel("logits in float16", rows_of=lambda b: through(np.float16)(rows_of(b)))
    bfloat16_logits = Kernel("logits in bfloat16", rows_of=lambda b: through(BF16)(rows_of(b)))
    bfloat16_softmax = Kernel("softmax saved in bfloat16 for the backward", softmax=lambda e, s: through(BF16)(e / s))
    half_softmax = Kernel("softmax saved in float16 for the backward", softmax=lambda e, s: through(np.float16)(e / s))
    bfloat16_loss = Kernel(
        "row losses stored in bfloat16", row_losses=lambda q, log_p, b: through(BF16)(row_losses(q, log_p, b))
    )
    half_loss = Kernel(
        "row losses stored in float16", row_losses=lambda q, log_p, b: through(np.float16)(row_losses(q, log_p, b))
    )
    logits_dtype = Kernel("everything in the logits' dtype, running sums too", wide=lambda dtype: dtype.type)
    reciprocal_estimate = Kernel(
        "an estimated reciprocal, 12 bits", softmax=lambda e, s: e * through(np.float16)(1 / s)
    )


class Gradient:
    """scale (softmax sum(q) - q)."""

    last_class_zero = Kernel(
        "the last class has none",
        gradient=lambda p, q, b: gradient(p, q, b) * (np.arange(b.classes) < max(1, b.classes - 1)),
    )
    label_off = Kernel("at the label 1e-3 off", gradient=at_label(1e-3))
    label_slightly_off = Kernel("at the label 1e-5 off", gradient=at_label(1e-5))
    label_not_subtracted = Kernel("softmax only", gradient=lambda p, q, b: p * q.sum(axis=1, keepdims=True))
    negated = Kernel("q - softmax", gradient=lambda p, q, b: -gradient(p, q, b))
    confident_zero = Kernel(
        "zero where the loss is 0",
        gradient=lambda p, q, b: gradient(p, q, b) * (row_losses(q, np.log(p), b) > 0)[:, None],
    )
    of_cleaned_logits = Kernel(
        "NaN and infinite logits are taken for 0 in the backward",
        backward=logits(lambda x: np.where(np.isfinite(x), x, 0).astype(x.dtype)),
    )
    clipped = Kernel("clipped to [-0.999, 0.999]", gradient=lambda p, q, b: np.clip(gradient(p, q, b), -0.999, 0.999))
    small_flushed = Kernel(
        "below 1e-8 it is 0", gradient=lambda p, q, b: np.where(np.abs(gradient(p, q, b)) < 1e-8, 0, gradient(p, q, b))
    )
    small_flushed_4 = Kernel(
        "below 1e-4 it is 0", gradient=lambda p, q, b: np.where(np.abs(gradient(p, q, b)) < 1e-4, 0, gradient(p, q, b))
    )
    at_the_maximum = Kernel(
        "the label is taken to be the largest logit",
        backward=relabelled(lambda y, b: np.argmax(b.logits.astype(b.wide), axis=1)),
    )
    of_smoothed_argmax = Kernel(
        "stops at the label: classes after it have none beyond 1024",
        gradient=lambda p, q, b: gradient(p, q, b) * (np.arange(b.classes) < 1024),
    )
    softmax_of_shifted = Kernel(
        "softmax of the row before", gradient=lambda p, q, b: gradient(np.roll(p, 1, axis=0), q, b)
    )
    squared_error = Kernel(
        "that of the Brier score",
        gradient=lambda p, q, b: p * (gradient(p, q, b) - (p * gradient(p, q, b)).sum(1, keepdims=True)),
    )
    nan_where_masked = Kernel(
        "NaN at masked classes", gradient=lambda p, q, b: np.where(np.isneginf(rows_of(b)), np.nan, gradient(p, q, b))
    )
    zero_where_clipped = Kernel(
        "none where the label's probability is below 1e-7",
        gradient=lambda p, q, b: gradient(p, q, b) * ((p * q).sum(1) >= 1e-7 * q.sum(1))[:, None],
    )
    of_a_quotient = Kernel("the label over the logarithm", gradient=lambda p, q, b: q / np.log(p))
    in_bfloat16 = Kernel("rounded to bfloat16", gradient=lambda p, q, b: through(BF16)(gradient(p, q, b)))
