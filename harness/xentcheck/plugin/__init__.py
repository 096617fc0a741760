"""The pytest plugin. Without --backend it costs nothing: the harness is imported only when a run asks for it."""

from __future__ import annotations

import os

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
        " optax.int.jit, torch:my_loss.py:cross_entropy, torch@PATH of another Python; comma-separated or repeated",
    )
    group.addoption("--device", action="append", default=[], metavar="NAMES", help="cpu (default), cuda or all")
    group.addoption("--dtype", action="append", default=[], metavar="NAMES", help="float16, bfloat16, float32, float64")
    group.addoption(
        "--clause",
        action="append",
        default=[],
        metavar="NAMES",
        help="judge these clauses only: families or whole ids such as IGN, VAL-1 (-k VAL-1 would find VAL-10 as well);"
        " comma-separated or repeated",
    )
    group.addoption("--level", default="quick", metavar="NAME", help="quick (default), standard or nightly")
    group.addoption("--report-dir", default=_DEFAULT_REPORT, metavar="DIR", help=f"default: {_DEFAULT_REPORT}")
    group.addoption("--case-seed", type=int, default=None, metavar="N", help="repeat the cases of an earlier run")


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Judge frameworks side by side where there are several and several cores: `-n 0` switches it off."""
    options = early_config.known_args_namespace
    untouched = getattr(options, "numprocesses", 0) is None and not (options.usepdb or options.collectonly)
    if options.backend and untouched and "PYTEST_XDIST_WORKER" not in os.environ:
        from xentcheck.selection import framework_count

        processes = min(os.cpu_count() or 1, framework_count(options.backend))
        if processes > 1:
            args[:0] = ["-n", str(processes)]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Turn a run with --backend into a conformance run."""
    if config.getoption("--backend"):
        from xentcheck.plugin.conformance import Conformance

        Conformance.install(config)
