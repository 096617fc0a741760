"""The arithmetic of softmax cross-entropy on tiles of rows, for the Triton kernels of `triton_kernels.py`.

A row is summed once, against a reference m that is the maximum of its first block:

    others = sum over c != y of exp(x_c - m),    e_y = exp(x_y - m),    total = others + e_y

No term is rescaled on the way: float32 has 127 binades of headroom. Each lane keeps the largest logit that it saw, and
only if one was more than `FAR` above m is the row summed again, against its true maximum (a second read, from L2). So a
block costs one exponential per class and no exchange between warps, where an online softmax that follows the maximum
costs two exponentials or a barrier for every block.

The label's term stays apart, so nothing cancels where the label is ahead:

    loss = log1p(others / e_y),    d loss / d x_y = -others / total = e_y / total - 1

With class weights w, smoothing s and z-loss zeta, W = sum w_c and lse = m + log total:

    loss   = (1 - s) w_y loss_y + s/C sum_c w_c (lse - x_c) + zeta lse²
    mass   = (1 - s) w_y + s/C W,    pull = 2 zeta lse
    grad_c = (mass + pull) exp(x_c - m) / total - s/C w_c
    grad_y = s/C (W - w_y) - mass others / total + pull e_y / total = grad_c - (1 - s) w_y

Everything is float32 for 16-bit and float32 logits, float64 for float64 ones. m is never below the lowest finite
number, so that blocks of -inf give sums of 0 and not of NaN; rows with a NaN or +inf, or with -inf alone, end as NaN by
themselves.
"""

import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)
# What log2(e) is more than its nearest float32, and its nearest float64
LOG2E_LOW32, LOG2E_LOW64 = tl.constexpr(1.925963033500011e-08), tl.constexpr(2.0355273740931033e-17)
FAR = tl.constexpr(16.0)  # exp(16) in a term costs its argument's roundings: 16 u, less than those of a long sum


@triton.jit
def block_of(row, start, last, live, BLOCK: tl.constexpr, ACC: tl.constexpr, EVICT: tl.constexpr):
    """Column numbers (1, BLOCK), and logits (ROWS, BLOCK): -inf from `last` on, and in rows that are not live."""
    column = start + tl.arange(0, BLOCK)[None, :]
    x = tl.load(row + column, mask=live & (column < last), other=-float("inf"), eviction_policy=EVICT)
    return column, x.to(ACC)


@triton.jit
def weights_of(weight, column, last, WEIGHTED: tl.constexpr, ACC: tl.constexpr):
    """Class weights (1, BLOCK): 1 where there are none, 0 from `last` on."""
    if WEIGHTED:
        return tl.load(weight + column, mask=column < last, other=0.0).to(ACC)
    return tl.where(column < last, 1.0, 0.0).to(ACC)


@triton.jit
def exp_from(x, m):
    """exp(x - m). The difference comes first: multiplied by themselves, x and m would lose the digits that a common
    offset of the logits has, and overflow for the largest ones. Without the low part of log2(e) all exponentials would
    err the same way, by a quarter of a rounding of their argument."""
    LOW: tl.constexpr = LOG2E_LOW64 if x.dtype.primitive_bitwidth == 64 else LOG2E_LOW32
    d = x - m
    return tl.exp2(tl.fma(d, tl.full(d.shape, LOG2E, d.dtype), d * LOW))


@triton.jit
def floored(m, ACC: tl.constexpr):
    """A maximum, no lower than the lowest finite number. A NaN stays one."""
    lowest = -1.7976931348623157e308 if ACC.primitive_bitwidth == 64 else -3.4028234663852886e38
    return tl.where(m == -float("inf"), lowest, m)


@triton.jit
def sum_block(x, column, last, y, m, others, gaps, mass, weight, WEIGHTED: tl.constexpr, SMOOTH: tl.constexpr):
    """The lanes' running sums with one more block: of others' exponentials, of w_c (m - x_c), and of w_c."""
    others += tl.where(column == y, 0.0, exp_from(x, m))
    if SMOOTH:
        w = weights_of(weight, column, last, WEIGHTED, x.dtype)
        gaps += tl.where(w == 0.0, 0.0, w * (m - x))
        mass += w
    return others, gaps, mass


@triton.jit
def sum_row(
    row, first, last, live, y, weight,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, MANY: tl.constexpr, STAGES: tl.constexpr,
    WEIGHTED: tl.constexpr, SMOOTH: tl.constexpr, ACC: tl.constexpr, EVICT: tl.constexpr,
):  # fmt: skip
    """Reference m, others, sum of w_c (m - x_c), sum of w_c, each (ROWS, 1), over the columns [first, last). MANY:
    there may be more than one block of them, and ROWS is 1."""
    column, x = block_of(row, first, last, live, BLOCK, ACC, EVICT)
    m = floored(tl.max(x, 1, keep_dims=True), ACC)
    nothing = tl.zeros([ROWS, BLOCK], ACC)
    others, gaps, mass = sum_block(x, column, last, y, m, nothing, nothing, nothing, weight, WEIGHTED, SMOOTH)
    if MANY:
        end = tl.max(tl.where(live, last, first))  # of an ignored row nothing is read
        top = x
        for start in tl.range(first + BLOCK, end, BLOCK, num_stages=STAGES):
            column, x = block_of(row, start, last, live, BLOCK, ACC, EVICT)
            others, gaps, mass = sum_block(x, column, last, y, m, others, gaps, mass, weight, WEIGHTED, SMOOTH)
            top = tl.maximum(top, x)
        highest = tl.max(top, 1, keep_dims=True)
        if tl.max(tl.where(highest > m + FAR, 1, 0)) > 0:
            m = highest
            others, gaps, mass = nothing, nothing, nothing
            for start in tl.range(first, end, BLOCK, num_stages=STAGES):
                column, x = block_of(row, start, last, live, BLOCK, ACC, EVICT)
                others, gaps, mass = sum_block(x, column, last, y, m, others, gaps, mass, weight, WEIGHTED, SMOOTH)
    if SMOOTH:
        gap, weight_sum = tl.sum(gaps, 1, keep_dims=True), tl.sum(mass, 1, keep_dims=True)
    else:
        gap, weight_sum = tl.zeros([ROWS, 1], ACC), tl.zeros([ROWS, 1], ACC)
    return m, tl.sum(others, 1, keep_dims=True), gap, weight_sum


@triton.jit
def label_of(row, target, weight, index, live, classes, ignore_index, WEIGHTED: tl.constexpr, ACC: tl.constexpr):
    """Of rows that are live: whether they are kept, label, logit and weight of the label. A label outside [0, classes)
    becomes -1, which no column is, with a logit of NaN: the row's loss and gradient will be NaN."""
    y = tl.load(target + index, mask=live, other=0)
    kept = live & (y != ignore_index)
    valid = kept & (y >= 0) & (y < classes)
    y = tl.where(valid, y, -1).to(tl.int32)
    at = tl.where(valid, y, 0)
    x_y = tl.load(row + at, mask=valid, other=float("nan")).to(ACC)
    w_y = tl.load(weight + at, mask=valid, other=0.0).to(ACC) if WEIGHTED else tl.full(x_y.shape, 1.0, ACC)
    return kept, y, x_y, w_y


@triton.jit
def log1p(q, ACC: tl.constexpr):
    """log(1 + q) for q in [0, 1], from log(1 + q) = 2 artanh(q / (2 + q)) and its series. libdevice has a log1p, which
    the interpreter has not; the logarithm of the device is an approximation with an absolute error near 1."""
    TERMS: tl.constexpr = 18 if ACC.primitive_bitwidth == 64 else 8
    z = q / (2.0 + q)
    square = z * z
    series = z * 0.0
    for k in tl.static_range(TERMS):
        series = series * square + 1.0 / (2 * (TERMS - 1 - k) + 1)
    return 2.0 * z * series


@triton.jit
def loss_of(
    m, others, gap, weight_sum, x_y, w_y, classes,
    SMOOTHING: tl.constexpr, Z_LOSS: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """(ROWS, 1) losses. Where the label is behind, log1p would have to divide by an e_y that may be 0."""
    e_y = exp_from(x_y, m)
    total = others + e_y
    log_total = tl.log(total)
    q = others / e_y
    ahead = q <= 1.0
    nll = tl.where(ahead, log1p(tl.where(ahead, q, 0.0), ACC), (m - x_y) + log_total)
    loss = nll * w_y
    if SMOOTHING != 0.0:
        # lse - x_c, of which no term is negative, from the label's logit where it is ahead, else from m
        spread = tl.where(ahead, weight_sum * nll + (gap + weight_sum * (x_y - m)), weight_sum * log_total + gap)
        loss = (1.0 - SMOOTHING) * loss + (SMOOTHING / tl.cast(classes, ACC)) * spread
    if Z_LOSS != 0.0:
        lse = m + log_total
        loss += Z_LOSS * lse * lse
    return loss


@triton.jit
def slopes_of(
    m, others, weight_sum, x_y, w_y, scale, classes,
    SMOOTHING: tl.constexpr, Z_LOSS: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """(ROWS, 1) each: 1 / total, the factor of the softmax, the factor of the class weights, the label's gradient. The
    softmax is formed before it is scaled: a tiny scale divided by the total would be subnormal."""
    e_y = exp_from(x_y, m)
    inverse = 1.0 / (others + e_y)
    mass, share = w_y, scale * 0.0
    # The label's gradient, written in two ways that lose their digits where the other one does not
    ahead, behind = -w_y * (others * inverse), w_y * (e_y * inverse - 1.0)
    if SMOOTHING != 0.0:
        even = SMOOTHING / tl.cast(classes, ACC)
        mass = (1.0 - SMOOTHING) * w_y + even * weight_sum
        share = scale * even
        ahead = even * (weight_sum - w_y) - mass * (others * inverse)
        behind = mass * (e_y * inverse) - ((1.0 - SMOOTHING) + even) * w_y
    at_label = tl.where(others <= e_y, ahead, behind)
    if Z_LOSS != 0.0:
        pull = 2.0 * Z_LOSS * (m + tl.log(others + e_y))
        at_label += pull * (e_y * inverse)
        mass += pull
    return inverse, scale * mass, share, scale * at_label


@triton.jit
def store_gradient(
    row, grad_row, start, classes, live, kept, y, m, inverse, factor, share, at_label, weight,
    BLOCK: tl.constexpr, WEIGHTED: tl.constexpr, SMOOTH: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """One block of the gradient. Of rows that are not kept nothing is read, and zeros are written."""
    column, x = block_of(row, start, classes, kept, BLOCK, ACC, "evict_first")
    g = exp_from(x, m) * inverse * factor
    if SMOOTH:
        g -= share * weights_of(weight, column, classes, WEIGHTED, ACC)
    g = tl.where(kept, tl.where(column == y, at_label, g), 0.0)
    tl.store(grad_row + column, g.to(grad_row.dtype.element_ty), mask=live & (column < classes))
