"""The script of a witness: at most fifteen lines that import the framework and NumPy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from xentcheck.bench import Bench, Target
from xentcheck.build import build_call
from xentcheck.cases import Case
from xentcheck.clauses import Clause
from xentcheck.literals import HEX, TooLong, assignment, laid_out, written
from xentcheck.randomness import Array
from xentcheck.repro.witness import Witness
from xentcheck.scripts import MOST_LINES
from xentcheck.stored import call_arrays
from xentcheck_adapters import CALL_ARRAYS, Call, adapter_module
from xentcheck_adapters.presentation import present
from xentcheck_adapters.recipe import NoRecipe, Recipe

_MOST_EARLIER = 3


class NoScript(Exception):
    """A failure that no short script shows; says why."""


def scripts_of(witness: Witness, clause: Clause, bench: Bench, case: Case, file: str) -> Iterator[str]:
    """The call alone; then after each of the calls that came before it, in arrays of its own and in the same ones, for
    an answer may depend on them. `file` holds the case's arrays. Raises NoScript."""
    yield _composed(witness, clause, bench, None, file=file if _holds(case, present(witness.call)) else None)
    for earlier in witness.before[:_MOST_EARLIER]:
        for in_place in (False, True):
            yield _composed(witness, clause, bench, earlier, in_place=in_place)


def _holds(case: Case, shown: Call) -> bool:
    """Whether the call's arrays are the case's own."""
    own, asked = call_arrays(build_call(replace(case, malformed=None))), call_arrays(shown)
    return own.keys() == asked.keys() and not any(_differ(own[name], asked[name]) for name in own)


def _composed(
    witness: Witness,
    clause: Clause,
    bench: Bench,
    earlier: Call | None,
    *,
    in_place: bool = False,
    file: str | None = None,
) -> str:
    call, target = witness.call, bench.target
    if earlier and (earlier.upstream is None) != (call.upstream is None):
        call, earlier = (replace(one, upstream=one.cotangent()) for one in (call, earlier))
    shown = present(call)
    try:
        lines: Sequence[str] = _recipe(target, shown).lines
        arrays = [*_assignments(shown, file), *laid_out(call.layout, _laid_out(shown))]
        if earlier:
            lines = _after(present(earlier), shown, target, in_place=in_place)
        if call.reused:
            lines = _reusing(lines)
        told = witness.claim.lines(lines, call)
        imports = ["import numpy as np", *_recipe(target, shown).imports]
    except (NoRecipe, TooLong) as error:
        raise NoScript(str(error)) from None
    needs_hex = any("h(" in line for line in [*arrays, *told])
    head = f"# {clause.id} of xentcheck, {target.id}: {clause.title} ({clause.sources[0]})"
    comments = [head, f"# {versions_text(bench)}, {target.device}"]
    return _fitted(comments, imports, [HEX, *arrays] if needs_hex else arrays, told)


def _recipe(target: Target, shown: Call) -> Recipe:
    adapter = adapter_module(target.subject.adapter)
    if not hasattr(adapter, "recipe"):
        raise NoScript(f"the adapter {target.subject.adapter} does not say how its calls are written")
    recipe: Recipe = adapter.recipe(target.subject.at(None), shown)
    return recipe


def versions_text(bench: Bench) -> str:
    """NumPy and what the subject runs on."""
    target = bench.target
    versions = bench.pool.open(target.subject, target.device, target.dtype).versions
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _assignments(call: Call, file: str | None) -> list[str]:
    """The lines that make the arrays; where they are too long, those that read them from the file, if that has them."""
    try:
        return [assignment(name, array) for name, array in call.arrays.items()]
    except TooLong:
        if file is None:
            raise
        return [f'{", ".join(call.arrays)} = map(np.load("{file}").get, {list(call.arrays)})']


def _laid_out(call: Call) -> list[str]:
    return [name for name, array in call.arrays.items() if array.ndim]


def _after(earlier: Call, call: Call, target: Target, *, in_place: bool) -> Sequence[str]:
    """The lines of both calls: in a loop over the arrays that differ, or one after the other."""
    lines = _recipe(target, call).lines
    changed = [name for name in CALL_ARRAYS if _differ(getattr(earlier, name), getattr(call, name))]
    if _scalars(earlier) != _scalars(call):
        if changed:
            raise NoScript("it shows after another call only, which has other arguments and other arrays")
        return [*_recipe(target, earlier).lines, *lines]
    names = changed[0] if len(changed) == 1 else f"({', '.join(changed)})"
    turns = [", ".join(written(getattr(one, name)) for name in changed) for one in (earlier, call)]
    each = ", ".join(turns if len(changed) == 1 else (f"({turn})" for turn in turns))
    if in_place:
        filled = ", ".join(f"{name}[...]" for name in changed)
        return [f"for values in ({each}):", *_indented([f"{filled} = values", *lines])]
    return [f"for {names} in ({each}):", *_indented(lines)]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _scalars(call: Call) -> dict[str, object]:
    return {name: value for name, value in vars(call).items() if name not in CALL_ARRAYS}


def _differ(a: Array | None, b: Array | None) -> bool:
    if a is None or b is None:
        return a is not b
    return a.tobytes() != b.tobytes() or a.shape != b.shape


def _reusing(lines: Sequence[str]) -> list[str]:
    """The lines, and once more with other values in the same arrays; the first results are the ones that count."""
    flipped = "logits[...], labels[...] = np.flip(logits).copy(), np.flip(labels).copy()"
    inside = [*lines, "kept.append((loss, grad))", flipped]
    return ["kept = []", "for _ in range(2):", *_indented(inside), "loss, grad = kept[0]"]


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
