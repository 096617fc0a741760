"""A Subject: one public API in one mode, described as data so that it can be listed without importing its framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xentcheck_adapters.dtypes import FLOAT_DTYPES

ANY_AXIS = (-1, 1, 0, -2)  # of an API with an argument for the class axis: what stands for all of them
TENSORFLOW_AXES = ANY_AXIS[:3]  # of a stranger's on TensorFlow, whose own operations know no negative one but -1


@dataclass(frozen=True)
class Precision:
    """How a subject computes in one dtype; the error bound is derived from it.

    storage  "wide": intermediates wider than the dtype, one rounding out; "stored": arithmetic is wide but the
             denominator and log-softmax are stored in the dtype; "uniform": every operation rounds to the dtype
    sums     how the denominator is summed: "pairwise", "block" (runs of `width`), "lane" (`width` running sums)
    row_sums a 16-bit reduction over the rows accumulates in float32 ("wide") or in the dtype ("io")
    offset   the loss is formed as log-sum-exp minus logit, so it loses digits where |log-sum-exp| is large
    underflow  below how many smallest normal numbers a result of exp may become 0
    elementwise, accumulator, output  dtypes of exp, log and products, of the sums over the classes, and of the results,
             where they differ from what the storage implies; None where they do not
    """

    storage: str = "wide"
    sums: str = "lane"
    width: int = 8
    offset: bool = False
    row_sums: str = "io"
    underflow: float = 1.0
    elementwise: str | None = None
    accumulator: str | None = None
    output: str | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """One implementation under test.

    name       dotted: framework, API, mode ("tf.sparse.xla"); a prefix of whole parts selects a group. "@" and the
               interpreter follow, if it runs in another one
    adapter    module of this package that runs it
    api        what a person calls
    requires   modules that must be importable in the worker
    dtype_requires  further ones needed for one dtype only
    labels     kinds of labels it takes: "index", "dense" (softmax), "multi-hot" (sigmoid)
    inputs     "logits" or "probabilities"; "scores" of an accuracy metric, whose answer stands in the loss' place
    options    what it offers among "ignore_index", "weight", "sample_weight", "label_smoothing", "z_loss", "softcap",
               the gradient to dense labels "grad_labels", and Hessian-vector products "hvp": an API whose gradient can
               be asked to be differentiated again, whatever it makes of that
    procedures  the other ways in which it can be asked for derivatives (see `procedures.py`)
    form_twin  subject of the same framework and mode that takes the other kind of labels
    mode_twin  the eager subject whose answers a compiled mode should repeat
    variant_of the subject whose function this one computes by another door, and whose answers it should repeat
    differentiable  whether it has gradients; one without is judged by its loss alone
    precision  per dtype
    mean_divides_by  per label kind: "weights" (Σ w[y] of kept rows, times their sample weights), "sample_weights" (the
                     sum of those; kept rows without), "kept" (kept rows; of one that nobody described perhaps
                     "rows", once it is opened), "rows" (N)
    empty_mean       the mean over no rows at all: NaN or 0, or None (undeclared)
    zero_times_inf   per-row loss where a soft label of 0 meets a logit of -inf: "zero", "nan", or "any" (undeclared)
    class_axes       where logits of more (or fewer) dimensions than (N, C) may have their classes, the documented place
                     first; none if the subject takes (N, C) only
    described        whether anybody knows the subject; one that nobody does is drawn more cases
    signature        of one that nobody does, once it is opened: the arguments that its signature has and its flavour
                     gives it beside the options, and "class" for what is made first and called then
    keras_customs    a stranger of Keras, by whose customs labels of any dtype are class indices, (N, 1) means (N,), and
                     the losses of no rows are not reduced
    largest_rows, largest_classes  most rows and classes it is asked about, where driving it costs more than the loss
                     does; None for any number
    retraces         a new shape or option costs a compilation, so few of them are drawn
    slow_traces      that compilation takes seconds
    environment      variables of the worker's process; subjects with equal environments share one worker
    timed          whether `xentcheck bench` times it beside the others: the way in which people use its framework, or
                   in which that is fastest
    vector_bytes   width of the vectors that it computes with; 0 if nobody knows
    other_threads  variables for a worker with another number of threads; none if nobody knows them, or asks
    dtype_environment  further variables needed for one dtype only
    interpreter   what it runs in, a Python executable or the folder of a virtual environment; None for the harness'
               own. Its twins run there too, and are named without it
    """

    name: str
    adapter: str
    framework: str
    api: str
    mode: str
    requires: tuple[str, ...]
    labels: tuple[str, ...]
    precision: Mapping[str, Precision]
    inputs: str = "logits"
    options: frozenset[str] = frozenset()
    procedures: frozenset[str] = frozenset()
    reductions: tuple[str, ...] = ("none",)
    label_dtypes: tuple[str, ...] = ("int64",)
    dtypes: tuple[str, ...] = FLOAT_DTYPES
    devices: tuple[str, ...] = ("cpu",)
    form_twin: str | None = None
    mode_twin: str | None = None
    variant_of: str | None = None
    differentiable: bool = True
    mean_divides_by: Mapping[str, str] = field(default_factory=dict)
    empty_mean: float | None = float("nan")
    zero_times_inf: str = "nan"
    class_axes: tuple[int, ...] = ()
    described: bool = True
    signature: tuple[str, ...] = ()
    keras_customs: bool = False
    largest_rows: int | None = None
    largest_classes: int | None = None
    retraces: bool = False
    slow_traces: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    timed: bool = False
    vector_bytes: int = 0
    other_threads: Mapping[str, str] = field(default_factory=dict)
    dtype_environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dtype_requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    interpreter: str | None = None

    @property
    def known_as(self) -> str:
        """The name by which adapters, ledgers and twins know the subject, whatever it runs in."""
        return self.name if self.interpreter is None else self.name[: -len(self.interpreter) - 1]

    def at(self, interpreter: str | None) -> Subject:
        """The same subject in an interpreter; None for the harness' own."""
        if interpreter == self.interpreter:
            return self
        name = self.known_as if interpreter is None else f"{self.known_as}@{interpreter}"
        return replace(self, name=name, interpreter=interpreter)

    def offers(self, option: str) -> bool:
        """Whether the subject has the named argument."""
        return option in self.options
