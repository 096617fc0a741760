"""How many programs share the rows, and what each of them holds: by the number of classes, the dtype and the device.

Reasoned for an H100 or H200 and not measured there; these are the numbers to begin with on a device. What was seen is
what they compile to for compute capability 9.0: held to 80 registers a thread, the kernels spill 8 bytes at most; with
label smoothing, or in float64, they take 210 to 254, and a processor has room for one program instead of three.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton

_TILE = 2048  # logits, 8 a thread: one load of 16 bytes in 16 bits. With 16 a thread, a program takes 174 registers
WARPS = 8
_RESIDENT = 3  # programs on a processor
REGISTERS = 80  # for each thread of that many
STAGES = 3  # two blocks on their way while one is summed: of three programs 24 KiB in 16 bits, an SM's share of latency
_SLICE_BYTES = 64 * 1024
_L2_SHARE = 2.0 / 3.0


@dataclass(frozen=True)
class Plan:
    """How the rows of one call are shared out.

    rows, block         of a tile
    splits, slice_size  slices of a row, and their classes
    programs            how many are started at most

    Not by the number of rows, nor by what is asked of them: the sums of a row have one order, in every batch, with a
    gradient and without.
    """

    rows: int
    block: int
    splits: int
    slice_size: int
    programs: int

    @classmethod
    def of(cls, logits: torch.Tensor, splits: int | None) -> Plan:
        classes = logits.shape[1]
        row_bytes = classes * logits.element_size()
        processors, cache = _machine(logits.device)
        programs, cached = _RESIDENT * processors, int(_L2_SHARE * cache / row_bytes)
        if splits is None:
            splits = triton.cdiv(row_bytes, _SLICE_BYTES) if cached < programs else 1
        block = min(triton.next_power_of_2(triton.cdiv(classes, splits)), _TILE)
        slice_size = block * triton.cdiv(triton.cdiv(classes, block), splits)
        splits = triton.cdiv(classes, slice_size)
        if splits > 1:
            return cls(1, block, splits, slice_size, programs)
        # Between their two reads, no more rows than L2 holds, if that leaves no processor without one
        return cls(_TILE // block, block, 1, slice_size, min(programs, max(cached, processors)))

    def lag(self, rows: int) -> int:
        """How many rows the gradients of slices are behind the sums: as many as are in flight."""
        return triton.cdiv(min(self.programs, rows * self.splits), self.splits)  # type: ignore[no-any-return]


def _machine(device: torch.device) -> tuple[int, int]:
    """Processors of a device, and bytes of its L2 cache; of the interpreter, what lets it show every path."""
    if device.type != "cuda":
        return 2, 1 << 20
    properties = torch.cuda.get_device_properties(device)
    return properties.multi_processor_count, properties.L2_cache_size
