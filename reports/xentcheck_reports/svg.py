"""Matplotlib as a drawing board whose SVG goes straight into a page: small, themed by the page, the same every time.

Imported only where a figure is drawn: Matplotlib takes longer to load than everything else here.
"""

import io
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html import escape
from itertools import groupby
from typing import TypeAlias
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from xentcheck_reports.atlas import AtlasRow

# Colours that the page chooses, by light and dark scheme; Matplotlib draws stand-ins for them.
INK, SOFT, LINE = "#010203", "#010204", "#010205"
_THEMED = {INK: "currentColor", SOFT: "var(--soft)", LINE: "var(--line)"}

FONT_SIZE = 10.0
ROW = 17.0
_GROUP_GAP = 5.0
_KEPT = ("fill", "opacity", "text-anchor")
_SVG = "{http://www.w3.org/2000/svg}"
Corners: TypeAlias = list[tuple[float, float]]
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, width, height."""


class Board:
    """A canvas of `width` by `height` pixels with the origin at the top left. Draws within `drawing()` only."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72, frameon=False)
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self.axes.axis("off")

    def polygons(self, polygons: Iterable[Corners], colour: str, alpha: float | None = None) -> None:
        """Filled polygons of one colour, as one path."""
        closed = [Path([*corners, corners[0]], closed=True) for corners in polygons]
        path = Path.make_compound_path(*closed)
        self.axes.add_artist(PathPatch(path, facecolor=colour, alpha=alpha, linewidth=0, clip_on=False))

    def rectangles(self, boxes: Iterable[Box], colour: str, alpha: float | None = None) -> None:
        """Filled boxes of one colour, as one path."""
        corners: list[Corners] = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in boxes]
        self.polygons(corners, colour, alpha)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        align: str = "left",
        colour: str = INK,
        bold: bool = False,
        turn: float = 0,
    ) -> None:
        """Text whose middle height is at `y`, or whose lower left corner is at (x, y) if turned by `turn` degrees."""
        self.figure.text(
            *(x, y),
            "".join(letter if letter.isprintable() else "\ufffd" for letter in text),  # XML knows no control characters
            transform=self.axes.transData,
            horizontalalignment=align,
            verticalalignment="bottom" if turn else "center_baseline",
            color=colour,
            fontsize=FONT_SIZE,
            fontweight="bold" if bold else "normal",
            rotation=turn,
            rotation_mode="anchor",
            parse_math=False,
        )

    def svg(self, title: str, description: str) -> str:
        """The drawing as an `svg` element to be put into a page."""
        raw = io.StringIO()
        self.figure.savefig(raw, format="svg", metadata={"Date": None})
        root = ElementTree.fromstring(raw.getvalue())
        shapes = [shape for element in root.iter() if (shape := _shape(element))]
        groups = "".join(
            f"<g{style}>{''.join(body for _, body in members)}</g>\n"
            for style, members in groupby(shapes, key=lambda shape: shape[0])
        )
        return (
            f'<svg role="img" viewBox="0 0 {_short(self.width)} {_short(self.height)}" '
            f'style="width:{_short(self.width)}px" font-size="{_short(FONT_SIZE)}">\n'
            f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n{groups}</svg>\n"
        )


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's defaults whatever the user's own settings are, which are back in force afterwards."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has the fonts, Matplotlib need not
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "xentcheck"})
        yield


def text_width(texts: Iterable[str]) -> float:
    """Room for the longest of `texts` in whatever font the page has: letters are about 0.62 of their height wide."""
    return 0.62 * FONT_SIZE * max(map(len, texts), default=0)


def tops_of_rows(rows: Iterable[AtlasRow], top: float, height: float = ROW) -> tuple[list[float], float]:
    """Where each row begins if the first one begins at `top`, frameworks set apart; and where the last one ends."""
    tops: list[float] = []
    before = None
    for row in rows:
        top += _GROUP_GAP if before not in (None, row.framework) else 0
        tops.append(top)
        top, before = top + height, row.framework
    return tops, top


def _shape(element: ElementTree.Element) -> tuple[str, str] | None:
    """The attributes and the markup of a path or a text; None for the scaffolding around them."""
    style = element.get("style", "")
    given: dict[str, str] = dict(re.findall(r"([\w-]+):\s*([^;]+)", style))
    drawn = {name: _THEMED.get(given[name], given[name]) for name in _KEPT if name in given}
    if element.tag == f"{_SVG}path":
        return _attributes(drawn), f'<path d="{_path(element.get("d", ""))}"/>'
    if element.tag != f"{_SVG}text":
        return None
    weight = {"font-weight": "bold"} if re.search(r"\b(bold|700)\b", style) else {}
    x, y = (_short(float(element.get(axis, "0"))) for axis in "xy")
    turned = re.match(r"rotate\((-?[\d.]+) ", element.get("transform", ""))
    turn = f' transform="rotate({_short(float(turned[1]))} {x} {y})"' if turned and float(turned[1]) else ""
    body = f'<text x="{x}" y="{y}"{turn}>{escape(element.text or "")}</text>'
    return _attributes({"fill": "#000000"} | drawn | weight), body


def _path(commands: str) -> str:
    """A path with relative steps, and tenths of a pixel."""
    at = start = (0.0, 0.0)
    steps = []
    for command, x, y in re.findall(r"([MLz])(?: (-?[\d.]+) (-?[\d.]+))?", commands):
        if command == "z":
            steps.append("z")
            at = start
            continue
        to = (round(float(x), 1), round(float(y), 1))
        right, down = _short(to[0] - at[0]), _short(to[1] - at[1])
        if command == "M":
            steps.append(f"M{_short(to[0])} {_short(to[1])}")
            start = to
        elif down == "0":
            steps.append(f"h{right}")
        else:
            steps.append(f"v{down}" if right == "0" else f"l{right} {down}")
        at = to
    return "".join(steps)


def _attributes(values: dict[str, str]) -> str:
    return "".join(f' {name}="{value}"' for name, value in values.items())


def _short(number: float) -> str:
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")  # + 0.0: no negative zero
