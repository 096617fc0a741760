"""A benchmark as data: what is told of its times, and what its page shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from xentcheck_reports import (
    Record,
    Run,
    RunHeader,
    Speeds,
    Timing,
    read_speeds,
    render_bench,
    write_report,
    write_speeds,
)


def timing(subject: str = "kernels.avx512", seconds: tuple[float, ...] = (2e-3,), **fields: Any) -> Timing:
    given: dict[str, Any] = {
        "subject": subject,
        "framework": subject.partition(".")[0],
        "dtype": "float32",
        "labels": "index",
        "rows": 512,
        "classes": 32_000,
        "gradient": False,
        "warm": True,
        "threads": 1,
        "seconds": list(seconds),
        "roofline": [1e-3 for _ in seconds],
        "first_seconds": 0.5 if seconds else None,
    }
    return Timing(**{**given, **fields})


@pytest.fixture
def speeds(header: Callable[..., RunHeader]) -> Callable[..., Speeds]:
    def build(*timings: Timing) -> Speeds:
        return Speeds(header=header(), rounds=1, due=len(timings), timings=list(timings))

    return build


def test_the_multiple_is_the_median_over_the_rounds_of_what_each_round_shows() -> None:
    noisy = timing(seconds=(2e-3, 9e-3, 6e-3), roofline=[1e-3, 1e-3, 3e-3])
    assert noisy.multiple == pytest.approx(2.0)


def test_a_timing_has_seconds_or_says_why_not() -> None:
    with pytest.raises(ValidationError, match="reason"):
        timing(seconds=())
    assert timing(seconds=(), reason="it died").multiple is None


def test_the_fastest_is_compared_with_the_fastest_of_another_framework(speeds: Callable[..., Speeds]) -> None:
    slow, slower = timing("torch.compile", (6e-3,)), timing("torch.eager", (8e-3,))
    of = speeds(slower, timing(), timing("kernels.avx2", (3e-3,)), slow)
    ((line,),) = of.tables.values()
    assert line.lead_text == "kernels.avx512: 3.00 times as fast as torch.compile"


def test_settings_have_tables_of_their_own_and_shapes_lines(speeds: Callable[..., Speeds]) -> None:
    of = speeds(timing(), timing(warm=False), timing(threads=2), timing(gradient=True), timing(rows=4))
    assert [len(lines) for lines in of.tables.values()] == [3, 1, 1]
    assert len({setting.title for setting in of.tables}) == 3


def test_where_the_roofline_is_no_time_to_speak_of_the_time_itself_is_told(speeds: Callable[..., Speeds]) -> None:
    ((line,),) = speeds(timing(seconds=(2e-6,), roofline=[1e-8])).tables.values()
    assert line.text_of("kernels.avx512") == "2.00 µs"


def test_a_benchmark_is_read_as_it_was_written(tmp_path: Path, speeds: Callable[..., Speeds]) -> None:
    of = speeds(timing(), timing("torch.eager", (), reason="it died"))
    assert read_speeds(write_speeds(of, tmp_path)) == of


def test_the_page_has_a_figure_and_a_table_and_tells_who_was_not_timed(speeds: Callable[..., Speeds]) -> None:
    of = speeds(timing(), timing("torch.eager", (8e-3,)), timing("tf.raw", (), reason="it <died>"))
    page = render_bench(of)
    assert page.count("<svg") == 1
    assert page.count(">torch.eager<") == 2  # in the key of the figure, and at the head of the table
    assert "it &lt;died&gt;" in page
    assert render_bench(of) == page


def test_a_report_links_to_a_benchmark_beside_it(
    tmp_path: Path, speeds: Callable[..., Speeds], run: Callable[..., Run], record: Callable[..., Record]
) -> None:
    conformance = run(record())
    assert "bench.html" not in write_report(conformance, tmp_path).read_text(encoding="utf-8")
    write_speeds(speeds(timing()), tmp_path)
    assert "bench.html" in write_report(conformance, tmp_path).read_text(encoding="utf-8")


def test_a_benchmark_in_which_nobody_was_timed_has_a_page(speeds: Callable[..., Speeds]) -> None:
    assert "<svg" not in render_bench(speeds(timing(seconds=(), reason="it died")))
