"""The figure of a benchmark: who is how far from the roofline, by shape.

Imported only where a figure is drawn, since it loads Matplotlib.
"""

import math
from collections.abc import Iterator, Sequence

from xentcheck_reports.numbers import multiple_text, plural
from xentcheck_reports.speeds import Line, Setting, Shape, Timing
from xentcheck_reports.svg import LINE, SOFT, Board, Corners, drawing, text_width

_ROW, _PANEL, _GAP, _EDGE, _KEY = 26.0, 380.0, 40.0, 10.0, 17.0
_STEPS = (1, 2, 5)
# A colour for each framework, and a shape for each of its subjects, so that colour never carries the meaning alone.
_COLOURS = ("#c2410c", "#5b7fd6", "#1f8a8c", "#8f6bc9", "#7a8b00", "#8a8a8a")
_SHAPES: tuple[Corners, ...] = (
    [(0, -4.6), (4.6, 0), (0, 4.6), (-4.6, 0)],
    [(-4.2, 3.4), (0, -4.2), (4.2, 3.4)],
    [(-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)],
    [(-4.2, -3.4), (4.2, -3.4), (0, 4.2)],
    [(-4.4, -1.6), (4.4, -1.6), (4.4, 1.6), (-4.4, 1.6)],
)
_Mark = tuple[str, Corners]


class _Axis:
    """Multiples on a logarithmic scale, the roofline at 1."""

    def __init__(self, multiples: Sequence[float]) -> None:
        self._low = math.log(min(0.9, *multiples))
        self._high = math.log(1.1 * max(2.0, *multiples))

    def along(self, multiple: float) -> float:
        """Pixels from the left of a panel."""
        return _EDGE + (math.log(multiple) - self._low) / (self._high - self._low) * (_PANEL - 2 * _EDGE)

    def ticks(self) -> Iterator[float]:
        """1, 2, 5, 10 and so on, as far as the scale goes."""
        for decade in range(9):
            for step in _STEPS:
                if math.log(step * 10**decade) < self._high:
                    yield step * 10**decade


def speed_figure(setting: Setting, lines: Sequence[Line]) -> str:
    """A row per shape, forward on the left, loss and gradient on the right, and in it a mark for each contender; those
    that are about the cost of a call are left out. At least one of `lines` has a time, and is not."""
    lines = [line for line in lines if line.measured and not line.is_overhead]
    timings = [timing for line in lines for timing in line.measured]
    shapes = list(dict.fromkeys(line.shape for line in lines))
    marks, axis = _marks(lines), _Axis([timing.multiple or 1.0 for timing in timings])
    left = text_width(str(shape) for shape in shapes) + 12
    head = _KEY * math.ceil(len(marks) / _keys_abreast(marks)) + 64
    end = head + _ROW * len(shapes)
    with drawing():
        board = Board(left + max(2 * _PANEL + _GAP, _key_width(marks)), end + 8)
        _legend(board, marks, left)
        board.rectangles(
            [(0, head + _ROW * place, board.width, _ROW) for place in range(0, len(shapes), 2)], SOFT, 0.09
        )
        for place, shape in enumerate(shapes):
            board.text(left - 6, head + _ROW * (place + 0.5), str(shape), align="right")
        for gradient in (False, True):
            start = left + gradient * (_PANEL + _GAP)
            board.text(start, head - 32, "Loss and gradient" if gradient else "Forward", bold=True)
            _grid(board, axis, start, head, end)
            for name, mark in marks.items():
                mine = [one for one in timings if one.subject == name and one.gradient == gradient]
                _dots(board, axis, mark, start, [(one, head + _ROW * (shapes.index(one.shape) + 0.5)) for one in mine])
        return board.svg(f"Speed: {setting.title}", _description(setting, timings, shapes))


def _marks(lines: Sequence[Line]) -> dict[str, _Mark]:
    """By subject."""
    members: dict[str, dict[str, None]] = {}
    for line in lines:
        for timing in line.timings.values():
            members.setdefault(timing.framework, {})[timing.subject] = None
    return {
        subject: (_COLOURS[min(nth, len(_COLOURS) - 1)], _SHAPES[place % len(_SHAPES)])
        for nth, subjects in enumerate(members.values())
        for place, subject in enumerate(subjects)
    }


def _grid(board: Board, axis: _Axis, start: float, head: float, end: float) -> None:
    ticks = {tick: start + axis.along(tick) for tick in axis.ticks()}
    board.rectangles([(x - 0.5, head, 1, end - head) for tick, x in ticks.items() if tick > 1], LINE)
    board.rectangles([(ticks[1] - 1, head, 2, end - head)], SOFT)
    for tick, x in ticks.items():
        board.text(x, head - 10, f"{tick:g}", align="center", colour=SOFT)


def _dots(board: Board, axis: _Axis, mark: _Mark, start: float, timings: Sequence[tuple[Timing, float]]) -> None:
    colour, shape = mark
    places = [(start + axis.along(one.multiple), y) for one, y in timings if one.multiple]
    if places:
        board.polygons([_moved(shape, x, y) for x, y in places], colour)


def _legend(board: Board, marks: dict[str, _Mark], left: float) -> None:
    board.text(left, 8, "Time as a multiple of the roofline, which is at 1; further left is better", bold=True)
    abreast = _keys_abreast(marks)
    for place, (name, (colour, shape)) in enumerate(marks.items()):
        x, y = left + place % abreast * _key_width(marks) + 5, 27 + place // abreast * _KEY
        board.polygons([_moved(shape, x, y)], colour)
        board.text(x + 10, y, name)


def _key_width(marks: dict[str, _Mark]) -> float:
    return text_width(marks) + 26


def _keys_abreast(marks: dict[str, _Mark]) -> int:
    return max(1, int((2 * _PANEL + _GAP) // _key_width(marks)))


def _moved(shape: Corners, x: float, y: float) -> Corners:
    return [(x + right, y + down) for right, down in shape]


def _description(setting: Setting, timings: Sequence[Timing], shapes: Sequence[Shape]) -> str:
    best = min(timings, key=lambda timing: timing.multiple or math.inf)
    return (
        f"Dot plot on a logarithmic axis of {plural(len({one.subject for one in timings}), 'contender')} at "
        f"{plural(len(shapes), 'shape')} of logits, {setting.title}. The closest to the roofline is {best.subject} "
        f"with {multiple_text(best.multiple or math.nan)} at {best.shape}. The table beneath has all."
    )
