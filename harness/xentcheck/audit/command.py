"""`xentcheck audit`: what a test that compares with rtol and atol cannot see."""

from __future__ import annotations

import sys
from math import isfinite

import click

from xentcheck.audit.absolutes import absolutes
from xentcheck.audit.audit import Audit, Audited
from xentcheck.audit.text import audit_lines
from xentcheck.audit.tolerance import ASSERT_CLOSE, Tolerance
from xentcheck.exits import Exit
from xentcheck.faults import load_registry
from xentcheck.workers import WorkerPool
from xentcheck_adapters import FLOAT_DTYPES

_NUMPY = "numpy:"  # the other flavours' faults are of autograd and modes, which two arrays compared do not show
_MOST = 1 << 20  # elements: two minutes


def _shape(_: click.Context, __: click.Parameter, value: str) -> tuple[int, int]:
    """N,C as two integers; a usage error tells what is wrong with it."""
    try:
        rows, classes = (int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"expected rows,classes as in 128,1000, got {value!r}") from None
    if rows < 1 or classes < 2:
        raise click.BadParameter(f"expected at least 1 row and 2 classes, got {value}")
    if rows * classes > _MOST:
        fewer = f"--shape {max(1, _MOST // classes)},{classes} --upstream {1 / rows:.2g}"
        raise click.BadParameter(f"{rows} x {classes} elements take too long; fewer rows tell the same: {fewer}")
    return rows, classes


@click.command()
@click.option("--rtol", type=click.FloatRange(min=0), help="Relative tolerance of the test.")
@click.option("--atol", type=click.FloatRange(min=0), help="Absolute tolerance of the test.")
@click.option("--dtype", default="float32", show_default=True, type=click.Choice(FLOAT_DTYPES))
@click.option(
    "--shape", default="128,1000", show_default=True, callback=_shape, metavar="N,C", help="Rows and classes."
)
@click.option("--upstream", default=1.0, show_default=True, help="Upstream gradient of each row's loss: 1/N in a mean.")
def audit(rtol: float | None, atol: float | None, dtype: str, shape: tuple[int, int], upstream: float) -> None:
    """Tell what a test cannot see that asks for |got - want| <= atol + rtol |want| of loss and gradient.

    It is tried on ordinary random logits against the faults that this project knows. Without --rtol and --atol the
    defaults of torch.testing.assert_close are audited. Exits with 1 if a fault passes that is wrong on that very input.
    """
    if (rtol is None) != (atol is None):
        raise click.UsageError("give both --rtol and --atol, or neither: no library has a default for one alone")
    if upstream == 0 or not all(isfinite(given) for given in (upstream, rtol or 0.0, atol or 0.0)):
        raise click.UsageError("tolerances and upstream gradient must be finite, and the latter not 0")
    tolerance = ASSERT_CLOSE[dtype] if rtol is None or atol is None else Tolerance(rtol, atol)
    test = Audited(dtype, tolerance, *shape, upstream)
    faults = [fault for fault in load_registry().faults if fault.spec.startswith(_NUMPY)]
    with WorkerPool() as pool:
        trial = Audit(test, pool)
        plain = absolutes(trial)
        with click.progressbar(trial.sights(faults), length=len(faults), label="audit", file=sys.stderr) as seen:
            sights = list(seen)
    click.echo("\n".join(audit_lines(test, rtol is None, plain, sights)))
    if any(sight.provoked and not sight.seen for sight in sights) or any(zeros.accepted for zeros in plain.zeros):
        sys.exit(Exit.DOES_NOT)
