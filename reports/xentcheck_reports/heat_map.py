"""The heat map of the accuracy atlas: in which regime which subject loses how many digits.

Imported only where a figure is drawn, since it loads Matplotlib.
"""

import math
from collections.abc import Sequence
from functools import cache

import matplotlib
from matplotlib.colors import to_hex

from xentcheck_reports import numbers
from xentcheck_reports.atlas import DtypeAtlas, Result, mark
from xentcheck_reports.records import Accuracy
from xentcheck_reports.svg import ROW, SOFT, Board, Box, drawing, text_width, tops_of_rows

# Significant bits of a dtype: an error of 2**bits ulp is as large as the value.
_BITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}
_PANELS: tuple[tuple[Result, str], ...] = (("loss", "Loss"), ("grad_logits", "Gradient"))

_HEAD, _CELL, _GAP = 88.0, 37.0, 22.0
_TITLE_WIDTH = 190.0
_STEPS, _STEP_WIDTH = 16, 24.0
_KEY_WIDTH = _STEP_WIDTH * _STEPS + 520.0
_NOT_A_NUMBER = "#3f51b5"  # a colour that the scale does not have


def heat_map(atlas: DtypeAtlas) -> str:
    """Subjects by regimes in one dtype, the largest error of the loss on the left, of the gradient on the right."""
    tops, end = tops_of_rows(atlas.rows, _HEAD)
    left = text_width(row.label for row in atlas.rows) + 12
    panel = max(_CELL * len(atlas.regimes), _TITLE_WIDTH) + _GAP
    grades = left + 2 * panel - _GAP + 10
    width = max(grades + text_width(["Grade  ", *(row.grade_text for row in atlas.rows)]), left + _KEY_WIDTH)
    with drawing():
        board = Board(width, end + 42)
        for row, top in zip(atlas.rows, tops, strict=True):
            board.text(left - 6, top + ROW / 2, row.label, align="right")
        for nth, (result, title) in enumerate(_PANELS):
            board.text(left + nth * panel, 8, f"{title}: largest error in ulp", bold=True)
            for across, regime in enumerate(atlas.regimes):
                board.text(left + nth * panel + (across + 0.5) * _CELL, _HEAD - 5, regime, turn=40)
            _cells(board, atlas, tops, result, left + nth * panel)
        if any(row.grade_text for row in atlas.rows):
            board.text(grades, _HEAD - 10, "Grade", bold=True)
        for row, top in zip(atlas.rows, tops, strict=True):
            board.text(grades, top + ROW / 2, row.grade_text)
        _scale(board, atlas.dtype, left, end + 16)
        return board.svg(f"Accuracy in {atlas.dtype}", _description(atlas))


def cell_text(accuracy: Accuracy) -> str:
    """`0.50`, `46`, `4.5e4`, `1e13`, or the mark of what a number does not tell."""
    return mark(accuracy) or numbers.ulp_text(accuracy.max_ulp)


def _cells(board: Board, atlas: DtypeAtlas, tops: Sequence[float], result: Result, left: float) -> None:
    boxes: dict[str, list[Box]] = {}
    texts: dict[tuple[str, bool], list[tuple[float, float, str]]] = {}
    for row, top in zip(atlas.rows, tops, strict=True):
        for across, regime in enumerate(atlas.regimes):
            x = left + across * _CELL
            style, text = (SOFT, False), "·"
            accuracy = row.cells.get((regime, result))
            if accuracy:
                colour = _colour(accuracy, atlas.dtype)
                boxes.setdefault(colour, []).append((x, top, _CELL - 1, ROW - 1))
                style, text = (_readable_on(colour), mark(accuracy) is not None), cell_text(accuracy)
            texts.setdefault(style, []).append((x + _CELL / 2, top + ROW / 2, text))
    for colour, group in boxes.items():
        board.rectangles(group, colour)
    for (colour, bold), alike in texts.items():
        for x, y, text in alike:
            board.text(x, y, text, align="center", colour=colour, bold=bold)


def _colour(accuracy: Accuracy, dtype: str) -> str:
    told = mark(accuracy)
    if told in ("NaN", "∞"):
        return _NOT_A_NUMBER
    lost = 1.0 if told else _share_lost(accuracy.max_ulp, dtype)
    return _palette()[min(_STEPS - 1, int(lost * _STEPS))]


def _share_lost(ulp: float, dtype: str) -> float:
    """0 where correctly rounded, half an ulp at most; 1 where the error is as large as the value."""
    return min(1.0, math.log2(max(ulp, 0.5) / 0.5) / (_bits(dtype) + 1))


def _bits(dtype: str) -> int:
    return _BITS.get(dtype, _BITS["float64"])


@cache
def _palette() -> list[str]:
    """From few ulp to many. Inferno's lightness tells the order without colour vision; its dark end is left out, since
    what is worst must not sink into a dark page.
    """
    return [to_hex(matplotlib.colormaps["inferno"](0.95 - 0.58 * step / (_STEPS - 1))) for step in range(_STEPS)]


def _readable_on(colour: str) -> str:
    """Black or white, whichever has the higher contrast (relative luminance of WCAG 2.2; equal at 0.179)."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#ffffff"


def _scale(board: Board, dtype: str, left: float, top: float) -> None:
    """The colour scale with the powers of ten, and what the marks mean."""
    width = _STEP_WIDTH * _STEPS
    for step, colour in enumerate(_palette()):
        board.rectangles([(left + step * _STEP_WIDTH, top, _STEP_WIDTH, 11)], colour)
    board.text(left - 6, top + 6, "ulp", align="right", colour=SOFT)
    board.text(left, top + 20, "≤ ½", colour=SOFT)
    board.text(left + width, top + 20, "the value itself", align="right", colour=SOFT)
    decades = math.floor(_bits(dtype) * math.log10(2))
    for power in range(0, decades, 1 if decades < 10 else 2):
        along = _share_lost(10.0**power, dtype) * width
        if 34 < along < width - 92:  # clear of the texts at both ends
            text = str(10**power) if power < 3 else f"1e{power}"
            board.text(left + along, top + 20, text, align="center", colour=SOFT)
    board.text(left + width + 30, top + 6, "→0  exactly 0 came back for a value that is not 0", colour=SOFT)
    board.text(left + width + 300, top + 6, "∞, NaN  came back for a finite value", colour=SOFT)


def _description(atlas: DtypeAtlas) -> str:
    marked = sum(any(map(mark, row.cells.values())) for row in atlas.rows)
    return (
        f"Heat map of {numbers.plural(len(atlas.rows), 'subject')} by {numbers.plural(len(atlas.regimes), 'regime')}; "
        f"{marked} of the subjects return 0 for a value that is not, infinity or NaN. The table beneath has all."
    )
