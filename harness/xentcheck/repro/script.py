"""The script of a witness: at most fifteen lines that import the framework and NumPy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from xentcheck.bench import Bench
from xentcheck.clauses import Clause
from xentcheck.randomness import Array
from xentcheck.repro.literals import HEX, TooLong, assignment, laid_out, written
from xentcheck.repro.witness import Witness
from xentcheck.scripts import MOST_LINES
from xentcheck_adapters import Call, adapter_module
from xentcheck_adapters.presentation import present
from xentcheck_adapters.recipe import NoRecipe

_ARRAYS = ("logits", "labels", "weight", "sample_weight", "upstream", "vector")


class NoScript(Exception):
    """A failure that no short script shows; says why."""


def script_of(witness: Witness, clause: Clause, bench: Bench) -> str:
    """The text. Raises NoScript."""
    return _composed(witness, clause, bench, ())


def script_after(witness: Witness, earlier: Call, clause: Clause, bench: Bench) -> str:
    """The text of a script that asks an earlier call first: whose answer came may depend on it. Raises NoScript."""
    return _composed(witness, clause, bench, (earlier,))


def _composed(witness: Witness, clause: Clause, bench: Bench, earlier: tuple[Call, ...]) -> str:
    call, target = present(witness.call), bench.target
    try:
        recipe = adapter_module(target.subject.adapter).recipe(target.subject.name, call)
        arrays = [*_assignments(call), *laid_out(call.layout)]
        lines = _with_earlier(list(recipe.lines), call, [present(one) for one in earlier])
        if witness.call.reused:
            lines = _reusing(lines)
        told = witness.claim.lines(lines, witness.call)
    except (NoRecipe, TooLong) as error:
        raise NoScript(str(error)) from None
    needs_hex = any("h(" in line for line in [*arrays, *told])
    head = f"# {clause.id} of xentcheck, {target.id}: {clause.title} ({clause.sources[0]})"
    imports = ["import numpy as np", *(line for line in recipe.imports if line != "import numpy as np")]
    return _fitted(
        [head, f"# {versions_text(bench)}, {target.device}"], imports, [HEX, *arrays] if needs_hex else arrays, told
    )


def versions_text(bench: Bench) -> str:
    """NumPy and what the subject runs on."""
    target = bench.target
    versions = bench.pool.open(target.subject, target.device, target.dtype).versions
    return ", ".join(f"{name} {version}" for name, version in {"numpy": np.__version__, **versions}.items())


def _assignments(call: Call) -> list[str]:
    arrays = ((name, getattr(call, name)) for name in _ARRAYS)
    return [assignment(name, array) for name, array in arrays if array is not None]


def _with_earlier(lines: list[str], call: Call, earlier: Sequence[Call]) -> list[str]:
    """The lines in a loop over the arrays that differ, the call's own last."""
    if not earlier:
        return lines
    calls = [*earlier, call]
    if any(_scalars(one) != _scalars(call) for one in calls):
        raise NoScript("it shows after another call only, which has other arguments than arrays")
    changed = [name for name in _ARRAYS if any(_differ(getattr(one, name), getattr(call, name)) for one in calls)]
    if any(getattr(one, name) is None for one in calls for name in changed):
        raise NoScript("it shows after another call only, which has other arguments")
    turns = [", ".join(written(getattr(one, name)) for name in changed) for one in calls]
    values = ", ".join(f"({turn})" if len(changed) > 1 else turn for turn in turns)
    return [f"for {', '.join(changed)} in ({values}):", *(f"    {line}" for line in lines)]


def _scalars(call: Call) -> dict[str, object]:
    return {name: value for name, value in vars(call).items() if name not in _ARRAYS}


def _differ(a: Array | None, b: Array | None) -> bool:
    if a is None or b is None:
        return a is not b
    return a.tobytes() != b.tobytes() or a.shape != b.shape


def _reusing(lines: list[str]) -> list[str]:
    """The lines, and once more with other values in the same arrays; the first results are the ones that count."""
    flipped = "logits[...], labels[...] = np.flip(logits).copy(), np.flip(labels).copy()"
    inside = [*lines, "kept.append((loss, grad))", flipped]
    return ["kept = []", "for _ in range(2):", *(f"    {line}" for line in inside), "loss, grad = kept[0]"]


def _fitted(comments: list[str], imports: list[str], arrays: list[str], told: list[str]) -> str:
    """The lines, as few as they must be: parts share a line where there are too many."""
    for parts in _layouts(comments, imports, arrays, told):
        if len(parts) <= MOST_LINES:
            return "\n".join(parts) + "\n"
    raise NoScript(f"it takes {len(parts)} lines, more than {MOST_LINES}")


def _layouts(comments: list[str], imports: list[str], arrays: list[str], told: list[str]) -> Iterator[list[str]]:
    yield [*comments, *imports, *arrays, *told]
    yield [*comments, *imports, "; ".join(arrays), *told]
    joined = "; ".join(line for line in imports)
    yield [*comments, joined, "; ".join(arrays), *told]
    yield [f"{comments[0]}; {comments[1][2:]}", joined, "; ".join(arrays), *told]
