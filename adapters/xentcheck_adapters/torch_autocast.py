"""cross_entropy and nll_loss(log_softmax) under torch.autocast, whose lists say which operations leave 16 bits.

The forward pass alone runs under autocast, as its documentation asks for.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from xentcheck_adapters import torch_autodiff, torch_cross_entropy, torch_nll, torch_recipe
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Precision, Subject

_API = {
    "cross_entropy": "torch.nn.functional.cross_entropy under torch.autocast",
    "nll": "torch.nn.functional.nll_loss(log_softmax(logits)) under torch.autocast",
}
_OPTIONS = {
    "cross_entropy": ("weight", "ignore_index", "label_smoothing", "grad_labels", "hvp"),
    "nll": ("weight", "ignore_index", "hvp"),
}
# cross_entropy_loss is on the CPU's list of operations that run in float32, so 16-bit logits are widened and the loss
# stays float32; rows are added in that. log_softmax is on no list of the CPU's: it stores 16 bits, which nll_loss,
# which is on the list, then reads as float32.
_WIDENED = {dtype: Precision("wide", "lane", 4 if dtype == "float64" else 8, row_sums="wide") for dtype in FLOAT_DTYPES}
_STORED = {
    dtype: Precision("stored", "lane", 4 if dtype == "float64" else 8, row_sums="wide") for dtype in FLOAT_DTYPES
}


def _subject(loss: str) -> Subject:
    labels = ("index", "dense") if loss == "cross_entropy" else ("index",)
    return Subject(
        name=f"torch.autocast.{loss}",
        adapter="torch_autocast",
        framework="torch",
        api=_API[loss],
        mode="eager",
        requires=("torch",),
        labels=labels,
        precision=_WIDENED if loss == "cross_entropy" else _STORED,
        options=frozenset(_OPTIONS[loss]),
        reductions=REDUCTIONS,
        variant_of="torch.eager",
        mean_divides_by={kind: {"index": "weights", "dense": "rows"}[kind] for kind in labels},
        class_axes=(1,),
        environment=torch_cross_entropy.ENVIRONMENT,
    )


# On the CPU only: CUDA has another list, with log_softmax on it.
SUBJECTS = tuple(_subject(loss) for loss in _API)

versions = torch_cross_entropy.versions


def offered_options(subject: str) -> list[str]:
    """Those of the loss that is called."""
    return list(_OPTIONS[subject.rpartition(".")[2]])


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "torch.autocast.LOSS"; Unavailable without the device."""
    import torch

    place = torch_autodiff.open_device(device)
    is_nll = subject.endswith(".nll")
    loss: Callable[..., Any] = torch_nll.nll_of_log_softmax if is_nll else torch.nn.functional.cross_entropy

    def run(call: Call) -> Returned:
        given = torch_cross_entropy.arguments(call, place)

        def function(logits: Any, labels: Any) -> Any:
            low = torch.float16 if logits.dtype == torch.float16 else torch.bfloat16
            with torch.autocast(place.type, dtype=low):
                return loss(logits, labels, **given)

        return torch_autodiff.evaluate(function, call, place)

    return run


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "torch.autocast.LOSS" as lines."""
    is_nll = subject.name.endswith(".nll")
    text = torch_nll.text(call) if is_nll else f"F.cross_entropy(x, y{torch_recipe.keywords(call)})"
    low = "float16" if call.logits.dtype == np.float16 else "bfloat16"
    mode = f'with torch.autocast("cpu", dtype=torch.{low}): '
    return torch_recipe.autograd(LossText(text, call, imports=(torch_recipe.FUNCTIONAL,), mode=mode))
