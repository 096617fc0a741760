"""`xentcheck list`: subjects, where they run, and with which versions."""

from __future__ import annotations

import json

import click

from xentcheck.commands.arguments import backend_option, selected
from xentcheck.installed import versions_of
from xentcheck.known import registered
from xentcheck.selection import DEVICES, KERNELS, extras_of, install_hint, missing_modules
from xentcheck_adapters import Subject


@click.command(name="list")
@backend_option
@click.option("--device", multiple=True, default=DEVICES, type=click.Choice(DEVICES), help="Only these devices.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of jobs: a framework on a device each.")
def list_subjects(backend: tuple[str, ...], device: tuple[str, ...], as_json: bool) -> None:
    """Show the known subjects: where they can run, which versions are installed or what is missing, what they call."""
    subjects = [subject for subject in selected(backend) if set(device) & set(subject.devices)]
    if as_json:
        click.echo(json.dumps(_jobs(subjects, device)))
        return
    states = {subject.name: _state(subject) for subject in subjects}
    width, wide = (max(map(len, column), default=0) for column in (states, states.values()))
    for subject in subjects:
        where, state = "/".join(subject.devices), states[subject.name]
        click.echo(f"{subject.name:{width}}  {where:8}  {state:{wide}}  {subject.api} ({subject.mode})")
    for problem in registered().problems:
        click.echo(problem, err=True)


def _state(subject: Subject) -> str:
    """Versions of what a subject needs here, read without importing it, or what to type to install it."""
    if missing := missing_modules(subject):
        return f"not installed: {install_hint(missing, subject.interpreter)}"
    if subject.interpreter:
        return "installed there"
    return ", ".join(f"{module} {version}" for module, version in versions_of(subject.requires).items())


def _jobs(subjects: list[Subject], devices: tuple[str, ...]) -> list[dict[str, str]]:
    """A job per group of subjects and device, with what to install for it: what a CI matrix needs."""
    jobs: dict[tuple[str, str], dict[str, str]] = {}
    for subject in subjects:
        parts = subject.known_as.split(".")
        group = ".".join(parts[:2]) if parts[0] in ("keras", "kernels") else parts[0]
        group += f"@{subject.interpreter}" if subject.interpreter else ""
        for device in subject.devices:
            if device in devices:
                extras = ",".join(extras_of(subject.requires, device))
                install = [f".[{extras}]" if extras else "."]
                if "xentcheck_kernels" in subject.requires:
                    install.append(KERNELS)
                jobs[group, device] = {"backend": group, "device": device, "install": " ".join(install)}
    return list(jobs.values())
