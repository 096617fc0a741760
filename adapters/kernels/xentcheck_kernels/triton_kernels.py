"""Triton kernels of softmax cross-entropy: by rows, by slices of rows, and the gradient again. The arithmetic is that
of `triton_rows.py`.

Bytes of device memory for each logit of b bytes, if what is said of L2 holds:

    loss                                    b        one read
    loss and gradient, either form          2 b      the second read of a logit hits L2
    gradient again (another upstream)       2 b

By rows (`rows_kernel`): a persistent program takes one tile of rows after another, sums it and writes its gradient.
What lies between the two reads is one row for each program; the host starts no more programs than keep their rows
within two thirds of L2. Rows of up to 1024 classes come several to a tile. Of ignored rows nothing is read.

By slices (`slices_kernel`), for longer rows: each row is S tasks that sum a slice, and S that write a slice's gradient.
Programs draw tasks by an atomic ticket, from one sequence in which the gradients of a row follow `lag` rows behind its
sums. Whoever is the last to sum a slice of a row joins the S partial sums, in the order of the slices, writes the loss
and marks the row as ready; a gradient task waits for that mark. So what lies between the two reads is `lag` rows, which
are as many slices as there are programs, however long a row is. A task waits for tasks with earlier tickets only, and
of these the earliest unfinished one never waits: there is no deadlock whatever number of programs the device runs at a
time, and no cooperative launch. An interpreter that runs one program after another gives all tickets to the first one,
which then finds every row ready: the same code, and no wait.

Other forms that were weighed: two launches, sums and then gradients, read b more from memory unless they are issued for
groups of rows that fit into L2, each of which then takes less time than a launch; a row kept in the registers of S
programs that wait for one another needs all of them resident at once, and hangs in an interpreter.

None of this has run on a device. The arithmetic is tested under Triton's interpreter, and the kernels are compiled for
compute capability 9.0; sizes, warps, stages and shares of L2 are reasoned, not measured.
"""

import triton
import triton.language as tl

from xentcheck_kernels.triton_rows import exp_from, label_of, loss_of, slopes_of, store_gradient, sum_row

# A row's record, in accumulator precision: reference m, others, sum of the class weights, logit of the label
RECORD = tl.constexpr(4)


@triton.jit
def scale_of(
    upstream, upstream_stride, denominator, row, live, GIVEN: tl.constexpr, MEAN: tl.constexpr, ACC: tl.constexpr
):
    """(ROWS, 1) what a row's gradient is multiplied by: its upstream gradient, divided by the mean's denominator."""
    if GIVEN:
        scale = tl.load(upstream + row * upstream_stride, mask=live, other=0.0).to(ACC)
    else:
        scale = tl.full(row.shape, 1.0, ACC)
    if MEAN:
        scale = scale / tl.load(denominator).to(ACC)
    return scale


@triton.jit
def write_record(record, live, m, others, third, fourth):
    """The four numbers of a row, or of a slice of it."""
    tl.store(record, m, mask=live)
    tl.store(record + 1, others, mask=live)
    tl.store(record + 2, third, mask=live)
    tl.store(record + 3, fourth, mask=live)


@triton.jit
def rows_kernel(
    logits, target, weight, loss, records, grad, upstream, denominator,
    logits_stride, grad_stride, upstream_stride, rows, classes, ignore_index,
    SMOOTHING: tl.constexpr, Z_LOSS: tl.constexpr, WEIGHTED: tl.constexpr, GRAD: tl.constexpr, GIVEN: tl.constexpr,
    MEAN: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, MANY: tl.constexpr, STAGES: tl.constexpr,
    ACC: tl.constexpr,
):  # fmt: skip
    """Losses and records of all rows; with GRAD their gradients."""
    SMOOTH: tl.constexpr = SMOOTHING != 0.0
    KEEP: tl.constexpr = "evict_last" if GRAD else "evict_first"
    for tile in tl.range(tl.program_id(0), tl.cdiv(rows, ROWS), tl.num_programs(0)):
        index = tile * ROWS + tl.arange(0, ROWS)[:, None]
        live = index < rows
        at = index.to(tl.int64)
        row = logits + at * logits_stride
        kept, y, x_y, w_y = label_of(row, target, weight, index, live, classes, ignore_index, WEIGHTED, ACC)
        m, others, gap, weight_sum = sum_row(
            row, 0, classes, kept, y, weight, ROWS, BLOCK, MANY, STAGES, WEIGHTED, SMOOTH, ACC, KEEP
        )
        value = loss_of(m, others, gap, weight_sum, x_y, w_y, classes, SMOOTHING, Z_LOSS, ACC)
        tl.store(loss + index, tl.where(kept, value, 0.0), mask=live)
        write_record(records + at * RECORD, live, m, others, weight_sum, x_y)
        if GRAD:
            scale = scale_of(upstream, upstream_stride, denominator, at, live, GIVEN, MEAN, ACC)
            inverse, factor, share, at_label = slopes_of(
                m, others, weight_sum, x_y, w_y, scale, classes, SMOOTHING, Z_LOSS, ACC
            )
            grad_row = grad + at * grad_stride
            for start in tl.range(0, classes, BLOCK, num_stages=STAGES):
                store_gradient(
                    row, grad_row, start, classes, live, kept, y, m, inverse, factor, share, at_label, weight,
                    BLOCK, WEIGHTED, SMOOTH, ACC,
                )  # fmt: skip


@triton.jit
def gradient_kernel(
    logits, target, weight, records, grad, upstream, denominator,
    logits_stride, grad_stride, upstream_stride, rows, classes, ignore_index,
    SMOOTHING: tl.constexpr, Z_LOSS: tl.constexpr, WEIGHTED: tl.constexpr, UNLESS_ONE: tl.constexpr,
    MEAN: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """The gradient of rows whose records are there, one block of a tile of rows for each program: bit by bit what
    `rows_kernel` writes. UNLESS_ONE: `upstream` is one number, and `grad` holds the gradient for 1 already; if it is 1,
    nothing else is read."""
    SMOOTH: tl.constexpr = SMOOTHING != 0.0
    needed = True
    if UNLESS_ONE:
        needed = tl.load(upstream) != 1.0
    if needed:
        index = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
        live = index < rows
        at = index.to(tl.int64)
        row = logits + at * logits_stride
        kept, y, x_y, w_y = label_of(row, target, weight, index, live, classes, ignore_index, WEIGHTED, ACC)
        record = records + at * RECORD
        m = tl.load(record, mask=live, other=0.0)
        others = tl.load(record + 1, mask=live, other=0.0)
        weight_sum = tl.load(record + 2, mask=live, other=0.0)
        scale = scale_of(upstream, upstream_stride, denominator, at, live, True, MEAN, ACC)
        inverse, factor, share, at_label = slopes_of(
            m, others, weight_sum, x_y, w_y, scale, classes, SMOOTHING, Z_LOSS, ACC
        )
        store_gradient(
            row, grad + at * grad_stride, tl.program_id(1) * BLOCK, classes, live, kept, y, m, inverse, factor, share,
            at_label, weight, BLOCK, WEIGHTED, SMOOTH, ACC,
        )  # fmt: skip


@triton.jit
def join_slices(partial, SPLITS: tl.constexpr, SPLITS2: tl.constexpr, SMOOTH: tl.constexpr):
    """The sums of a row from those of its slices, (1, 1) each. Past L1, which may hold what was there before."""
    k = tl.arange(0, SPLITS2)[None, :]
    there = k < SPLITS
    record = partial + k * RECORD
    m_k = tl.load(record, mask=there, other=-float("inf"), cache_modifier=".cg")
    others_k = tl.load(record + 1, mask=there, other=0.0, cache_modifier=".cg")
    m = tl.max(m_k, 1, keep_dims=True)
    others = tl.sum(tl.where(there, others_k * exp_from(m_k, m), 0.0), 1, keep_dims=True)
    gap, weight_sum = tl.zeros_like(m), tl.zeros_like(m)
    if SMOOTH:
        gap_k = tl.load(record + 2, mask=there, other=0.0, cache_modifier=".cg")
        weight_k = tl.load(record + 3, mask=there, other=0.0, cache_modifier=".cg")
        gap_k += tl.where(weight_k == 0.0, 0.0, weight_k * (m - m_k))
        gap = tl.sum(gap_k, 1, keep_dims=True)
        weight_sum = tl.sum(weight_k, 1, keep_dims=True)
    return m, others, gap, weight_sum


@triton.jit
def slices_kernel(
    logits, target, weight, loss, records, grad, upstream, denominator, partials, counts,
    logits_stride, grad_stride, upstream_stride, rows, classes, ignore_index, slice_size, lag,
    SMOOTHING: tl.constexpr, Z_LOSS: tl.constexpr, WEIGHTED: tl.constexpr, GRAD: tl.constexpr, GIVEN: tl.constexpr,
    MEAN: tl.constexpr, SPLITS: tl.constexpr, SPLITS2: tl.constexpr, BLOCK: tl.constexpr, STAGES: tl.constexpr,
    ACC: tl.constexpr,
):  # fmt: skip
    """As `rows_kernel`. partials: (rows, SPLITS, RECORD); counts: (rows + 1) zeros: for each row how many of its slices
    are summed, and one more once it is ready; behind them the next ticket. SPLITS2: the power of two from SPLITS on."""
    SMOOTH: tl.constexpr = SMOOTHING != 0.0
    KEEP: tl.constexpr = "evict_last" if GRAD else "evict_first"
    KINDS: tl.constexpr = 2 if GRAD else 1
    steps = rows
    if GRAD:
        steps += lag
    ticket = tl.atomic_add(counts + rows, 1, sem="relaxed")
    while ticket < steps * (KINDS * SPLITS):
        following = tl.atomic_add(counts + rows, 1, sem="relaxed")  # its latency passes beside the task
        within = ticket % (KINDS * SPLITS)
        k = within % SPLITS
        summing = within < SPLITS
        number = ticket // (KINDS * SPLITS)
        if not summing:
            number -= lag
        if (number >= 0) & (number < rows):
            index = number + tl.arange(0, 1)[:, None]
            live = index >= 0
            at = index.to(tl.int64)
            row = logits + at * logits_stride
            first = k * slice_size
            last = tl.minimum(first + slice_size, classes)
            kept, y, x_y, w_y = label_of(row, target, weight, index, live, classes, ignore_index, WEIGHTED, ACC)
            if summing:
                m, others, gap, weight_sum = sum_row(
                    row, first, last, kept, y, weight, 1, BLOCK, True, STAGES, WEIGHTED, SMOOTH, ACC, KEEP
                )
                partial = partials + at * (SPLITS * RECORD)
                write_record(partial + k * RECORD, live, m, others, gap, weight_sum)
                tl.debug_barrier()  # all threads have stored before one of them releases
                if tl.atomic_add(counts + number, 1, sem="acq_rel") == SPLITS - 1:
                    m, others, gap, weight_sum = join_slices(partial, SPLITS, SPLITS2, SMOOTH)
                    value = loss_of(m, others, gap, weight_sum, x_y, w_y, classes, SMOOTHING, Z_LOSS, ACC)
                    tl.store(loss + index, tl.where(kept, value, 0.0))
                    write_record(records + at * RECORD, live, m, others, weight_sum, x_y)
                    tl.debug_barrier()
                    tl.atomic_add(counts + number, 1, sem="release")
            elif GRAD:
                while tl.atomic_add(counts + number, 0, sem="acquire") <= SPLITS:
                    pass
                record = records + at * RECORD
                m = tl.load(record, cache_modifier=".cg")
                others = tl.load(record + 1, cache_modifier=".cg")
                weight_sum = tl.load(record + 2, cache_modifier=".cg")
                x_y = tl.load(record + 3, cache_modifier=".cg")  # in the logits it may be overwritten already
                scale = scale_of(upstream, upstream_stride, denominator, at, live, GIVEN, MEAN, ACC)
                inverse, factor, share, at_label = slopes_of(
                    m, others, weight_sum, x_y, w_y, scale, classes, SMOOTHING, Z_LOSS, ACC
                )
                for start in tl.range(first, last, BLOCK, num_stages=STAGES):
                    store_gradient(
                        row, grad + at * grad_stride, start, last, live, kept, y, m, inverse, factor, share, at_label,
                        weight, BLOCK, WEIGHTED, SMOOTH, ACC,
                    )  # fmt: skip
        ticket = following
