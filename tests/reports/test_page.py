import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest

from xentcheck_reports import (
    Accuracy,
    Bitwise,
    Divergence,
    Failure,
    Horizon,
    Precedent,
    Record,
    Run,
    Status,
    Worst,
    merge,
    render_html,
    write_report,
)

LINK = "https://example.org/issues/1"


class Page(HTMLParser):
    """The tags, attributes and visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


def divergence(**fields: str) -> Divergence:
    given = {"reason": "the gradient is p - y", "link": LINK, "example": "labels [[1, 1]]", "versions": "tf >=2"}
    return Divergence.model_validate(given | fields)


@pytest.fixture
def everything(
    record: Callable[..., Record],
    run: Callable[..., Run],
    worst: Callable[..., Worst],
    failure: Callable[..., Failure],
    accuracy: Callable[..., Accuracy],
    horizon: Callable[..., Horizon],
) -> Run:
    """One record of every status, on two subjects, with all optional parts somewhere."""
    records = [
        record(
            clause=f"ANY-{number}",
            subject=subject,
            status=status,
            worst=worst() if status.is_judged else None,
            failure=failure(detail="stack text") if status.is_failure else None,
            divergences=[divergence()] if status is Status.KNOWN_DIVERGENCE else [],
            bitwise=[Bitwise(equal=3, of=4, against="tf.dense.eager")] if status is Status.PASS else [],
            accuracy=[accuracy()] if status is Status.PASS else [],
            horizon=horizon() if status is Status.PASS else None,
        )
        for subject, (number, status) in product(["tf.sparse.eager", "numpy.plain"], enumerate(Status))
    ]
    return run(*records)


def test_every_link_within_the_page_leads_somewhere_and_anchors_are_unique(everything: Run) -> None:
    page = Page(render_html(everything))
    anchors = page.values("id")
    assert len(anchors) == len(set(anchors))
    assert {link[1:] for link in page.values("href") if link.startswith("#")} <= set(anchors)


def test_the_page_is_self_contained_and_has_no_script(everything: Run) -> None:
    html = render_html(everything)
    page = Page(html)
    assert {link for link in page.values("href") if not link.startswith("#")} == {"data:,", LINK}
    assert not page.values("src")
    assert "url(" not in html
    assert page.tags.isdisjoint({"script", "img", "iframe", "object", "form"})
    assert any(policy.startswith("default-src 'none'") for policy in page.values("content"))


def test_every_status_is_told_by_glyph_and_word_and_not_by_colour_alone(everything: Run) -> None:
    text = Page(render_html(everything)).text
    assert all(f"{status.glyph} {status.label}" in text for status in Status)


def test_a_failure_shows_its_input_interval_answer_and_replay_command(
    record: Callable[..., Record], run: Callable[..., Run], failure: Callable[..., Failure]
) -> None:
    parts = failure(detail="Fatal Python error: Aborted")
    text = Page(render_html(run(record(status="crash", failure=parts)))).text
    assert all(part in text for part in parts.model_dump(exclude={"precedents"}).values())


def test_a_failure_names_and_links_the_bugs_that_came_before_it(
    record: Callable[..., Record], run: Callable[..., Run], failure: Callable[..., Failure]
) -> None:
    page = Page(render_html(run(record(status="fail", failure=failure(precedents=[Precedent(name="a #7", url=LINK)])))))
    assert "As in a #7" in page.text
    assert LINK in page.values("href")


def test_a_pass_shows_its_worst_case(
    record: Callable[..., Record], run: Callable[..., Run], worst: Callable[..., Worst]
) -> None:
    evidence = worst(ratio=0.83, what="grad_logits", row=3, column=17, term="log-sum-exp", token="x1.token")
    text = Page(render_html(run(record(worst=evidence)))).text
    assert "✓ 0.83" in text
    assert all(part in text for part in ("grad_logits[3, 17]", "log-sum-exp", "x1.token"))


def test_text_from_outside_is_shown_and_never_executed(
    record: Callable[..., Record], run: Callable[..., Run], failure: Callable[..., Failure]
) -> None:
    hostile = "</pre><script>alert('x')</script>\" onclick=\"alert(1)"
    harmless = Page(render_html(run(record(title="t", status="fail", failure=failure()))))
    page = Page(
        render_html(
            run(
                record(
                    title=hostile,
                    subject=hostile,
                    status="fail",
                    reason=hostile,
                    failure=failure(summary=hostile, case=hostile, detail=hostile),
                    divergences=[divergence(reason=hostile)],
                ),
                command=hostile,
            )
        )
    )
    assert page.text.count(hostile) >= 7
    assert page.tags <= harmless.tags | {"details", "summary"}
    assert not page.values("onclick")


def test_a_link_that_is_not_a_web_address_stays_text(record: Callable[..., Record], run: Callable[..., Run]) -> None:
    script = "javascript:alert(1)"
    page = Page(render_html(run(record(status="known-divergence", divergences=[divergence(link=script)]))))
    assert script in page.text
    assert script not in page.values("href")


def test_one_divergence_on_many_subjects_and_devices_is_told_once(
    record: Callable[..., Record], run: Callable[..., Run]
) -> None:
    places = product(["tf.dense.eager", "tf.dense.xla"], ["cpu", "cuda"])
    shown = [record(subject=s, device=d, status="known-divergence", divergences=[divergence()]) for s, d in places]
    (section,) = re.findall(r'<section id="divergences">.*?</section>', render_html(run(*shown)), flags=re.DOTALL)
    assert section.count(divergence().reason) == 1
    assert "tf.dense.eager (float32); tf.dense.xla (float32)" in Page(section).text


def test_the_same_absence_on_many_subjects_is_told_once(record: Callable[..., Record], run: Callable[..., Run]) -> None:
    missing = [record(subject=f"jax.{n}", clause="A-1", status="not-run", reason="jax is missing") for n in range(9)]
    page = render_html(run(record(clause="A-2"), *missing))
    (section,) = re.findall(r'<section id="absences">.*?</section>', page, flags=re.DOTALL)
    assert section.count("jax is missing") == 1
    assert all(absent.subject in section for absent in missing)


def test_checks_that_were_not_made_are_not_counted_as_made(
    record: Callable[..., Record], run: Callable[..., Run]
) -> None:
    absent = record(subject="jax.jit", status="not-run")
    assert "no failures in 1 check, 1 not made" in Page(render_html(run(record(), absent))).text
    assert "nothing was checked" in Page(render_html(run(absent))).text


def test_a_run_without_records_still_makes_a_page(run: Callable[..., Run]) -> None:
    assert "nothing was checked" in render_html(run())


def test_merged_runs_show_every_header(record: Callable[..., Record], run: Callable[..., Run]) -> None:
    runs = [run(record(), id="one", command="pytest on one"), run(record(), id="two", command="pytest on two")]
    text = Page(render_html(merge(runs))).text
    assert all(one.header.command in text for one in runs)


def test_what_was_lost_of_an_interrupted_run_is_said_on_the_page(run: Callable[..., Run]) -> None:
    assert "line 9: cut off" in render_html(Run(run().header, (), ("line 9: cut off",)))


def test_four_thousand_records_stay_below_one_and_a_half_megabytes(
    record: Callable[..., Record], run: Callable[..., Run], worst: Callable[..., Worst]
) -> None:
    evidence = worst(what="grad_logits", column=999, term="product with upstream", token="x1." + "a" * 30)
    dtypes = ("float16", "bfloat16", "float32", "float64")
    parts = product(range(50), range(20), dtypes)
    records = [record(subject=f"framework.function.{s}", clause=f"C-{c}", dtype=d, worst=evidence) for s, c, d in parts]
    assert len(render_html(run(*records)).encode()) < 1_500_000


def test_the_page_is_written_where_it_is_said_to_be(
    record: Callable[..., Record], run: Callable[..., Run], tmp_path: Path
) -> None:
    path = write_report(run(record()), tmp_path / "new" / "directory")
    assert path == tmp_path / "new" / "directory" / "report.html"
    assert path.read_text(encoding="utf-8") == render_html(run(record()))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_all_text_has_the_contrast_of_wcag_aa(
    run: Callable[..., Run], contrast: Callable[[str, str], float], scheme: int
) -> None:
    palette = re.findall(r":root \{(.*?)\}", render_html(run()), flags=re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): #(\w+)", palette))
    pairs = list(product(("ink", "soft", "link"), ("page", "card", "mark")))
    pairs += [("failure-ink" if s.is_failure else f"{s.value}-ink", s.value) for s in Status]
    for text, background in pairs:
        assert contrast(colours[text], colours[background]) >= 4.5, f"{text} on {background}"
