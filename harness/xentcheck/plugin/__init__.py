"""The pytest plugin. Without --backend it costs nothing: the harness is imported only when a run asks for it."""

from __future__ import annotations

import pytest

_DEFAULT_REPORT = "xentcheck-report"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of a conformance run."""
    group = parser.getgroup("xentcheck", "conformance of softmax cross-entropy (xentcheck)")
    group.addoption(
        "--backend",
        action="append",
        default=[],
        metavar="NAMES",
        help="run the conformance suite on: all, auto (what is installed), or names such as torch, tf.sparse,"
        " optax.int.jit, numpy:my_loss.py:cross_entropy; comma-separated or repeated",
    )
    group.addoption("--device", action="append", default=[], metavar="NAMES", help="cpu (default), cuda or all")
    group.addoption("--dtype", action="append", default=[], metavar="NAMES", help="float16, bfloat16, float32, float64")
    group.addoption("--level", default="quick", metavar="NAME", help="quick (default), standard or nightly")
    group.addoption("--report-dir", default=_DEFAULT_REPORT, metavar="DIR", help=f"default: {_DEFAULT_REPORT}")
    group.addoption("--case-seed", type=int, default=None, metavar="N", help="repeat the cases of an earlier run")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Turn a run with --backend into a conformance run."""
    if config.getoption("--backend"):
        from xentcheck.plugin.conformance import Conformance

        Conformance.install(config)
