"""torch.nn.functional.linear_cross_entropy, reference and chunked, asked about logits: its linear map is the identity.

Its input is then the logits and its gradient to the input the one to the logits, exactly, as long as both are finite: a
sum of one term and zeros rounds nothing. An infinite or NaN logit meets zeros in the product, and poisons its row.
"""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters import torch_autodiff, torch_cross_entropy, torch_recipe
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import NotInVersion, Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Precision, Subject

# A chunk matches the input in memory by default, which for as many features as classes is the whole batch.
_ROWS_OF_A_CHUNK = 16
# The identity takes C² numbers, 8 MiB of them in float64, and two products with it.
_LARGEST_CLASSES = 1024

_OPTIONS = {
    "eager": ("weight", "ignore_index", "label_smoothing", "grad_labels", "hvp"),
    "chunked": ("weight", "ignore_index", "hvp"),
}
# The chunked loop (torch/nn/modules/linear_cross_entropy.py) works in float32 for 16-bit inputs and rounds its results
# once, but for the loss of a chunk: bfloat16 adds that up in itself. Each chunk of 16 rows adds twice to the loss, one
# addition for 8 rows; torch.sum over the classes errs less than 8 running sums do.
_CHUNKED = {
    dtype: Precision("wide", "lane", 8, row_sums="wide" if dtype == "float16" else "io") for dtype in FLOAT_DTYPES
}


def _subject(mode: str, labels: tuple[str, ...], **details: Any) -> Subject:
    return Subject(
        name=f"torch.linear.{mode}",
        adapter="torch_linear",
        framework="torch",
        api="torch.nn.functional.linear_cross_entropy",
        mode=mode,
        requires=("torch",),
        labels=labels,
        options=frozenset(_OPTIONS[mode]),
        reductions=REDUCTIONS,
        devices=("cpu", "cuda"),
        mean_divides_by={kind: {"index": "weights", "dense": "rows"}[kind] for kind in labels},
        largest_classes=_LARGEST_CLASSES,
        environment=torch_cross_entropy.ENVIRONMENT,
        **details,
    )


SUBJECTS = (
    _subject("eager", ("index", "dense"), precision=torch_cross_entropy.EAGER, variant_of="torch.eager"),
    # Soft labels and smoothing fall back to the reference, with a warning.
    _subject("chunked", ("index",), precision=_CHUNKED, mode_twin="torch.linear.eager"),
)

versions = torch_cross_entropy.versions


def offered_options(subject: str) -> list[str]:
    """Those of the reference implementation, or what the chunked one does without falling back to it."""
    return list(_OPTIONS[subject.rpartition(".")[2]])


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "torch.linear.eager" or "torch.linear.chunked"; Unavailable without the device, NotInVersion without
    the function."""
    import torch

    place = torch_autodiff.open_device(device)
    if not hasattr(torch.nn.functional, "linear_cross_entropy"):
        raise NotInVersion(f"torch {torch.__version__} has no linear_cross_entropy: 2.13 is the first")
    chunks = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=_ROWS_OF_A_CHUNK)
    options = chunks if subject.endswith(".chunked") else None

    def run(call: Call) -> Returned:
        given = torch_cross_entropy.arguments(call, place)

        def function(logits: Any, labels: Any) -> Any:
            identity = torch.eye(logits.shape[-1], dtype=logits.dtype, device=place)
            return torch.nn.functional.linear_cross_entropy(logits, identity, labels, options=options, **given)

        return torch_autodiff.evaluate(function, call, place)

    return run


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "torch.linear.eager" or "torch.linear.chunked" as lines; the linear map is the identity."""
    options = f", options=torch.nn.LinearCrossEntropyOptions(batch_chunk_size={_ROWS_OF_A_CHUNK})"
    given = f"{options if subject.name.endswith('.chunked') else ''}{torch_recipe.keywords(call)}"
    text = f"F.linear_cross_entropy(x, torch.eye({call.logits.shape[-1]}, dtype=x.dtype), y{given})"
    return torch_recipe.autograd(LossText(text, call, imports=(torch_recipe.FUNCTIONAL,)))
