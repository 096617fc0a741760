"""What a spec names is found as pytest users expect, and what is wrong with it is told in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xentcheck.workers import WorkerPool
from xentcheck_adapters import Unavailable, subject_from_spec
from xentcheck_adapters.loading import load

LOSS = "def loss(logits, labels, *, reduction, grad_output): return logits.sum(1), logits\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, of tests and of the workers that they start."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(spec: str) -> str:
    """What is found of a spec by a worker that was started here."""
    with WorkerPool() as pool:
        return pool.open(subject_from_spec(spec), "cpu", "float32").line or ""


@pytest.mark.parametrize("spec", ["numpy:package/losses.py:loss", "numpy:package.losses:loss", "numpy:alone:loss"])
def test_files_and_modules_are_found_from_the_current_directory(here: Path, spec: str) -> None:
    (here / "package").mkdir()
    (here / "package" / "__init__.py").touch()
    (here / "package" / "losses.py").write_text("from .inner import loss\n")
    (here / "package" / "inner.py").write_text(LOSS)
    (here / "alone.py").write_text(LOSS)
    assert opened(spec).startswith(f"{spec}: class indices and rows; ")


def test_two_files_of_one_name_are_two(here: Path) -> None:
    for folder, result in (("one", "logits.sum(1)"), ("two", "logits.sum()")):
        (here / folder).mkdir()
        (here / folder / "losses.py").write_text(LOSS.replace("logits.sum(1)", result))
    one, two = load("numpy:one/losses.py:loss"), load("numpy:two/losses.py:loss")
    shapes = [np.shape(loss(np.zeros((2, 3)), None, reduction="", grad_output=None)[0]) for loss in (one, two)]
    assert shapes == [(2,), ()]


@pytest.mark.parametrize(
    ("text", "spec", "told"),
    [
        (LOSS, "numpy:loses.py:loss", r"there is no file loses\.py in .* \(did you mean 'losses\.py'\?\)$"),
        (LOSS, "numpy:loses:loss", r"there is no module 'loses' in .*, nor in the environment of "),
        (LOSS, "numpy:losses.py:los", r"losses\.py has no 'los'; it defines loss \(did you mean 'loss'\?\)$"),
        ("import numpy as np\nx = 1\n", "numpy:losses.py:x", r"'x' of losses\.py cannot be called"),
        ("\ndef loss(:\n", "numpy:losses.py:loss", r"losses\.py, line 2: SyntaxError: "),
        (
            "import nmupy\n",
            "numpy:losses.py:loss",
            r"losses\.py, line 1: ModuleNotFoundError: No module named 'nmupy'$",
        ),
        ("def f():\n  [][0]\nf()\n", "numpy:losses:loss", r"losses\.py, line 2: IndexError: list index out of range$"),
    ],
)
def test_a_mistake_is_told_in_one_line(here: Path, text: str, spec: str, told: str) -> None:
    (here / "losses.py").write_text(text)
    with pytest.raises(Unavailable, match=told) as caught:
        load(spec) if ".py:" in spec else opened(spec)
    assert "\n" not in str(caught.value)
