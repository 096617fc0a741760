"""The Triton kernels of xentcheck-kernels, by rows and by slices of rows: on a GPU, and on the CPU under Triton's
interpreter, which shows their arithmetic and not the device's."""

from __future__ import annotations

import os
from typing import Any, Callable

from xentcheck_adapters import kernels_cpu, torch_autodiff, torch_cross_entropy, torch_procedures, torch_recipe
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned, Unavailable
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Precision, Subject

_OPTIONS = ("weight", "ignore_index", "label_smoothing", "z_loss", "hvp")
_SPLITS = {"kernels.triton": 1, "kernels.triton.split": 3}
# torch.func and forward mode ask for more than a function with a backward pass has
_PROCEDURES = frozenset(torch_procedures.OF_COMPILED) | {
    "inference mode",
    "constant logits",
    "behind relu",
    "overwritten loss",
    "interleaved",
}


def _subject(name: str, largest_rows: int, **details: Any) -> Subject:
    """The interpreter takes ten milliseconds for each tile of rows, or slice of one."""
    return Subject(
        name=name,
        adapter="kernels_triton",
        framework="triton",
        api="xentcheck_kernels.triton_loss.cross_entropy",
        mode="eager",
        requires=("torch", "triton", "xentcheck_kernels"),
        labels=("index",),
        # All in float32 (float64 for itself), rounded once; lanes add up blocks, and a tree the lanes
        precision={dtype: Precision("wide", "pairwise", row_sums="wide") for dtype in FLOAT_DTYPES},
        options=frozenset(_OPTIONS),
        procedures=_PROCEDURES,
        reductions=REDUCTIONS,
        label_dtypes=("int64", "int32"),
        devices=("cpu", "cuda"),
        mean_divides_by={"index": "weights"},
        largest_rows=largest_rows,
        largest_classes=4097,
        retraces=True,
        **details,
    )


SUBJECTS = (_subject("kernels.triton", 257), _subject("kernels.triton.split", 33, variant_of="kernels.triton"))


def offered_options(subject: str) -> list[str]:
    """The optional arguments of cross_entropy; its gradient refuses to be differentiated."""
    return list(_OPTIONS)


def versions() -> dict[str, str]:
    """Versions of the kernels, Triton and torch."""
    import importlib.metadata

    return {**kernels_cpu.versions(), **{name: importlib.metadata.version(name) for name in ("triton", "torch")}}


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "kernels.triton" or "kernels.triton.split"; Unavailable without the device."""
    if device == "cpu":  # a worker is for one device
        os.environ["TRITON_INTERPRET"] = "1"
    elif os.environ.get("TRITON_INTERPRET") == "1":
        raise Unavailable(f"in this process Triton is interpreted, which is not what {device} does")
    from xentcheck_kernels.triton_loss import cross_entropy

    place = torch_autodiff.open_device(device)
    splits = _SPLITS[subject]

    def run(call: Call) -> Returned:
        given = {**torch_cross_entropy.arguments(call, place), "z_loss": call.z_loss, "splits": splits}
        return torch_autodiff.evaluate(lambda x, y: cross_entropy(x, y, **given), call, place)

    return run


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of the subject as lines."""
    options = kernels_cpu.keywords(subject, call, torch_recipe.tensor)
    text = f"cross_entropy(x, y{options}, splits={_SPLITS[subject.known_as]})"
    interpreted = ("import os", 'os.environ["TRITON_INTERPRET"] = "1"')
    imports = (*interpreted, "from xentcheck_kernels.triton_loss import cross_entropy")
    return torch_recipe.autograd(LossText(text, call, imports=imports))
