"""Ignored rows with Keras 3 by its own mask: what a Masking layer leaves on the predictions, on all four backends.

The ignored label is replaced before Keras sees it. The loss object makes the mask a weight of 0 or 1 a row, and the
mean is over the kept rows. What sets a mask on a tensor is not public; a layer that computes one is:
https://keras.io/guides/understanding_masking_and_padding/#supporting-masking-in-your-custom-layers
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

from xentcheck_adapters import keras_losses
from xentcheck_adapters.call import REDUCTIONS, Call
from xentcheck_adapters.outcome import Returned
from xentcheck_adapters.recipe import LossText, Recipe
from xentcheck_adapters.subject import Subject

_LOSSES = [subject for subject in keras_losses.SUBJECTS if subject.name.endswith(".scce")]


def _subject(loss: Subject) -> Subject:
    return replace(
        loss,
        name=f"{loss.name}-masked",
        adapter="keras_masks",
        api=f"{loss.api} of predictions with a mask",
        options=loss.options - {"sample_weight"},
        reductions=REDUCTIONS,
        variant_of=loss.name,
    )


SUBJECTS = tuple(_subject(loss) for loss in _LOSSES)

versions = keras_losses.versions
found = keras_losses.found


def offered_options(subject: str) -> list[str]:
    """What the mask makes of the loss, and second derivatives where there are first ones."""
    return ["ignore_index", *(() if subject.startswith("keras.numpy.") else ("hvp",))]


def open_subject(subject: str, device: str) -> Callable[[Call], Returned]:
    """A runner for "keras.BACKEND.scce-masked"; Unavailable without the device."""
    return keras_losses.runner(subject.split(".")[1], device, _masked_loss)


def _masked_loss(call: Call) -> keras_losses.Loss:
    from keras import ops

    made = keras_losses.loss_object("scce", call, {"from_logits": True, **keras_losses.axis_argument(call)})
    ignored = call.ignore_index
    if ignored is None:
        return made

    def loss(logits: Any, labels: Any) -> Any:
        kept = ops.not_equal(labels, ignored)
        return made(_passes_with(kept)(logits), ops.where(kept, labels, 0))

    return loss


def _passes_with(mask: Any) -> Any:
    """A layer that passes its input on with this mask."""
    import keras

    class PassesWithMask(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
        def call(self, inputs: Any) -> Any:
            return inputs

        def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
            return mask

    return PassesWithMask(autocast=False)


def recipe(subject: Subject, call: Call) -> Recipe:
    """A call of "keras.BACKEND.scce-masked" as lines."""
    axis = None if call.class_axis == -1 else call.class_axis
    setup: tuple[str, ...] = (keras_losses.made("scce", call, {"from_logits": True, "axis": axis}),)
    text = "loss_of(y, x)"
    if call.ignore_index is not None:
        setup += (
            f"kept = keras.ops.convert_to_tensor(labels != {call.ignore_index})",
            "passes = {'call': lambda self, x: x, 'compute_mask': lambda self, x, mask=None: kept}",
            "masked = type('PassesWithMask', (keras.layers.Layer,), passes)(autocast=False)",
        )
        text = "loss_of(keras.ops.where(kept, y, 0), masked(x))"
    return keras_losses.in_backend(subject.name.split(".")[1], LossText(text, call, setup))
