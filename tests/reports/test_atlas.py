import math
import re
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from xml.etree import ElementTree

import matplotlib
import pytest

from xentcheck_reports import Accuracy, Grade, Horizon, Record, Run, render_html
from xentcheck_reports.atlas import Atlas, accuracy_atlas, mark
from xentcheck_reports.heat_map import cell_text, heat_map
from xentcheck_reports.horizons import horizon_figure

DTYPES = ("bfloat16", "float16", "float32", "float64")
SURVEY, GRADED = "ACC-1", "ACC-2"


def atlas_of(*records: Record) -> Atlas:
    atlas = accuracy_atlas(records)
    assert atlas
    return atlas


def figures(html: str) -> list[str]:
    return re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


def test_a_page_without_accuracy_has_no_atlas_and_does_not_load_matplotlib() -> None:
    program = """
import sys
from xentcheck_reports import Record, Run, RunHeader, render_html
header = RunHeader(id="r", started=0, level="l", seed=0, command="c", harness_version="0", python="3", platform="p",
                   processor="p", versions={})
record = Record(clause="A-1", title="t", family="f", subject="s", framework="f", device="cpu", dtype="float32",
                status="pass")
assert 'id="atlas"' not in render_html(Run(header, (record,)))
assert "#atlas\\"" not in render_html(Run(header, (record,)))
assert "matplotlib" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_grade_alone_makes_no_atlas(record: Callable[..., Record]) -> None:
    assert accuracy_atlas([record(grade=Grade(recorded="B-L", measured="B-L"))]) is None


def test_a_heat_map_shows_every_subject_regime_grade_and_error(surveyed: Callable[..., list[Record]]) -> None:
    for one in atlas_of(*surveyed()).dtypes:
        shown = texts(heat_map(one))
        assert {"framework.function.0", "framework.function.2", "regime 0", "regime 3", "B-L"} <= set(shown)
        cells = [cell_text(accuracy) for row in one.rows for accuracy in row.cells.values()]
        assert all(shown.count(text) >= cells.count(text) for text in cells)


def test_the_two_results_stand_in_their_own_halves(
    record: Callable[..., Record], accuracy: Callable[..., Accuracy]
) -> None:
    errors = [accuracy(what="grad_logits", max_ulp=77.0), accuracy(what="loss", max_ulp=33.0)]
    svg = heat_map(atlas_of(record(accuracy=errors)).dtypes[0])
    at = {element.text: float(element.attrib["x"]) for element in ElementTree.fromstring(svg).iter("text")}
    loss, gradient = "Loss: largest error in ulp", "Gradient: largest error in ulp"
    assert at[loss] < at["33"] < at[gradient] < at["77"]


def test_more_ulp_is_another_colour_until_no_digit_is_left(
    record: Callable[..., Record], accuracy: Callable[..., Accuracy]
) -> None:
    errors = [accuracy(regime=f"{ulp}", max_ulp=ulp) for ulp in (0.5, 30.0, 1e4, 2.0**24, 2.0**30)]
    fills = re.findall(r'<g fill="(#\w+)"><path', heat_map(atlas_of(record(accuracy=errors)).dtypes[0]))
    cells, scale = fills[:-16], fills[-16:]
    places = [scale.index(colour) for colour in cells]
    assert places == sorted(set(places))
    assert (places[0], places[-1], len(places)) == (0, 15, 4)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"zeros": 1, "max_ulp": 2.0**24}, "→0"),
        ({"zeros": 1, "max_ulp": math.inf}, "∞"),
        ({"max_ulp": 8e6, "got": math.inf}, "∞"),
        ({"max_ulp": 0.5, "got": math.inf, "expected": math.inf}, None),
        ({"max_ulp": math.nan}, "NaN"),
        ({"max_ulp": math.inf, "got": math.nan}, "NaN"),
        ({"max_ulp": 0.5}, None),
    ],
)
def test_vanished_and_infinite_values_are_told_by_a_mark_and_not_by_colour_alone(
    record: Callable[..., Record], accuracy: Callable[..., Accuracy], fields: dict[str, float], told: str | None
) -> None:
    one = accuracy(**fields)
    assert mark(one) == told
    assert (told or "0.50") in texts(heat_map(atlas_of(record(accuracy=[one])).dtypes[0]))


def test_a_vanished_value_has_the_colour_of_the_worst_and_an_infinite_one_a_colour_off_the_scale(
    record: Callable[..., Record], accuracy: Callable[..., Accuracy]
) -> None:
    errors = [accuracy(regime="vanished", zeros=1, max_ulp=2.0), accuracy(regime="infinite", max_ulp=math.inf)]
    fills = re.findall(r'<g fill="(#\w+)"><path', heat_map(atlas_of(record(accuracy=errors)).dtypes[0]))
    vanished, infinite = fills[:-16]
    assert vanished == fills[-1]
    assert infinite not in fills[-16:]


def test_the_text_of_a_cell_has_the_contrast_of_wcag_aa(
    record: Callable[..., Record], accuracy: Callable[..., Accuracy], contrast: Callable[[str, str], float]
) -> None:
    errors = [accuracy(regime=f"{n}", max_ulp=2.0 ** (n - 1)) for n in range(26)] + [accuracy(max_ulp=math.inf)]
    svg = heat_map(atlas_of(record(accuracy=errors)).dtypes[0])
    background = {}
    for fill, path in re.findall(r'<g fill="#(\w+)"><path d="(.*?)"', svg)[:-16]:  # the last ones are the scale
        background |= {float(left): fill for left in re.findall(r"M([\d.]+) ", path)}
    shown = []
    for element in ElementTree.fromstring(svg).iter("g"):
        cells = [text for text in element.iter("text") if re.fullmatch("#(000000|ffffff)", element.attrib["fill"])]
        shown += [(float(text.attrib["x"]), element.attrib["fill"][1:]) for text in cells]
    assert len(shown) == len(background) == len(errors)
    for x, ink in shown:
        left = max(left for left in background if left < x)
        assert contrast(ink, background[left]) >= 4.5


def test_the_marks_of_all_dtypes_stand_out_in_light_and_dark(
    surveyed: Callable[..., list[Record]], run: Callable[..., Run], contrast: Callable[[str, str], float]
) -> None:
    html = render_html(run(*surveyed(subjects=1)))
    marks = set(re.findall(r'fill="#(\w+)"><path', figures(html)[-1]))
    assert len(marks) == len(DTYPES)
    for card in re.findall(r"--card: #(\w+)", html):
        assert min(contrast(mark, card) for mark in marks) >= 3  # WCAG 2.2 for graphical objects


def test_a_regime_that_was_not_surveyed_is_a_gap(
    record: Callable[..., Record], accuracy: Callable[..., Accuracy]
) -> None:
    both = [accuracy(regime="normal"), accuracy(regime="wide")]
    atlas = atlas_of(record(subject="a", accuracy=both), record(subject="b", accuracy=both[:1]))
    shown = texts(heat_map(atlas.dtypes[0]))
    assert shown.count("·") == 1 + 4  # wide of b, and no gradient at all
    assert shown.count("3.0") == 3


@pytest.mark.parametrize(
    ("recorded", "measured", "text"),
    [
        ("B-L", "B-L", "B-L"),
        (None, "B-L", "B-L"),
        ("B-L", "C-L", "C-L (recorded B-L)"),
        ("B-L", None, "B-L"),
        (None, None, ""),
    ],
)
def test_a_grade_that_changed_shows_what_was_recorded(
    record: Callable[..., Record],
    accuracy: Callable[..., Accuracy],
    recorded: str | None,
    measured: str | None,
    text: str,
) -> None:
    graded = record(clause=GRADED, grade=Grade(recorded=recorded, measured=measured))
    atlas = atlas_of(record(clause=SURVEY, accuracy=[accuracy()]), graded)
    assert atlas.dtypes[0].rows[0].grade_text == text
    shown = texts(heat_map(atlas.dtypes[0]))
    assert (text in shown) == ("Grade" in shown)


def test_dtypes_stand_narrow_first_and_frameworks_together(
    record: Callable[..., Record], accuracy: Callable[..., Accuracy]
) -> None:
    order = [("torch.a", "torch", "float64"), ("tf.a", "tf", "float16"), ("torch.b", "torch", "float16")]
    atlas = atlas_of(*(record(subject=s, framework=f, dtype=d, accuracy=[accuracy()]) for s, f, d in order))
    assert [one.dtype for one in atlas.dtypes] == ["float16", "float64"]
    assert [row.label for row in atlas.dtypes[0].rows] == ["torch.b", "tf.a"]


def test_devices_are_told_apart_where_there_are_several(
    record: Callable[..., Record], accuracy: Callable[..., Accuracy]
) -> None:
    atlas = atlas_of(*(record(device=device, accuracy=[accuracy()]) for device in ("cpu", "cuda")))
    assert [row.label for row in atlas.dtypes[0].rows] == ["numpy.plain@cpu", "numpy.plain@cuda"]
    assert [row.replay.split("--")[1] for row in atlas.dtypes[0].rows] == ["device=cpu", "device=cuda"]


def test_the_horizon_figure_sets_smaller_losses_further_left(
    record: Callable[..., Record], horizon: Callable[..., Horizon]
) -> None:
    zeros = {"never": 0.0, "seldom": 1e-10, "soon": 1e-7}
    records = [record(subject=subject, horizon=horizon(zero_below=zero)) for subject, zero in zeros.items()]
    marks = re.findall(r'<path d="(.*?)"', horizon_figure(atlas_of(*records).horizons))[-1]
    never, seldom, soon = (float(x) for x in re.findall(r"M([\d.]+) ", marks))
    assert never < seldom < soon


def test_an_infinite_horizon_stays_on_the_axis(record: Callable[..., Record], horizon: Callable[..., Horizon]) -> None:
    seen = horizon(zero_below=0.25, accurate_above=math.inf)
    svg = horizon_figure(atlas_of(record(horizon=seen)).horizons)
    assert not {"inf", "nan"} & set(re.findall(r"[a-z]+", " ".join(re.findall(r'[dxy]="(.*?)"', svg))))


def test_the_table_has_the_figures_and_what_replays_them(
    record: Callable[..., Record],
    accuracy: Callable[..., Accuracy],
    horizon: Callable[..., Horizon],
    run: Callable[..., Run],
) -> None:
    errors = accuracy(max_ulp=4321.0, p99_ulp=56.0, zeros=7, got=0.0, expected=0.000123, token="x1.worst-loss")
    seen = horizon(zero_below=1.25e-7, accurate_above=2.5e-5, token="x1.worst-horizon")
    html = unescape(
        re.sub(r"<svg.*?</svg>", "", render_html(run(record(accuracy=[errors], horizon=seen))), flags=re.DOTALL)
    )
    for part in (
        "4.3e3",
        "<td>56",
        "<td>7<",
        "<td>0.000123",
        "x1.worst-loss",
        "1.25e-07",
        "2.5e-05",
        "x1.worst-horizon",
    ):
        assert part in html
    assert "xentcheck replay IGN-1 numpy.plain --device=cpu TOKEN" in html


def test_the_same_records_give_the_same_page_whatever_the_users_settings(
    surveyed: Callable[..., list[Record]], run: Callable[..., Run]
) -> None:
    records = surveyed()
    html = render_html(run(*records))
    with matplotlib.rc_context({"font.size": 30, "text.color": "red", "figure.dpi": 300, "axes.facecolor": "green"}):
        settings = dict(matplotlib.rcParams)
        assert render_html(run(*records)) == html
        assert dict(matplotlib.rcParams) == settings


def test_figures_take_their_ink_from_the_page_and_load_nothing(
    surveyed: Callable[..., list[Record]], run: Callable[..., Run]
) -> None:
    html = render_html(run(*surveyed()))
    assert len(figures(html)) == len(DTYPES) + 1
    assert 'href="#atlas"' in html
    for banned in ("url(", "<script", 'href="http', "xlink", "<style type"):
        assert banned not in html
    for svg in figures(html):
        root = ElementTree.fromstring(svg)
        assert root.attrib["role"] == "img"
        assert root.findtext("title")
        assert root.findtext("desc")
        names = [group for group in root.iter("g") if any(text.text == "framework.function.0" for text in group)]
        assert [group.attrib["fill"] for group in names] == ["currentColor"]
        assert not {"#010203", "#010204", "#010205"} & {group.attrib["fill"] for group in root.iter("g")}


def test_names_from_outside_are_shown_and_never_executed(
    record: Callable[..., Record],
    accuracy: Callable[..., Accuracy],
    horizon: Callable[..., Horizon],
    run: Callable[..., Run],
) -> None:
    hostile = "</text></svg><script>alert('x')</script>\" onclick=\"$x^2$ \x1b 损失"
    errors = accuracy(regime=hostile, token=hostile)
    html = render_html(run(record(subject=hostile, accuracy=[errors], horizon=horizon(token=hostile))))
    assert "<script" not in html
    heat, dots = figures(html)
    shown = hostile.replace("\x1b", "\ufffd")
    assert texts(heat).count(shown) == 1 + 2
    assert texts(dots).count(shown) == 1


def test_the_size_of_figures_and_page_is_bounded(
    surveyed: Callable[..., list[Record]], run: Callable[..., Run]
) -> None:
    html = render_html(run(*surveyed(subjects=40, regimes=12)))
    assert max(len(svg.encode()) for svg in figures(html)) < 100_000
    assert len(html.encode()) < 1_500_000
