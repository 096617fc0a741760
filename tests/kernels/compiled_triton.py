"""A program of its own, where Triton does not interpret: compiles the kernels for compute capability 9.0 and one dtype,
and prints for each how many bytes of shared memory it takes. An interpreter reads only what is run; a compiler also
reads the branches of a call that has no gradient, no weights, or a single row, which Triton makes a constant."""

from __future__ import annotations

import sys
from typing import Any

from triton import language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from xentcheck_kernels.triton_kernels import gradient_kernel, rows_kernel, slices_kernel
from xentcheck_kernels.triton_plan import REGISTERS, STAGES, WARPS

dtype = sys.argv[1]
accumulator = "fp64" if dtype == "fp64" else "fp32"
POINTERS = {"logits": dtype, "grad": dtype, "target": "i64", "counts": "i32"} | dict.fromkeys(
    ("weight", "loss", "records", "upstream", "denominator", "partials"), accumulator
)
ALIGNED = {"logits", "grad", "logits_stride", "grad_stride", "classes", "slice_size"}
ONES = dict.fromkeys(("rows", "classes", "lag", "slice_size", "logits_stride", "grad_stride", "upstream_stride"), 1)

LONG: dict[str, Any] = {"ROWS": 1, "BLOCK": 2048, "MANY": True, "STAGES": STAGES}
SHORT = LONG | {"ROWS": 16, "BLOCK": 128, "MANY": False}
SLICES = LONG | {"SPLITS": 5, "SPLITS2": 8}
OPTIONS: dict[str, Any] = {"SMOOTHING": 0.1, "Z_LOSS": 0.01, "WEIGHTED": True, "MEAN": True}
PLAIN = OPTIONS | {"SMOOTHING": 0.0, "Z_LOSS": 0.0, "WEIGHTED": False, "weight": None}
FUSED: dict[str, Any] = {"GRAD": True, "GIVEN": True}
GUESS = {"GRAD": True, "GIVEN": False, "upstream": None}
ALONE = GUESS | {"GRAD": False, "grad": None, "MEAN": False, "denominator": None}


def shared_bytes(kernel: Any, constants: dict[str, Any]) -> int:
    """Of a kernel with these constant arguments, as far as it has them."""
    names = kernel.arg_names
    given = {"ACC": tl.float64 if dtype == "fp64" else tl.float32} | constants
    constexprs = {name: value for name, value in given.items() if name in names}
    types = {name: f"*{POINTERS[name]}" if name in POINTERS else "i32" for name in names}
    source = ASTSource(
        fn=kernel,
        signature={name: "constexpr" if name in constexprs else types[name] for name in names},
        constexprs=constexprs,
        attrs={(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if name in ALIGNED - constexprs.keys()},
    )
    plain = not given["SMOOTHING"] and dtype != "fp64"
    launch = {"num_warps": WARPS, "maxnreg": REGISTERS if plain else None}
    return compile(source, target=GPUTarget("cuda", 90, 32), options=launch).metadata.shared


for options in (PLAIN, OPTIONS, PLAIN | ONES, OPTIONS | ONES):
    for asked in (FUSED, GUESS, ALONE):
        for size in (LONG, SHORT):
            print("rows", shared_bytes(rows_kernel, options | asked | size))
        print("slices", shared_bytes(slices_kernel, options | asked | SLICES))
    for unless_one in (True, False):
        print("gradient", shared_bytes(gradient_kernel, options | LONG | {"UNLESS_ONE": unless_one}))
