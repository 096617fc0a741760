"""torch.nn.functional.cross_entropy with its gradient, in Triton: see `triton_kernels.py` for what it costs.

`cross_entropy` is differentiated by autograd. `value_and_grad` is for whoever knows the upstream gradient at once: one
call, one read of the logits and one write of the gradient, which may lie over the logits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch.autograd.function import once_differentiable
from triton import language as tl

from xentcheck_kernels.options import check_options
from xentcheck_kernels.triton_kernels import RECORD, gradient_kernel, rows_kernel, slices_kernel
from xentcheck_kernels.triton_plan import REGISTERS, STAGES, WARPS, Plan

_ACCUMULATORS = {
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.float32: torch.float32,
    torch.float64: torch.float64,
}


def cross_entropy(
    input: torch.Tensor,
    target: torch.Tensor,
    *,
    weight: torch.Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "mean",
    splits: int | None = None,
) -> torch.Tensor:
    """Softmax cross-entropy of logits (N, C) and class indices (N,), as torch.nn.functional.cross_entropy has it.

    input    float16, bfloat16, float32 or float64, on a CUDA device; on the CPU under Triton's interpreter
    target   int64 or int32. A label outside [0, C) that is not `ignore_index` makes its row's loss and gradient NaN: to
             raise, the host would have to wait for the device
    weight   (C,) class weights; they are taken for constants
    z_loss   zeta: each kept row's loss gains zeta lse², which is not weighted
    splits   how many slices a row is cut into, for programs to share; None for none while L2 holds the rows in flight:
             see `triton_kernels.py`

    The loss is float32 for 16-bit logits, else in the dtype of the logits. The gradient is computed with the loss for a
    mean, and given away as it is where the upstream gradient turns out to be 1, which nobody knows yet; for any other
    it is computed anew from the logits, so it is rounded once. It refuses to be differentiated.

    Raises TypeError and ValueError for what is neither.
    """
    problem = _Problem.of(input, target, weight, ignore_index, label_smoothing, z_loss, reduction, splits)
    return _CrossEntropy.apply(input, target, weight, problem)


def value_and_grad(
    input: torch.Tensor,
    target: torch.Tensor,
    *,
    weight: torch.Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "mean",
    splits: int | None = None,
    grad_output: torch.Tensor | None = None,
    out: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of `cross_entropy`, and the gradient of the logits under the upstream gradient `grad_output`.

    grad_output  in the shape of the loss; None for ones
    out          (N, C) where the gradient goes, in the logits' dtype, its classes contiguous; may be `input` itself
    """
    problem = _Problem.of(input, target, weight, ignore_index, label_smoothing, z_loss, reduction, splits)
    expected = tuple(target.shape) if reduction == "none" else ()
    if grad_output is not None and tuple(grad_output.shape) != expected:
        raise ValueError(f"grad_output of shape {tuple(grad_output.shape)}, expected that of the loss, {expected}")
    if out is None:
        out = torch.empty_like(problem.logits)
    elif out.shape != input.shape or out.dtype != input.dtype or out.device != input.device or out.stride(-1) != 1:
        raise ValueError(
            f"out of {_described(out)}, stride {tuple(out.stride())}: expected {_described(input)}, contiguous classes"
        )
    losses, _ = problem.forward(out.detach(), grad_output)
    return problem.reduced(losses), out


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, input: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None, problem: _Problem
    ) -> torch.Tensor:
        ctx.problem = problem
        # What will be multiplied with the gradient is most often 1 for a mean, and seldom for anything else.
        ctx.guess = torch.empty_like(problem.logits) if ctx.needs_input_grad[0] and problem.mean else None
        losses, records = problem.forward(ctx.guess)
        ctx.save_for_backward(input, target, weight, records)
        return problem.reduced(losses)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        *_, records = ctx.saved_tensors  # raises if one of the inputs was written to, or the graph was freed
        guess, ctx.guess = ctx.guess, None  # a second backward pass makes a gradient of its own
        return ctx.problem.gradient(records, grad_output, guess), None, None, None


@dataclass
class _Problem:
    """A checked call, with its arguments as the kernels take them."""

    logits: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor | None
    ignore_index: int
    label_smoothing: float
    z_loss: float
    reduction: str
    splits: int | None
    denominator: torch.Tensor | None

    @classmethod
    def of(
        cls,
        input: torch.Tensor,
        target: torch.Tensor,
        weight: torch.Tensor | None,
        ignore_index: int,
        label_smoothing: float,
        z_loss: float,
        reduction: str,
        splits: int | None,
    ) -> _Problem:
        if input.dtype not in _ACCUMULATORS:
            raise TypeError(f"logits of {input.dtype}, expected one of {', '.join(map(str, _ACCUMULATORS))}")
        if target.dtype not in (torch.int32, torch.int64):
            raise TypeError(f"labels of {target.dtype}, expected class indices as torch.int64 or torch.int32")
        if input.ndim != 2 or target.shape != input.shape[:1] or not input.shape[1]:
            raise ValueError(
                f"logits of shape {tuple(input.shape)} and labels of shape {tuple(target.shape)}, "
                "expected (N, C) and (N,), with a class at least"
            )
        if weight is not None and (weight.shape != input.shape[1:] or not weight.is_floating_point()):
            raise ValueError(f"class weights of {_described(weight)}, expected ({input.shape[1]},) real numbers")
        check_options(label_smoothing, reduction)
        if splits is not None and splits < 1:
            raise ValueError(f"splits {splits}, expected 1 or more, or None")
        for name, tensor in (("labels", target), ("class weights", weight)):
            if tensor is not None and tensor.device != input.device:
                raise ValueError(f"{name} on {tensor.device}, expected {input.device}, where the logits are")
        if not input.is_cuda and not triton.knobs.runtime.interpret:
            raise ValueError(
                f"logits on {input.device}: Triton needs a CUDA device, or TRITON_INTERPRET=1 in the environment "
                "before this module is imported"
            )
        logits = input.detach()
        if logits.stride(1) != 1 and logits.shape[1] > 1:
            logits = logits.contiguous()
        accumulator = _ACCUMULATORS[logits.dtype]
        target = target.contiguous()
        weight = None if weight is None else weight.detach().to(accumulator).contiguous()
        denominator = _denominator(target, weight, ignore_index, accumulator) if reduction == "mean" else None
        return cls(logits, target, weight, ignore_index, label_smoothing, z_loss, reduction, splits, denominator)

    @property
    def mean(self) -> bool:
        return self.denominator is not None

    def reduced(self, losses: torch.Tensor) -> torch.Tensor:
        if self.reduction == "none":
            return losses
        total = losses.sum()
        return total if self.denominator is None else total / self.denominator

    def forward(
        self, grad: torch.Tensor | None, upstream: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows' losses and records; the gradient goes to `grad`."""
        rows, classes = self.logits.shape
        losses = self.logits.new_empty(rows, dtype=_ACCUMULATORS[self.logits.dtype])
        records = losses.new_empty((rows, RECORD.value))
        if not rows:
            return losses, records
        plan = Plan.of(self.logits, self.splits)
        kinds = {**self._kinds, "GRAD": grad is not None, "GIVEN": upstream is not None, "STAGES": STAGES}
        kinds["BLOCK"] = plan.block
        with torch.cuda.device_of(self.logits), _as_written(grad) as written:
            tensors = (self.logits, self.target, self.weight, losses, records, written, upstream, self.denominator)
            numbers = (self.logits.stride(0), 0 if written is None else written.stride(0), _stride(upstream))
            sizes = (rows, classes, self.ignore_index)
            if plan.splits == 1:
                kinds |= {"ROWS": plan.rows, "MANY": classes > plan.block}
                tiles = triton.cdiv(rows, plan.rows)
                programs = tiles if grad is None else min(plan.programs, tiles)
                rows_kernel[(programs,)](*tensors, *numbers, *sizes, **kinds)
            else:
                partials = losses.new_empty((rows, plan.splits, RECORD.value))
                counts = torch.zeros(rows + 1, dtype=torch.int32, device=losses.device)
                kinds |= {"SPLITS": plan.splits, "SPLITS2": triton.next_power_of_2(plan.splits)}
                slices_kernel[(min(plan.programs, rows * plan.splits),)](
                    *tensors, partials, counts, *numbers, *sizes, plan.slice_size, plan.lag(rows), **kinds
                )
        return losses, records

    def gradient(self, records: torch.Tensor, upstream: torch.Tensor, guess: torch.Tensor | None) -> torch.Tensor:
        """The gradient under any upstream gradient; `guess`, if it is there, is that for 1, and is overwritten."""
        grad = torch.empty_like(self.logits) if guess is None else guess
        rows, classes = self.logits.shape
        plan = Plan.of(self.logits, self.splits)
        if rows:
            with torch.cuda.device_of(self.logits), _as_written(grad) as written:
                gradient_kernel[(triton.cdiv(rows, plan.rows), triton.cdiv(classes, plan.block))](
                    self.logits, self.target, self.weight, records, written, upstream, self.denominator,
                    self.logits.stride(0), written.stride(0), _stride(upstream), rows, classes, self.ignore_index,
                    **self._kinds, UNLESS_ONE=guess is not None, ROWS=plan.rows, BLOCK=plan.block,
                )  # fmt: skip
        return grad

    @property
    def _kinds(self) -> dict[str, Any]:
        """The compile-time arguments of all kernels, and their launch options, which the interpreter drops."""
        plain = not self.label_smoothing and self.logits.dtype != torch.float64
        return {
            "SMOOTHING": self.label_smoothing,
            "Z_LOSS": self.z_loss,
            "WEIGHTED": self.weight is not None,
            "MEAN": self.mean,
            "ACC": tl.float64 if self.logits.dtype == torch.float64 else tl.float32,
            "num_warps": WARPS,
            "maxnreg": REGISTERS if plain else None,
        }


@contextmanager
def _as_written(grad: torch.Tensor | None) -> Iterator[Any]:
    """What the kernels write a gradient to: itself, but for bfloat16 in the interpreter, which truncates float32 to it
    (Triton 3.9) where a device rounds. There torch rounds."""
    if grad is None or grad.dtype != torch.bfloat16 or not triton.knobs.runtime.interpret:
        yield grad
    else:
        written = grad.float()
        yield written
        grad.copy_(written)


def _denominator(
    target: torch.Tensor, weight: torch.Tensor | None, ignore_index: int, accumulator: torch.dtype
) -> torch.Tensor:
    """() what a mean divides by: how many rows are kept, or the sum of their labels' weights. A label that is none has
    the weight of the first or the last class: its row makes the mean NaN anyway."""
    kept = target != ignore_index
    if weight is None:
        return kept.sum().to(accumulator)
    of_labels = weight[target.clamp(0, len(weight) - 1).long()]
    return torch.where(kept, of_labels, 0.0).sum()


def _stride(upstream: torch.Tensor | None) -> int:
    return upstream.stride(0) if upstream is not None and upstream.ndim else 0


def _described(tensor: torch.Tensor) -> str:
    return f"{tensor.dtype}, shape {tuple(tensor.shape)}, on {tensor.device}"
