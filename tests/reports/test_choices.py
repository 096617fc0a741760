"""Answers to policies on the page: who answers alike, what they are worth, and what changes in a port."""

from collections.abc import Callable

import pytest

from xentcheck_reports import Choice, Record, Run, Standing, policy_tables, port, render_html
from xentcheck_reports.choices import coverages, main_ports


def choice(cell: str, answer: str, standing: Standing = Standing.EQUAL, **fields: str) -> Choice:
    given = {"cell": cell, "answer": answer, "usual": "refuses", "standing": standing, "token": "1x", **fields}
    return Choice.model_validate(given)


@pytest.fixture
def policy(record: Callable[..., Record]) -> Callable[..., Record]:
    def build(subject: str, dtype: str, *choices: Choice) -> Record:
        framework = subject.split(".")[0]
        return record(
            clause="LAB-2", title="bad labels", law=False, subject=subject, framework=framework, dtype=dtype,
            choices=list(choices),
        )  # fmt: skip

    return build


def test_subjects_that_answer_alike_share_a_row(policy: Callable[..., Record]) -> None:
    (table,) = policy_tables([policy(name, "float32", choice("-1", "refuses")) for name in ("torch.a", "torch.b")])
    assert [row.subjects for row in table.rows] == [("torch.a", "torch.b")]


def test_an_answer_names_its_dtypes_only_where_they_differ(policy: Callable[..., Record]) -> None:
    (table,) = policy_tables(
        [
            policy("torch.a", "float32", choice("-1", "refuses"), choice("C", "refuses")),
            policy("torch.a", "float64", choice("-1", "NaN"), choice("C", "refuses")),
        ]
    )
    texts = [[answer.text for answer in answers] for answers in table.rows[0].answers]
    assert texts == [["refuses (float32)", "NaN (float64)"], ["refuses"]]


def test_a_port_lists_the_answers_that_change_and_counts_those_that_both_gave(policy: Callable[..., Record]) -> None:
    records = [
        policy("torch.a", "float32", choice("-1", "refuses"), choice("C", "refuses"), choice("255", "refuses")),
        policy("jax.b", "float32", choice("-1", "last class"), choice("C", "refuses")),
    ]
    change = port(records, "torch.a", "jax.b")
    assert (change.shared, [c.cell for c in change.changes]) == (2, ["-1"])
    assert [(p.source, p.target) for p in main_ports(records)] == [("torch.a", "jax.b")]


def test_a_port_from_a_subject_nobody_asked_names_those_that_were(policy: Callable[..., Record]) -> None:
    with pytest.raises(LookupError, match=r"'tf' answered no policy in these records; subjects that did: torch\.a"):
        port([policy("torch.a", "float32", choice("-1", "refuses"))], "tf", "torch.a")


def test_coverage_counts_laws_and_answers_that_were_really_judged(
    policy: Callable[..., Record], record: Callable[..., Record]
) -> None:
    records = [
        policy("torch.a", "float32", choice("-1", "refuses"), choice("C", "NaN", Standing.UNDOCUMENTED)),
        record(subject="torch.a", dtype="float32"),
        record(subject="torch.a", dtype="float64", status="not-run"),
    ]
    (row,) = coverages(records)
    assert (row.laws, row.answers, row.of_standing[Standing.UNDOCUMENTED]) == (1, 2, 1)


def test_the_page_shows_what_an_answer_is_worth(policy: Callable[..., Record], run: Callable[..., Run]) -> None:
    against = choice("-1", "NaN row", Standing.CONTRADICTS, promise="refuses", link="https://example.org/doc")
    html = render_html(run(policy("tf.xla", "float32", against)))
    assert "✗ NaN row" in html
    assert "promised: refuses" in html
    assert 'href="https://example.org/doc"' in html
