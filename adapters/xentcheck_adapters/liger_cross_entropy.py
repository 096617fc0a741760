"""Liger-Kernel's cross-entropy, a Triton kernel, under Triton's interpreter: its arithmetic without a GPU."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters import torch_autodiff, torch_cross_entropy, torch_recipe
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Precision, Subject

_OPTIONS = ("ignore_index", "label_smoothing", "z_loss")
_LARGEST_ROWS, _LARGEST_CLASSES = 64, 1025  # the interpreter takes milliseconds for each row

SUBJECTS = (
    Subject(
        name="liger",
        adapter="liger_cross_entropy",
        framework="liger",
        api="liger_kernel.transformers.functional.liger_cross_entropy",
        mode="eager",
        requires=("torch", "triton", "liger_kernel"),
        labels=("index",),
        # An online softmax in float32, of blocks of up to 64 Ki classes that NumPy adds up; log-sum-exp minus logit
        precision={"float32": Precision("wide", "pairwise", offset=True)},
        dtypes=("float32",),
        options=frozenset(_OPTIONS),
        procedures=frozenset({"twice"}),
        reductions=REDUCTIONS,
        label_dtypes=("int64", "int32"),
        mean_divides_by={"index": "kept"},
        empty_mean=0.0,
        largest_rows=_LARGEST_ROWS,
        largest_classes=_LARGEST_CLASSES,
        retraces=True,
        environment={"TRITON_INTERPRET": "1"},
    ),
)


def offered_options(subject: str) -> list[str]:
    """Its arguments; softcap and class weights are left out, which Triton's interpreter fails on."""
    return list(_OPTIONS)


def versions() -> dict[str, str]:
    """Versions of Liger-Kernel, Triton and torch."""
    import importlib.metadata

    return {name: importlib.metadata.version(name) for name in ("liger_kernel", "triton", "torch")}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "liger"."""
    if device != "cpu":
        raise Unavailable(f"this adapter interprets Triton on cpu, got device {device!r}")
    from liger_kernel.transformers.functional import liger_cross_entropy

    place = torch_autodiff.open_device(device)

    def run(call: Call) -> Returned:
        given: dict[str, Any] = torch_cross_entropy.arguments(call, place)
        if call.z_loss:
            given["lse_square_scale"] = call.z_loss
        # Of a copy: it writes the gradient over its input (a finding), which would be told of every call.
        return torch_autodiff.evaluate(lambda x, y: liger_cross_entropy(x.clone(), y, **given), call, place)

    return run


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "liger" as lines."""
    scale = f", lse_square_scale={call.z_loss}" if call.z_loss else ""
    text = f"liger_cross_entropy(x.clone(), y{torch_recipe.keywords(call)}{scale})"
    interpreted = ("import os", 'os.environ["TRITON_INTERPRET"] = "1"')
    imports = (*interpreted, "from liger_kernel.transformers.functional import liger_cross_entropy")
    return torch_recipe.autograd(LossText(text, call, imports=imports))
