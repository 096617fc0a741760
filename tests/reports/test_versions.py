"""The same subject in several environments: what differs, and from which version on."""

from collections.abc import Callable

import pytest

from xentcheck_reports import Choice, Record, Run, Standing, render_html, summary_matrix, version_tables

Ran = Callable[..., Record]
OLD_TO_NEW = {"oldest": "2.6.0+cu124", "older": "2.9.1", None: "2.13.0"}


@pytest.fixture
def ran(record: Callable[..., Record]) -> Ran:
    """A record of a subject in an environment, which has a version of torch."""

    def build(interpreter: str | None, status: str = "pass", subject: str = "torch.eager", **fields: object) -> Record:
        given = {
            "subject": f"{subject}@{interpreter}" if interpreter else subject,
            "framework": subject.split(".")[0],
            "interpreter": interpreter,
            "versions": {"numpy": "2.4.6", "torch": OLD_TO_NEW[interpreter]},
            "status": status,
            **fields,
        }
        return record(**given)

    return build


def changes(*records: Record) -> list[tuple[str, str]]:
    return [(found.clause, found.told) for table in version_tables(records) for found in table.differences]


def test_one_environment_alone_is_compared_with_nothing(ran: Ran) -> None:
    assert version_tables([ran(None), ran("oldest", subject="torch.compile")]) == []


def test_environments_go_from_the_oldest_version_to_the_newest_whatever_the_order_of_records(ran: Ran) -> None:
    (table,) = version_tables([ran(None), ran("oldest"), ran("older", "fail")])
    assert [environment.label for environment in table.environments] == [
        "torch 2.6.0+cu124", "torch 2.9.1", "torch 2.13.0",
    ]  # fmt: skip
    assert [environment.place for environment in table.environments] == ["@oldest", "@older", ""]
    assert (table.shared, [len(found.seen) for found in table.differences]) == (1, [3])


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (("pass", "pass", "fail"), "first bad version: torch 2.13.0"),
        (("pass", "fail", "crash"), "first bad version: torch 2.9.1"),
        (("pass", "known-divergence", "fail"), "first bad version: torch 2.9.1"),
        (("fail", "known-divergence", "pass"), "first good version: torch 2.13.0"),
        (("fail", "unexpected-pass", "pass"), "first good version: torch 2.9.1"),
        (("fail", "pass", "fail"), "first bad version: torch 2.13.0"),
        (("unsupported", "pass", "pass"), "changed in torch 2.9.1"),
        (("fail", "not-run", "pass"), "first good version: torch 2.13.0"),
        (("harness-error", "pass", "fail"), "first bad version: torch 2.13.0"),
    ],
)
def test_the_first_version_is_the_oldest_from_which_on_all_are_as_the_newest(
    ran: Ran, statuses: tuple[str, ...], told: str
) -> None:
    records = [ran(place, status) for place, status in zip(OLD_TO_NEW, statuses, strict=True)]
    assert changes(*records) == [("IGN-1", told)]


def test_what_is_alike_or_was_not_judged_is_no_difference(ran: Ran) -> None:
    assert changes(ran(None), ran("older")) == []
    assert changes(ran(None), ran("older", "not-run")) == []


def test_a_divergence_of_another_kind_is_a_difference(ran: Ran) -> None:
    def known(reason: str) -> dict[str, object]:
        return {"divergences": [{"reason": reason, "link": "", "example": "", "versions": "any"}]}

    silent, dead = known("reads another class"), known("ends its process")
    differing = [ran("older", "known-divergence", **silent), ran(None, "known-divergence", **dead)]
    assert changes(*differing) == [("IGN-1", "changed in torch 2.13.0")]
    assert changes(ran("older", "known-divergence", **dead), differing[1]) == []


def test_answers_are_compared_question_by_question(ran: Ran) -> None:
    def answering(place: str | None, *answers: str, subject: str = "torch.eager") -> Record:
        questions = zip(("-1", "C"), answers, strict=True)
        choices = [
            Choice(cell=cell, answer=answer, usual="refuses", standing=Standing.EQUAL, token="1x")
            for cell, answer in questions
        ]
        return ran(place, subject=subject, clause="LAB-2", choices=choices)

    records = [
        answering(place, "refuses", answer, subject=subject)
        for subject in ("torch.eager", "torch.compile")
        for place, answer in (("older", "NaN"), (None, "refuses"))
    ]
    (table,) = version_tables(records)
    (found,) = table.differences
    assert (found.question, found.subjects) == ("C", ("torch.eager", "torch.compile"))
    assert [seen and seen.answer for seen in found.seen] == ["NaN", "refuses"]


def test_a_subject_that_a_version_lacks_is_told_once(ran: Ran) -> None:
    lacking = {"versions": {}, "subject": "torch.linear", "reason": "torch 2.9.1 has none"}
    missing = [ran("older", "unsupported", clause=f"IGN-{n}", **lacking) for n in (1, 2)]
    there = [ran(None, subject="torch.linear", clause=f"IGN-{n}") for n in (1, 2)]
    (table,) = version_tables([*missing, *there, ran(None), ran("older")])
    assert [(subject, environment.place, why) for subject, environment, why in table.absent] == [
        ("torch.linear", "@older", "torch 2.9.1 has none")
    ]
    assert table.differences == ()


def test_equal_versions_name_no_first_one(ran: Ran) -> None:
    (table,) = version_tables([ran(None), ran("older", "fail", versions=ran(None).versions)])
    assert [environment.label for environment in table.environments] == ["here", "@older"]
    assert [found.told for found in table.differences] == ["the versions are the same"]


def test_the_page_shows_what_differs_and_the_matrix_short_names(ran: Ran, run: Callable[..., Run]) -> None:
    both = run(ran(None, "fail"), ran("oldest", subject="torch.eager"))
    page = render_html(both)
    assert "first bad version: torch 2.13.0" in page
    assert "Versions compared" in page
    assert "Versions compared" not in render_html(run(ran(None)))


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (("venvs/old",), ["torch.eager@old"]),
        (("a/venv", "b/venv"), ["torch.eager@a/venv", "torch.eager@b/venv"]),
    ],
)
def test_the_matrix_names_an_environment_by_its_folder_if_that_is_enough(
    record: Callable[..., Record], run: Callable[..., Run], paths: tuple[str, ...], labels: list[str]
) -> None:
    rows = summary_matrix(run(*(record(subject=f"torch.eager@{path}", interpreter=path) for path in paths))).rows
    assert [row.label for row in rows] == labels
