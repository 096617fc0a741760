"""`torch:MODULE_OR_FILE:QUALNAME`, `jax:…`, `tf:…` and `keras:…`: what is read off a signature, what off one call, and
who is honest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from xentcheck.bench import Bench, Target
from xentcheck.clauses import CLAUSES
from xentcheck.divergence import Ledger
from xentcheck.judge import Assignment, judge
from xentcheck.levels import LEVELS
from xentcheck.selection import missing_modules
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Subject, Unavailable, subject_from_spec
from xentcheck_adapters.callables import OPTIONS
from xentcheck_reports import Record, Status

pytestmark = pytest.mark.frameworks

OWN = Path(__file__).parents[1] / "harness" / "subjects"
TENSORFLOW, KERAS = f"tf:{OWN / 'tensorflow_losses.py'}", f"keras:{OWN / 'keras_losses.py'}"
CROSS_ENTROPY = "torch:torch.nn.functional:cross_entropy"
MODULE = "torch:torch.nn:CrossEntropyLoss"
INTEGER_LABELS = "jax:optax:softmax_cross_entropy_with_integer_labels"
QUICK = replace(LEVELS["quick"], unknown_examples=10, compiled_examples=1)
LOSSES = """
import torch
from torch.nn.functional import cross_entropy

def mean_only(input, target):
    return cross_entropy(input, target)

def rows_only(input, target):
    return -(target * input.log_softmax(-1)).sum(-1)

def constant_labels(input, target):
    return rows_only(input, target.detach())

def any_keyword(input, target, **options):
    return cross_entropy(input, target, **options)

def weighted(input, target, *, weight=None, reduction="mean"):
    return cross_entropy(input, target, weight=weight, reduction=reduction)

smoothed = torch.nn.CrossEntropyLoss(label_smoothing=0.1, reduction="none")

class Late(torch.nn.Module):
    def __init__(self, z_loss=0.0, reduction="mean"):
        raise SystemError("too late")
"""

Open = Callable[[str], Subject]


@pytest.fixture(autouse=True)
def _quick_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras on the backend that takes least time to load."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")


@pytest.fixture
def opened(pool: WorkerPool) -> Open:
    """A subject as it is offered once it is opened."""

    def open_(spec: str) -> Subject:
        subject = subject_from_spec(spec)
        if missing := missing_modules(subject):
            pytest.skip(f"not installed: {', '.join(missing)}")
        return pool.open(subject, "cpu", "float32").narrow(subject)

    return open_


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("losses") / "framework_losses.py"
    path.write_text(LOSSES)
    return path


@pytest.mark.parametrize("flavour", ["torch", "jax", "tf", "keras"])
@pytest.mark.parametrize("rest", ["", "module", ":function", "module:", "a:b:c"])
def test_a_malformed_spec_is_shown_the_right_form(flavour: str, rest: str) -> None:
    with pytest.raises(ValueError, match=f"{flavour}:MODULE_OR_FILE:FUNCTION, got"):
        subject_from_spec(f"{flavour}:{rest}")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("torch:torch.nn.functional:cros_entropy", "has no 'cros_entropy'; .* \\(did you mean 'cross_entropy'"),
        ("torch:nowhere.to_be_found:loss", "there is no module 'nowhere' \\(of nowhere.to_be_found\\) in "),
        ("torch:nowhere.py:loss", "there is no file nowhere.py in "),
        ("torch:torch.nn.functional:relu", "takes neither class indices .* nor rows"),
        (f"{KERAS}:of_probabilities", "is made with from_logits=False: it takes probabilities, expected logits"),
        ("keras:keras:Model", "got a class, expected a function or a subclass of keras.losses.Loss"),
    ],
)
def test_a_mistaken_spec_is_told_in_one_line(opened: Open, spec: str, told: str) -> None:
    with pytest.raises(Unavailable, match=told) as caught:
        opened(spec)
    assert "\n" not in str(caught.value)


def test_a_scalar_without_a_reduction_to_choose_is_told_so(opened: Open, losses: Path) -> None:
    with pytest.raises(Unavailable, match=r"gave 2 rows a loss of shape \(\).*expected one loss per row"):
        opened(f"torch:{losses}:mean_only")


def test_a_users_module_is_not_imported_here(tmp_path: Path, opened: Open) -> None:
    path = tmp_path / "raises.py"
    path.write_text("raise OSError('imported')\n")
    assert subject_from_spec(f"torch:{path}:loss").offers("hvp")
    with pytest.raises(Unavailable, match="OSError: imported"):
        opened(f"torch:{path}:loss")


@pytest.mark.parametrize(
    ("spec", "options", "labels", "class_axes"),
    [
        (CROSS_ENTROPY, {"weight", "ignore_index", "label_smoothing", "grad_labels"}, "index dense", (1,)),
        (MODULE, {"weight", "ignore_index", "label_smoothing", "grad_labels"}, "index dense", (1,)),
        (INTEGER_LABELS, set(), "index", (-1, 1, 0, -2)),
        ("jax:optax:softmax_cross_entropy", {"grad_labels"}, "dense", (-1, 1, 0, -2)),
        ("torch:{losses}:rows_only", {"grad_labels"}, "dense", (-1,)),
        ("torch:{losses}:constant_labels", set(), "dense", (-1,)),
        ("torch:{losses}:weighted", {"weight", "grad_labels"}, "index dense", (1,)),
        (
            "torch:{losses}:any_keyword",
            {"weight", "ignore_index", "label_smoothing", "grad_labels"},
            "index dense",
            (1,),
        ),
        ("torch:{losses}:smoothed", {"grad_labels"}, "index dense", (1,)),
        (f"{TENSORFLOW}:composed", {*OPTIONS, "grad_labels"}, "index dense", (-1, 1, 0)),
        (f"{TENSORFLOW}:traced", set(), "index", (-1,)),
        (f"{TENSORFLOW}:by_hand", set(), "index", ()),
        (f"{KERAS}:sparse", {"ignore_index"}, "index", (-1,)),
        (f"{KERAS}:Sparse", {"ignore_index", "sample_weight"}, "index", (-1,)),
        (f"{KERAS}:Dense", {"label_smoothing", "sample_weight", "grad_labels"}, "dense", (-1, 1, 0)),
        (f"{KERAS}:made", {"sample_weight", "grad_labels"}, "dense", (-1,)),
    ],
)
def test_what_a_callable_takes_is_seen(
    opened: Open, losses: Path, spec: str, options: set[str], labels: str, class_axes: tuple[int, ...]
) -> None:
    subject = opened(spec.format(losses=losses))
    assert subject.options == {"hvp"} | options
    assert subject.labels == tuple(labels.split())
    assert subject.class_axes == class_axes


def test_a_module_that_cannot_be_made_is_unavailable(opened: Open, losses: Path) -> None:
    with pytest.raises(Unavailable, match="SystemError: too late"):
        opened(f"torch:{losses}:Late")


@pytest.mark.parametrize("clause", ["VAL-1", "VAL-4", "IGN-1", "SOFT-1", "AD-1", "AD-4", "SHP-1", "LAY-1"])
@pytest.mark.parametrize("spec", [CROSS_ENTROPY, MODULE])
def test_torch_is_honest_through_this_door(opened: Open, pool: WorkerPool, spec: str, clause: str) -> None:
    honest(pool, opened(spec), clause)


@pytest.mark.parametrize("clause", ["VAL-1", "LAY-1"])
def test_optax_is_honest_through_this_door(opened: Open, pool: WorkerPool, clause: str) -> None:
    honest(pool, opened(INTEGER_LABELS), clause)


@pytest.mark.parametrize(
    ("spec", "clause"),
    [
        *((f"{TENSORFLOW}:composed", clause) for clause in ("VAL-2", "SHP-2")),
        (f"{TENSORFLOW}:by_hand", "SHP-5"),
        *((f"{KERAS}:Sparse", clause) for clause in ("IGN-2", "EXC-3")),
        (f"{KERAS}:Dense", "VAL-4"),
    ],
)
def test_tensorflow_and_keras_are_honest_through_this_door(
    opened: Open, pool: WorkerPool, spec: str, clause: str
) -> None:
    honest(pool, opened(spec), clause)


@pytest.mark.parametrize(
    ("spec", "clause"),
    [
        (f"{TENSORFLOW}:mean_over_ignored_rows", "IGN-2"),
        (f"{TENSORFLOW}:upstream_unused", "VAL-1"),
        pytest.param(f"{TENSORFLOW}:logarithm_of_softmax", "NUM-9", marks=pytest.mark.slow),
        (f"{KERAS}:SmoothingUnused", "VAL-4"),
        (f"{KERAS}:clipped", "NUM-9"),
        pytest.param(f"{KERAS}:IgnoredRowsCount", "IGN-1", marks=pytest.mark.slow),
    ],
)
def test_a_mistake_on_tensorflow_or_keras_is_seen(opened: Open, pool: WorkerPool, spec: str, clause: str) -> None:
    assert judged(pool, opened(spec), clause).status is Status.FAIL


def honest(pool: WorkerPool, subject: Subject, clause: str) -> None:
    record = judged(pool, subject, clause)
    assert record.status is Status.PASS, record.failure
    assert record.examples


def judged(pool: WorkerPool, subject: Subject, clause: str) -> Record:
    bench = Bench(Target(subject, "cpu", "float32"), pool, {subject.name: subject})
    return judge(Assignment(CLAUSES[clause], bench, QUICK, Ledger(()), seed=1, memory=None))
