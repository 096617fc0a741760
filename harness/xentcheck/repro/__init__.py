"""Reproduction without the harness: a failure as a script that shows it, run once, and as the text of an issue."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from jinja2 import Environment, PackageLoader, StrictUndefined

from xentcheck.bench import Bench
from xentcheck.cases import Case, case_from_token
from xentcheck.clauses import Clause
from xentcheck.repro.script import NoScript, scripts_of, versions_text
from xentcheck.repro.witness import witnesses
from xentcheck.scripts import ScriptRun, run_text, shows_the_defect
from xentcheck.stored import packed_case
from xentcheck.workers.interpreter import executable
from xentcheck.workers.pool import state_of
from xentcheck_adapters import Unavailable
from xentcheck_reports import Record, Status

__all__ = ["with_script"]

_SECONDS = 60
_MOST_RUNS = 6
_POLICY = "what is right is what the adapters declare, which no script can prove"
_DEPENDS = "the script passes: what came depends on what was asked before, or on more than the script says"


@dataclass(frozen=True)
class _Written:
    script: str
    run: ScriptRun

    @property
    def shows(self) -> bool:
        return shows_the_defect(self.run.ended)


def with_script(record: Record, clause: Clause, bench: Bench) -> Record:
    """The record of a failure with a script and an issue text, or with why there are none. Any other as it is."""
    failure = record.failure
    if failure is None or failure.token is None:
        return record
    try:
        bench = _as_opened(bench)
        written = _written(record, failure.token, clause, bench)
    except (NoScript, Unavailable) as error:
        found: dict[str, object] = {"note": f"no script: {error}"}
    except Exception as error:  # a fault of ours must not cost the record
        found = {"note": f"no script: the harness failed: {type(error).__name__}: {error}"}
    else:
        found = {"script": written.script, "reproduced": written.shows}
        if written.shows:
            found["issue"] = _issue(record, clause, bench, written)
        else:
            found["note"] = f"the script ends with {written.run.ended}" if written.run.ended else _DEPENDS
    return record.model_copy(update={"failure": failure.model_copy(update=found)})


def _as_opened(bench: Bench) -> Bench:
    """The bench of the subject as its worker offers it."""
    target = bench.target
    opened = bench.pool.open(target.subject, target.device, target.dtype)
    return replace(bench, target=replace(target, subject=opened.narrow(target.subject)))


def _written(record: Record, token: str, clause: Clause, bench: Bench) -> _Written:
    """The first script that shows the failure, or else the first one. Raises NoScript."""
    if clause.kind == "policy":
        raise NoScript(_POLICY)
    if record.status not in (Status.FAIL, Status.CRASH):
        raise NoScript(f"a {record.status.label} takes too long to be shown")
    case = case_from_token(token)
    deviation, telling = witnesses(clause, bench, case)
    if deviation is None:
        raise NoScript("asked again, the subject answers rightly: the answer depends on what was asked before")
    file = f"{record.file_name}.npz"
    tried: list[_Written] = []
    why = "each of its answers is right by itself; they disagree with each other"
    for witness in telling:
        try:
            for script in islice(scripts_of(witness, clause, bench, case, file), _MOST_RUNS - len(tried)):
                tried.append(_run(script, bench, case, file))
                if tried[-1].shows:
                    return tried[-1]
        except NoScript as error:
            why = str(error)
    if not tried:
        raise NoScript(why)
    return tried[0]


def _run(script: str, bench: Bench, case: Case, file: str) -> _Written:
    """Run in a folder that holds the case's file; what could be imported here can be there."""
    target = bench.target
    environment = dict(state_of(target.subject, target.device, target.dtype).environment)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), os.getcwd()]))
    with TemporaryDirectory() as folder:
        if file in script:
            (Path(folder) / file).write_bytes(packed_case(case))
        python = executable(target.subject.interpreter)
        try:
            run = run_text(script, environment, seconds=_SECONDS, interpreter=python, folder=Path(folder))
        except subprocess.TimeoutExpired:
            raise NoScript(f"it runs for more than {_SECONDS} s") from None
    return _Written(script, run)


def _issue(record: Record, clause: Clause, bench: Bench, written: _Written) -> str:
    subject, failure = bench.subject, record.failure
    assert failure is not None
    issue = {
        "title": f"{subject.api} ({subject.mode}, {record.dtype}): does not hold: {clause.title}",
        "where": f"{subject.api}, {subject.mode}",
        "dtypes": [record.dtype],
        "expected": f"{clause.title}. Here: {failure.expected}; got {failure.got}",
        "causes": [],
        "script": written.script,
        "runs": [{"backend": "", "output": written.run.output, "ended": written.run.ended}],
        "versions": versions_text(bench),
        "device": record.device,
        "links": [source for source in clause.sources if source.startswith("https://")],
    }
    return _environment().get_template("issue.md.jinja").render(issue=issue)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("xentcheck"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
