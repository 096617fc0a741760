"""tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits and SoftmaxCrossEntropyWithLogits: the kernels that tf.nn's functions
call, without the casts that those make. They return the loss and its gradient; the gradient here is the tape's, which
is the upstream gradient times the latter."""

from __future__ import annotations

from typing import Any, Callable

from xentcheck_adapters import tensorflow_autodiff, tensorflow_procedures, tensorflow_recipe, tensorflow_timing
from xentcheck_adapters.call import Call
from xentcheck_adapters.dtypes import FLOAT_DTYPES
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Precision, Subject
from xentcheck_adapters.tensorflow_nn import versions
from xentcheck_adapters.workload import Repeat, Workload

__all__ = ["SUBJECTS", "offered_options", "open_subject", "recipe", "timed", "versions"]

_OP = {"sparse": "SparseSoftmaxCrossEntropyWithLogits", "dense": "SoftmaxCrossEntropyWithLogits"}
_OTHER_FORM = {"sparse": "dense", "dense": "sparse"}


def _subject(form: str) -> Subject:
    return Subject(
        name=f"tf.raw.{form}",
        adapter="tensorflow_raw",
        framework="tensorflow",
        api=f"tf.raw_ops.{_OP[form]}",
        mode="eager",
        requires=("tensorflow",),
        labels=("dense" if form == "dense" else "index",),
        precision=dict.fromkeys(
            FLOAT_DTYPES, Precision("uniform", "block", 1024, underflow=tensorflow_autodiff.UNDERFLOW)
        ),
        options=frozenset(offered_options(f"tf.raw.{form}")),
        procedures=frozenset(tensorflow_procedures.PROCEDURES),
        label_dtypes=("int64", "int32"),
        devices=("cpu", "cuda"),
        form_twin=f"tf.raw.{_OTHER_FORM[form]}",
        variant_of=f"tf.{form}.eager",
        timed=True,
        environment=tensorflow_autodiff.ENVIRONMENT,
    )


def offered_options(subject: str) -> list[str]:
    """Both forms differentiate twice; only the dense form also with respect to its labels."""
    return ["hvp", "grad_labels"] if subject == "tf.raw.dense" else ["hvp"]


SUBJECTS = tuple(_subject(form) for form in _OP)


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "tf.raw.FORM"; Unavailable without the device."""
    import tensorflow as tf

    place = tensorflow_autodiff.open_device(device)
    op = getattr(tf.raw_ops, _OP[subject.rpartition(".")[2]])

    def loss(logits: Any, labels: Any) -> Any:
        return op(features=logits, labels=labels).loss

    step = tensorflow_autodiff.gradient_step(loss)
    return lambda call: tensorflow_autodiff.evaluate(step, call, place)


def timed(subject: str, workload: Workload) -> Repeat:
    """The kernel itself, which makes loss and gradient of every row whatever is asked for."""
    import tensorflow as tf

    op = getattr(tf.raw_ops, _OP[subject.rpartition(".")[2]])
    return tensorflow_timing.called(lambda logits, labels: op(features=logits, labels=labels), workload)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "tf.raw.FORM" as lines."""
    op = f"tf.raw_ops.{_OP[subject.name.rpartition('.')[2]]}"
    return tensorflow_recipe.taped(LossText(f"{op}(features=x, labels=y).loss", call))
