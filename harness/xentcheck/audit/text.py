"""An audit as plain text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from textwrap import wrap

from xentcheck.audit.absolutes import Absolutes, Slack
from xentcheck.audit.audit import Audited, Sight

_WIDTH = 110


def audit_lines(test: Audited, default: bool, plain: Absolutes, sights: Sequence[Sight]) -> Iterator[str]:
    """The whole audit, line by line; `default` if nobody gave the tolerance."""
    yield from _test_lines(test, default)
    yield ""
    yield from _absolute_lines(test, plain)
    accepted = [sight for sight in sights if not sight.seen and sight.provoked]
    hidden = [sight for sight in sights if not sight.seen and not sight.provoked]
    yield ""
    yield f"{len(sights)} faults: {len(sights) - len(accepted) - len(hidden)} rejected"
    yield f"{len(accepted)} are wrong on this very input, and accepted:"
    yield from _accepted_lines(accepted)
    yield f"{len(hidden)} are within the derived bound on this input, so that no tolerance shows them:"
    yield from _hidden_lines(hidden)


def _test_lines(test: Audited, default: bool) -> Iterator[str]:
    source = ", the defaults of torch.testing.assert_close" if default else ""
    yield f"|got - want| <= {test.tolerance.atol:g} + {test.tolerance.rtol:g} |want|{source}"
    yield (
        f"{test.rows} x {test.classes} standard-normal logits in {test.dtype}, uniform labels, upstream gradient "
        f"{test.upstream:g} for each row's loss;"
    )
    yield "further calls add ignored rows, soft labels, and each option; and the mean. Compared: loss and gradient."


def _absolute_lines(test: Audited, plain: Absolutes) -> Iterator[str]:
    yield f"loss      may be off by {plain.loss_by:.2g}; all of them by {_slack(plain.loss)}"
    yield f"gradient  may be off as a whole by {_slack(plain.gradient)}"
    for zeros in plain.zeros:
        told = "accepted" if zeros.accepted else f"rejected, though {100 * zeros.share:.5g} % of them would pass alone"
        mean = "" if zeros.upstream == test.upstream else " (a mean's)"
        yield f"zeros     for a gradient are {told}, with an upstream gradient of {zeros.upstream:.3g}{mean}"
    tail = f"the last {plain.tail} classes may be missing together" if plain.tail else "no last class may be missing"
    yield f"tail      {tail}; {plain.tail_of_bound} within the derived bound"


def _slack(slack: Slack) -> str:
    return f"{slack.tolerance:.2g} of itself, {slack.times:.3g} x the derived bound's {slack.bound:.2g}"


def _accepted_lines(sights: Sequence[Sight]) -> Iterator[str]:
    for family, members in _by_family(sights):
        yield f"  {family}"
        for sight in members:
            size = f"{sight.of_tolerance:.2g} tolerances, {_bounds(sight.of_bound)}"
            yield f"    {sight.fault.name}: {sight.fault.about} ({size}, {sight.trial})"


def _bounds(of_bound: float) -> str:
    return "where exactly 0 is due" if of_bound == inf else f"{of_bound:.3g} derived bounds"


def _hidden_lines(sights: Sequence[Sight]) -> Iterator[str]:
    for family, members in _by_family(sights):
        told = f"{family}: " + "; ".join(sight.fault.about for sight in members)
        yield from wrap(told, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _by_family(sights: Iterable[Sight]) -> Iterator[tuple[str, list[Sight]]]:
    """Faults by the stage of the loss that they break, which their names begin with."""
    families: dict[str, list[Sight]] = defaultdict(list)
    for sight in sights:
        families[sight.fault.name.split(".")[0]].append(sight)
    yield from families.items()
