"""The arithmetic of softmax cross-entropy on one row, for the Pallas kernels of `pallas_loss.py`: that of
`triton_rows.py`, where it is explained, written for refs to whole arrays of which a program handles row `row`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as on_gpu

FAR = 16.0


@dataclass(frozen=True)
class Options:
    """What a kernel is compiled for."""

    classes: int
    block: int
    ignore_index: int
    label_smoothing: float
    z_loss: float
    weighted: bool


class Label(NamedTuple):
    """Of a row: whether it is kept, and its label with the label's logit and weight. A label outside [0, C) becomes -1,
    which no column is, with a logit of NaN: the row's loss and gradient will be NaN."""

    kept: Any
    index: Any
    logit: Any
    weight: Any


class Sums(NamedTuple):
    """Of a row: reference m, sum of exp(x_c - m) but for the label, sum of w_c (m - x_c), sum of w_c."""

    m: Any
    others: Any
    gap: Any
    weight: Any


class Slopes(NamedTuple):
    """Of a row: 1 / total, the factor of the softmax, the factor of the class weights, the label's gradient."""

    inverse: Any
    factor: Any
    share: Any
    at_label: Any


def label_of(options: Options, logits: Any, labels: Any, weights: Any, row: Any) -> Label:
    """The row's label."""
    label = labels[row]
    valid = (label != options.ignore_index) & (label >= 0) & (label < options.classes)
    index = jnp.where(valid, label, -1).astype(jnp.int32)
    at = jnp.maximum(index, 0)
    logit = jnp.where(valid, logits[row, at].astype(weights.dtype), jnp.nan)
    weight = weights[at] if options.weighted else jnp.ones((), weights.dtype)
    return Label(label != options.ignore_index, index, logit, weight)


def sum_row(options: Options, logits: Any, weights: Any, row: Any, label: Label) -> Sums:
    """The sums of a row; a second time, against its true maximum, if that is `FAR` above the first block's."""
    first = _block(options, logits, row, 0, weights.dtype)[2]
    m = jnp.maximum(jnp.max(first), jnp.finfo(weights.dtype).min)
    nothing = jnp.zeros(options.block, weights.dtype)

    def sums_from(m: Any) -> Any:
        def add(b: Any, lanes: tuple[Any, ...]) -> tuple[Any, ...]:
            others, gaps, mass, top = lanes
            here, column, x = _block(options, logits, row, b, weights.dtype)
            others += jnp.where(column == label.index, 0.0, jnp.exp(x - m))
            if options.label_smoothing:
                w = _weights(options, weights, here, column)
                gaps += jnp.where(w == 0.0, 0.0, w * (m - x))
                mass += w
            return others, gaps, mass, jnp.maximum(top, x)

        return jax.lax.fori_loop(0, pl.cdiv(options.classes, options.block), add, (nothing, nothing, nothing, first))

    others, gaps, mass, top = sums_from(m)
    if options.classes > options.block:
        highest = jnp.max(top)
        m, (others, gaps, mass, _) = jax.lax.cond(
            highest > m + FAR,
            lambda: (highest, sums_from(highest)),
            lambda: (m, (others, gaps, mass, top)),
        )
    return Sums(m, jnp.sum(others), jnp.sum(gaps), jnp.sum(mass))


def loss_of(options: Options, sums: Sums, label: Label) -> Any:
    """The row's loss."""
    m, others, gap, weight_sum = sums
    e_y = jnp.exp(label.logit - m)
    log_total = jnp.log(others + e_y)
    ahead = others <= e_y
    quotient = jnp.where(ahead, others / jnp.where(ahead, e_y, 1.0), 0.0)
    nll = jnp.where(ahead, jnp.log1p(quotient), (m - label.logit) + log_total)
    loss = nll * label.weight
    if options.label_smoothing:
        spread = jnp.where(
            ahead, weight_sum * nll + (gap + weight_sum * (label.logit - m)), weight_sum * log_total + gap
        )
        loss = (1.0 - options.label_smoothing) * loss + (options.label_smoothing / options.classes) * spread
    if options.z_loss:
        lse = m + log_total
        loss += options.z_loss * lse * lse
    return jnp.where(label.kept, loss, 0.0)


def slopes_of(options: Options, sums: Sums, label: Label, scale: Any) -> Slopes:
    """What the row's gradient is made of."""
    m, others, _, weight_sum = sums
    e_y = jnp.exp(label.logit - m)
    inverse = 1.0 / (others + e_y)
    mass, share = label.weight, jnp.zeros_like(scale)
    ahead, behind = -(others * inverse) * label.weight, label.weight * (e_y * inverse - 1.0)
    if options.label_smoothing:
        even = options.label_smoothing / options.classes
        mass = (1.0 - options.label_smoothing) * label.weight + even * weight_sum
        share = scale * even
        ahead = even * (weight_sum - label.weight) - mass * (others * inverse)
        behind = mass * (e_y * inverse) - ((1.0 - options.label_smoothing) + even) * label.weight
    at_label = jnp.where(others <= e_y, ahead, behind)
    if options.z_loss:
        pull = 2.0 * options.z_loss * (m + jnp.log(others + e_y))
        at_label += pull * (e_y * inverse)
        mass += pull
    return Slopes(inverse, scale * mass, share, scale * at_label)


def store_gradient(
    options: Options, logits: Any, weights: Any, grad: Any, row: Any, label: Label, m: Any, slopes: Slopes
) -> None:
    """The row's gradient, block by block; zeros, whatever the logits are, where the row is not kept."""

    def store(b: Any, _: None) -> None:
        here, column, x = _block(options, logits, row, b, weights.dtype)
        g = jnp.exp(x - m) * slopes.inverse * slopes.factor
        if options.label_smoothing:
            g -= slopes.share * _weights(options, weights, here, column)
        g = jnp.where(label.kept, jnp.where(column == label.index, slopes.at_label, g), 0.0)
        on_gpu.store(grad.at[row, here], g.astype(grad.dtype), mask=column < options.classes)

    jax.lax.fori_loop(0, pl.cdiv(options.classes, options.block), store, None)


def _block(options: Options, logits: Any, row: Any, number: Any, accumulator: Any) -> tuple[Any, Any, Any]:
    """The slice that a block is, its column numbers, and its logits: -inf past the last class."""
    start = jnp.asarray(number * options.block, jnp.int32)  # as a program's number, with which 64 bits do not mix
    here, column = pl.ds(start, options.block), start + jnp.arange(options.block, dtype=jnp.int32)
    x = on_gpu.load(logits.at[row, here], mask=column < options.classes, other=-jnp.inf)
    return here, column, x.astype(accumulator)


def _weights(options: Options, weights: Any, here: Any, column: Any) -> Any:
    """The class weights of a block: 1 where there are none, 0 past the last class."""
    there = column < options.classes
    if not options.weighted:
        return there.astype(weights.dtype)
    return on_gpu.load(weights.at[here], mask=there, other=0.0)
