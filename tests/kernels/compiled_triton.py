"""A program of its own, where Triton does not interpret: compiles the kernels for compute capability 9.0 and one dtype,
and prints for each how many bytes of shared memory it takes."""

from __future__ import annotations

import sys
from typing import Any

from triton import language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from xentcheck_kernels.triton_kernels import gradient_kernel, rows_kernel, slices_kernel
from xentcheck_kernels.triton_plan import STAGES, WARPS

dtype = sys.argv[1]
accumulator = "fp64" if dtype == "fp64" else "fp32"
POINTERS = {"logits": dtype, "grad": dtype, "target": "i64", "counts": "i32"} | dict.fromkeys(
    ("weight", "loss", "records", "upstream", "denominator", "partials"), accumulator
)
ALIGNED = {"logits", "grad", "logits_stride", "grad_stride", "classes", "slice_size"}
LONG: dict[str, Any] = {"ROWS": 1, "BLOCK": 2048, "MANY": True, "STAGES": STAGES}
SHORT = LONG | {"ROWS": 16, "BLOCK": 128, "MANY": False}
PLAIN: dict[str, Any] = {"SMOOTHING": 0.0, "Z_LOSS": 0.0, "WEIGHTED": False, "MEAN": True}
OPTIONS = PLAIN | {"SMOOTHING": 0.1, "Z_LOSS": 0.01, "WEIGHTED": True}
SLICES = {"SPLITS": 5, "SPLITS2": 8}


def shared_bytes(kernel: Any, constants: dict[str, Any]) -> int:
    """Of a kernel with these compile-time arguments, as far as it has them."""
    names = kernel.arg_names
    given = {"ACC": tl.float64 if dtype == "fp64" else tl.float32} | constants
    constexprs = {name: value for name, value in given.items() if name in names}
    types = {name: f"*{POINTERS[name]}" if name in POINTERS else "i32" for name in names}
    source = ASTSource(
        fn=kernel,
        signature={name: "constexpr" if name in constexprs else types[name] for name in names},
        constexprs=constexprs,
        attrs={(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if name in ALIGNED},
    )
    return compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": WARPS}).metadata.shared


for options in (PLAIN, OPTIONS):
    for given in (True, False):
        for size in (LONG, SHORT):
            print("rows", shared_bytes(rows_kernel, options | size | {"GRAD": given, "GIVEN": given}))
        print("slices", shared_bytes(slices_kernel, options | LONG | SLICES | {"GRAD": given, "GIVEN": given}))
    print("gradient", shared_bytes(gradient_kernel, options | LONG | {"UNLESS_ONE": True}))
