"""Probes for docs/claims.py that need a process of their own:  python docs/claims_probes.py PROBE

Each prints rows of evidence as JSON: where (API and mode), dtype, what was seen, and whether the claim agrees with it.
Keras takes its backend from KERAS_BACKEND.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Row = dict[str, Any]
_SEEDS, _EPOCHS, _CLASSES, _GOAL = range(3), 15, 102, 0.8


def row(where: str, seen: str, agrees: bool, dtype: str = "float32") -> Row:
    """One row of evidence."""
    return {"where": where, "dtype": dtype, "seen": seen, "agrees": bool(agrees)}


def a_equals_b() -> Iterator[Row]:
    """The answer's own program, and the same rows in a batch, under XLA, with a masked class, in 16 bits."""
    import tensorflow as tf

    dense, sparse = tf.nn.softmax_cross_entropy_with_logits, tf.nn.sparse_softmax_cross_entropy_with_logits

    def both(labels: Any, logits: Any) -> Any:
        one_hot = tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        return dense(labels=one_hot, logits=logits), sparse(labels=labels, logits=logits)

    random = np.random.default_rng(0)
    for classes in (8, 1000):
        logits = random.uniform(0, 3, (2000, classes)).astype("float32")
        labels = random.integers(0, classes, 2000)
        single = [both(tf.constant(y), tf.constant(x)) for x, y in zip(logits[:300], labels[:300], strict=True)]
        yield _equality(f"eager, one row of {classes} classes at a time", *zip(*single, strict=True))
        batched = (tf.constant(labels), tf.constant(logits))
        yield _equality(f"eager, a batch of 2000 rows of {classes} classes", *both(*batched))
        yield _equality(f"XLA, the same batch of {classes} classes", *tf.function(both, jit_compile=True)(*batched))
    yield _equality("eager, the same batch", *both(batched[0], tf.cast(batched[1], tf.bfloat16)), dtype="bfloat16")
    yield _equality("eager, the same batch", *both(batched[0], tf.cast(batched[1], tf.float16)), dtype="float16")
    masked = both(tf.constant([0]), tf.constant([[0.0, -np.inf, 1.0]]))
    yield _equality("eager, a row with a class masked by -inf", *masked)


def _equality(where: str, a: Any, b: Any, dtype: str = "float32") -> Row:
    a, b = (np.asarray(values).astype(np.float64) for values in (a, b))
    equal, apart = int((a == b).sum()), float(np.max(np.abs(a - b)))
    other = f"; {a[0]:.6g} dense, {b[0]:.6g} sparse" if a.size == 1 else f", at most {apart:.3g} apart"
    seen = f"a == b in {equal} of {a.size} rows" + (other if equal < a.size else "")
    return row(f"tf.nn, {where}", seen, equal == a.size, dtype)


def dense_labels() -> Iterator[Row]:
    """Label dtypes and shapes that tf.nn.softmax_cross_entropy_with_logits takes."""
    import tensorflow as tf

    logits, one_hot = tf.zeros([4, 4]), np.eye(4)
    shapes = {"(N, C)": one_hot, "(N, 1)": one_hot[:, :1], "(1, C)": one_hot[:1], "(C,)": one_hot[0]}
    cases = [(f"labels {shape}", "float32", labels) for shape, labels in shapes.items()]
    cases += [("labels (N, C)", dtype, one_hot) for dtype in ("float64", "float16", "int32", "bool")]
    for where, dtype, labels in cases:
        accepted = _accepted(
            lambda labels=labels, dtype=dtype: tf.nn.softmax_cross_entropy_with_logits(
                labels=tf.cast(labels, dtype), logits=logits
            )
        )
        promised = where == "labels (N, C)" and dtype in ("float32", "float64")
        yield row(f"tf.nn dense, eager, {where}", accepted or "refused", bool(accepted) == promised, dtype)


def sparse_label_dtypes() -> Iterator[Row]:
    """Label dtypes that tf.nn.sparse_softmax_cross_entropy_with_logits takes in each mode."""
    for mode, loss in _sparse_modes().items():
        for dtype in ("int8", "uint8", "int16", "int32", "int64", "float32"):
            accepted = _accepted(lambda loss=loss, dtype=dtype: loss(np.array([0, 1], dtype), np.zeros((2, 4), "f")))
            agrees = bool(accepted) == (dtype in ("int32", "int64"))
            yield row(f"tf.nn sparse, {mode}", accepted or "refused", agrees, dtype)


def sparse_label_shapes() -> Iterator[Row]:
    """Label shapes that it takes."""
    shapes = {
        "labels (2,), logits (2, 4)": ((2,), (2, 4), True),
        "labels (2, 1), logits (2, 4)": ((2, 1), (2, 4), False),
        "labels (2, 3), logits (2, 3, 4)": ((2, 3), (2, 3, 4), False),
        "labels (), logits (4,)": ((), (4,), False),
    }
    for mode, loss in _sparse_modes().items():
        for where, (labels, logits, promised) in shapes.items():
            accepted = _accepted(
                lambda loss=loss, labels=labels, logits=logits: loss(np.zeros(labels, "int32"), np.zeros(logits, "f"))
            )
            yield row(f"tf.nn sparse, {mode}, {where}", accepted or "refused", bool(accepted) == promised, "int32")


def _sparse_modes() -> dict[str, Callable[..., Any]]:
    import tensorflow as tf

    def loss(labels: Any, logits: Any) -> Any:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)

    return {"eager": loss, "function": tf.function(loss), "XLA": tf.function(loss, jit_compile=True)}


def _accepted(call: Callable[[], Any]) -> str:
    """What came, or nothing if it was refused."""
    try:
        return f"accepted, loss of shape {tuple(call().shape)}"
    except Exception:  # every backend and mode refuses with another type
        return ""


def keras_crossentropies() -> Iterator[Row]:
    """The losses of Keras that are named so."""
    import keras

    for name in sorted(name for name in dir(keras.losses) if name.endswith("Crossentropy")):
        plain = name in ("BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy")
        yield row(f"keras.losses.{name}", "one of the three" if plain else "one more", plain, "")


def keras_fractional_labels() -> Iterator[Row]:
    """SparseCategoricalCrossentropy with label 1.7."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits = np.array([[0.0, 1.0, 2.0]], "float32")
    got = [float(loss(np.array([label]), logits)) for label in (1.7, 1)]
    yield row(f"Keras on {keras.backend.backend()}", f"label 1.7: {got[0]:.6g}; label 1: {got[1]:.6g}", False)


def keras_several_attributes() -> Iterator[Row]:
    """Both losses where the three attributes of a row are predicted with certainty, and nothing else is."""
    import keras

    labels = np.array([[1, 0, 1, 1, 0, 0, 0]], "float32")
    logits = 40 * labels - 20
    name, zero = keras.backend.backend(), 1e-6
    got = float(keras.losses.CategoricalCrossentropy(from_logits=True)(labels, logits))
    yield row(f"CategoricalCrossentropy on {name}", f"{got:.6g} for a perfect prediction of 3 attributes", got < zero)


def keras_binary() -> Iterator[Row]:
    """BinaryCrossentropy against the sum over the classes, from logits, from sigmoids, and from a softmax."""
    import keras

    name, loss = keras.backend.backend(), keras.losses.BinaryCrossentropy
    logits, labels = np.array([[2.0, -1.0, 0.5, 3.0]], "float32"), np.array([[0, 1, 0, 1]], "float32")
    sigmoid, softmax = 1 / (1 + np.exp(-logits)), np.exp(logits) / np.exp(logits).sum()
    of_sigmoid, of_softmax = (-np.log(np.where(labels == 1, p, 1 - p)) for p in (sigmoid, softmax))
    tensor = keras.ops.convert_to_tensor(logits)
    for where, got, right in (
        ("from_logits=True", loss(from_logits=True)(labels, tensor), of_sigmoid),
        ("of ops.sigmoid", loss()(labels, keras.ops.sigmoid(tensor)), of_sigmoid),
        ("of ops.softmax", loss()(labels, keras.ops.softmax(tensor)), of_softmax),
    ):
        seen = f"{float(got):.5g}; sum over the classes {right.sum():.5g}, mean {right.mean():.5g}"
        agrees = abs(float(got) - right.mean()) < 1e-3
        yield row(f"BinaryCrossentropy {where} on {name}", seen, agrees)


def keras_training() -> Iterator[Row]:
    """Equal models, data and seeds with either loss: epochs to 80 % accuracy, last accuracy, and weights."""
    import keras

    for seed in _SEEDS:
        (sparse, sparse_weights), (dense, dense_weights) = (_train(seed, sparse) for sparse in (True, False))
        reached = [next((str(i) for i, a in enumerate(of, 1) if a >= _GOAL), "never") for of in (sparse, dense)]
        apart = max(float(np.abs(a - b).max()) for a, b in zip(sparse_weights, dense_weights, strict=True))
        seen = (
            f"80 % at epoch {reached[0]} sparse, {reached[1]} categorical; last accuracy {sparse[-1]:.4f} and "
            f"{dense[-1]:.4f}; weights {f'at most {apart:.2g} apart' if apart else 'bitwise equal'}"
        )
        agrees = reached[0] != reached[1] or dense[-1] > sparse[-1]
        yield row(f"Keras on {keras.backend.backend()}, seed {seed}", seen, agrees)


def _train(seed: int, sparse: bool) -> tuple[list[float], list[Any]]:
    """Accuracy after each epoch and the final weights of a small classifier of 102 noisy clusters, as the flowers of
    the article have classes."""
    import keras

    random = np.random.default_rng(seed)
    labels = np.arange(510) % _CLASSES
    images = random.normal(size=(_CLASSES, 32))[labels] + random.normal(size=(510, 32))
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Input((32,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(_CLASSES)])
    kind = keras.losses.SparseCategoricalCrossentropy if sparse else keras.losses.CategoricalCrossentropy
    model.compile(keras.optimizers.Adam(0.003), kind(from_logits=True), metrics=["accuracy"])
    targets = labels if sparse else np.eye(_CLASSES, dtype="float32")[labels]
    history = model.fit(images.astype("float32"), targets, batch_size=128, epochs=_EPOCHS, verbose=0)
    return history.history["accuracy"], model.get_weights()


PROBES = {
    probe.__name__.replace("_", "-"): probe
    for probe in (
        a_equals_b,
        dense_labels,
        sparse_label_dtypes,
        sparse_label_shapes,
        keras_crossentropies,
        keras_fractional_labels,
        keras_several_attributes,
        keras_binary,
        keras_training,
    )
}

if __name__ == "__main__":
    print(json.dumps(list(PROBES[sys.argv[1]]())))
