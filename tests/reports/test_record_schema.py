from collections.abc import Callable

import pytest
from pydantic import ValidationError

from xentcheck_reports import Bitwise, Record, Status


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PASS])
def test_every_status_but_pass_must_say_why(record: Callable[..., Record], status: Status) -> None:
    with pytest.raises(ValidationError, match=f"{status} needs a reason"):
        record(status=status, reason=None)


def test_a_misspelt_field_is_refused(record: Callable[..., Record]) -> None:
    with pytest.raises(ValidationError, match="exemples"):
        record(exemples=3)


def test_more_equal_values_than_values_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"equal \(3\) exceeds of \(2\)"):
        Bitwise(equal=3, of=2, against="tf.dense.eager")
