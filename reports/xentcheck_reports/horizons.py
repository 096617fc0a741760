"""The horizon figure of the accuracy atlas: how small a loss each subject can still tell.

Imported only where a figure is drawn, since it loads Matplotlib.
"""

import math
from collections.abc import Sequence

from xentcheck_reports import numbers
from xentcheck_reports.atlas import AtlasRow, dtype_place
from xentcheck_reports.svg import LINE, SOFT, Board, Box, Corners, drawing, text_width, tops_of_rows

_HEAD, _LANE, _DECADE, _NEVER = 62.0, 6.0, 58.0, 64.0
# A colour, a shape and a lane for every dtype, so that colour never carries the meaning alone.
_MARKS: dict[str, tuple[str, Corners]] = {
    "bfloat16": ("#5b7fd6", [(0, -4), (4, 0), (0, 4), (-4, 0)]),
    "float16": ("#b5651d", [(-3.6, 3), (0, -3.6), (3.6, 3)]),
    "float32": ("#8f6bc9", [(-3.6, -3), (3.6, -3), (0, 3.6)]),
    "float64": ("#1f8a8c", [(-2.8, -2.8), (2.8, -2.8), (2.8, 2.8), (-2.8, 2.8)]),
}
_OTHER = ("#8a8a8a", [(-3.6, -1.5), (3.6, -1.5), (3.6, 1.5), (-3.6, 1.5)])


class _Axis:
    """Losses on a logarithmic scale of whole decades, and a place apart for subjects that never return 0."""

    def __init__(self, left: float, rows: Sequence[AtlasRow]) -> None:
        held = [row.horizon for row in rows if row.horizon]
        losses = [loss for one in held for loss in (one.zero_below, one.accurate_above) if 0 < loss < math.inf]
        self.first = math.floor(math.log10(min(losses, default=0.1)))
        self.last = max(math.ceil(math.log10(max(losses, default=1.0))), 0)
        self.never = left + 20
        self._start = left + _NEVER

    def at(self, loss: float) -> float:
        return self._start + (min(math.log10(loss), self.last) - self.first) * _DECADE


def horizon_figure(rows: Sequence[AtlasRow]) -> str:
    """One line per subject and in it one lane per dtype: a mark at the largest loss returned as exactly 0, and a bar
    from there to the loss above which it is accurate. All of `rows` have a horizon.
    """
    dtypes = sorted({row.dtype for row in rows}, key=dtype_place)
    subjects = list({row.label: row for row in rows}.values())
    height = _LANE * len(dtypes) + 5
    tops, end = tops_of_rows(subjects, _HEAD, height)
    left = text_width(row.label for row in subjects) + 12
    axis = _Axis(left, rows)
    with drawing():
        board = Board(max(axis.at(10.0**axis.last) + 20, left + 750), end + 24)
        board.rectangles([(0, top, board.width, height) for top in tops[::2]], SOFT, alpha=0.09)
        _grid(board, axis, end)
        _legend(board, left, dtypes)
        top_of = {row.label: top for row, top in zip(subjects, tops, strict=True)}
        for label, top in top_of.items():
            board.text(left - 6, top + height / 2, label, align="right")
        for lane, dtype in enumerate(dtypes):
            middle = 2.5 + (lane + 0.5) * _LANE
            _lane(board, axis, dtype, [(row, top_of[row.label] + middle) for row in rows if row.dtype == dtype])
        return board.svg(
            "Horizon: how small a loss each subject can tell",
            f"Dot plot on a logarithmic axis of {numbers.plural(len(subjects), 'subject')}: the largest true loss "
            "returned as exactly 0, by dtype, and the loss above which it is accurate. The table beneath has all.",
        )


def _grid(board: Board, axis: _Axis, end: float) -> None:
    decades = {power: axis.at(10.0**power) for power in range(axis.first, axis.last + 1)}
    board.rectangles([(x - 0.5, _HEAD, 1, end - _HEAD) for x in decades.values()], LINE)
    for power, x in decades.items():
        for y in (_HEAD - 8, end + 10):
            board.text(x, y, f"1e{power}" if power else "1", align="center", colour=SOFT)
    board.text(axis.never, _HEAD - 8, "never 0", align="center", colour=SOFT)


def _legend(board: Board, left: float, dtypes: Sequence[str]) -> None:
    board.text(left, 8, "True loss of a row whose label is the maximum; further left is better", bold=True)
    for dtype in dtypes:
        colour, shape = _MARKS.get(dtype, _OTHER)
        board.polygons([_moved(shape, left + 4, 27)], colour)
        board.text(left + 12, 27, dtype)
        left += 72
    explained = "mark: largest loss returned as exactly 0;  bar: to the loss above which it is accurate"
    board.text(left + 12, 27, explained, colour=SOFT)


def _lane(board: Board, axis: _Axis, dtype: str, rows: Sequence[tuple[AtlasRow, float]]) -> None:
    colour, shape = _MARKS.get(dtype, _OTHER)
    bars: list[Box] = []
    ends: list[Box] = []
    marks: list[Corners] = []
    for row, y in rows:
        if row.horizon is None:
            continue
        zero, accurate = row.horizon.zero_below, row.horizon.accurate_above
        marks.append(_moved(shape, axis.at(zero) if zero else axis.never, y))
        if accurate > zero:
            end = axis.at(accurate)
            start = axis.at(zero) if zero else end - _DECADE / 2  # never 0: where the bar begins is not known
            bars.append((start, y - 1, end - start, 2.0))
            ends.append((end - 1, y - 2.5, 1.5, 5.0))
    if bars:
        board.rectangles(bars, colour, alpha=0.55)
        board.rectangles(ends, colour)
    board.polygons(marks, colour)


def _moved(shape: Corners, x: float, y: float) -> Corners:
    return [(x + right, y + down) for right, down in shape]
