from xentcheck_reports import Status, worst_status


def test_every_status_has_its_own_one_character_glyph() -> None:
    glyphs = {status.glyph for status in Status}
    assert len(glyphs) == len(Status)
    assert all(len(glyph) == 1 for glyph in glyphs)


def test_every_status_explains_itself_in_its_own_words() -> None:
    assert len({status.label for status in Status}) == len({status.meaning for status in Status}) == len(Status)


def test_every_failure_outranks_everything_else() -> None:
    failures = {status for status in Status if status.is_failure}
    for failure in failures:
        for other in set(Status) - failures:
            assert worst_status([other, failure]) is failure


def test_the_failures_are_those_that_somebody_must_act_on() -> None:
    assert {status.value for status in Status if not status.is_failure} == {
        "pass",
        "known-divergence",
        "unsupported",
        "not-run",
    }


def test_absence_is_no_judgement_and_hides_no_pass() -> None:
    for absence in (Status.UNSUPPORTED, Status.NOT_RUN):
        assert not absence.is_judged
        assert worst_status([absence, Status.PASS]) is Status.PASS
