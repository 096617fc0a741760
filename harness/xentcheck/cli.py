"""The command line."""

from __future__ import annotations

import click

from xentcheck.audit.command import audit
from xentcheck.certify.command import certify
from xentcheck.commands.calibrate import calibrate
from xentcheck.commands.check import check
from xentcheck.commands.explain import explain
from xentcheck.commands.replay import replay
from xentcheck.commands.report import report
from xentcheck.commands.subjects import list_subjects
from xentcheck.exits import EXIT_TABLE, Commands
from xentcheck.lint.command import lint
from xentcheck.selftest.command import self_test
from xentcheck.speed.command import bench

_COMPLETION = """\b
Completion of commands, subjects and clauses, for one shell and for good:
  bash  eval "$(_XENTCHECK_COMPLETE=bash_source xentcheck)"       in ~/.bashrc
  zsh   eval "$(_XENTCHECK_COMPLETE=zsh_source xentcheck)"        in ~/.zshrc
  fish  _XENTCHECK_COMPLETE=fish_source xentcheck | source        in ~/.config/fish/completions/xentcheck.fish"""


@click.group(
    cls=Commands,
    epilog=f"{EXIT_TABLE}\n\n{_COMPLETION}",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="xentcheck")
def main() -> None:
    """Is this softmax cross-entropy right, on this device and dtype? `xentcheck check torch:my_loss.py:ce` tells."""


for command in (check, list_subjects, explain, replay, self_test, certify, audit, lint, report, calibrate, bench):
    main.add_command(command)
