import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from xentcheck_reports import (
    SCHEMA_VERSION,
    Accuracy,
    Grade,
    Horizon,
    Record,
    RecordFileError,
    RecordWriter,
    ReportWriteError,
    RunHeader,
    Worst,
    read_records,
    write_records,
)

# The builders and the directory are the same for every example, so sharing them between examples is harmless.
shares_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


@contextmanager
def room_on_disk(size: int) -> Iterator[None]:
    """A full disk: the kernel refuses to let any file grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@shares_fixtures
@given(
    ratio=st.floats(), got=st.floats() | st.text(), expected=st.floats(), bound=st.floats(min_value=0), text=st.text()
)
@example(ratio=inf, got=inf, expected=-inf, bound=inf, text="")
@example(ratio=nan, got=nan, expected=nan, bound=0.0, text="\u2028\n")
def test_what_was_written_is_read_back(
    record: Callable[..., Record],
    header: Callable[..., RunHeader],
    tmp_path_factory: pytest.TempPathFactory,
    ratio: float,
    got: float | str,
    expected: float,
    bound: float,
    text: str,
) -> None:
    worst = Worst(ratio=ratio, what="loss", got=got, expected=expected, bound=bound, token=text)
    written = record(status="fail", worst=worst, reason=text or "empty")
    path = tmp_path_factory.getbasetemp() / "round-trip.jsonl"
    write_records(path, header(), [written])
    read = read_records(path)
    assert repr(read.records) == repr((written,))  # repr, since NaN differs from itself
    assert (read.header, read.warnings) == (header(), ())


@pytest.mark.parametrize("number", [0.0, 2.5, inf])
def test_accuracy_horizon_and_grade_are_read_back(
    record: Callable[..., Record],
    header: Callable[..., RunHeader],
    accuracy: Callable[..., Accuracy],
    horizon: Callable[..., Horizon],
    tmp_path: Path,
    number: float,
) -> None:
    errors = accuracy(max_ulp=number, max_ratio=number, got=number)
    grade = Grade(recorded="B-L", measured=None)
    written = record(accuracy=[errors], horizon=horizon(zero_below=number), grade=grade)
    write_records(tmp_path / "records.jsonl", header(), [written])
    assert read_records(tmp_path / "records.jsonl").records == (written,)


def test_a_file_of_schema_version_1_still_reads(tmp_path: Path) -> None:
    lines = (
        b'{"kind":"run","schema_version":1,"id":"run-1","started":1700000000,"level":"quick","seed":7,"command":"pytest",'
        b'"harness_version":"0.1.0","python":"3.11.2","platform":"Linux","processor":"a processor","versions":{}}\n'
        b'{"kind":"result","clause":"VAL-1","title":"t","family":"f","subject":"numpy.plain","framework":"numpy",'
        b'"device":"cpu","dtype":"float32","status":"pass","examples":3,"values":9,"worst":null,"bitwise":[],'
        b'"reason":null,"failure":null,"divergences":[],"seconds":0.5}\n'
    )
    (tmp_path / "old.jsonl").write_bytes(lines)
    (record,) = read_records(tmp_path / "old.jsonl").records
    assert (record.values, record.accuracy, record.horizon, record.grade, record.probe) == (9, [], None, None, None)


def test_every_record_is_in_the_file_as_soon_as_it_is_written(
    record: Callable[..., Record], header: Callable[..., RunHeader], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "records.jsonl"
    with RecordWriter(path, header()) as writer:
        for count in range(1, 4):
            writer.write(record())
            assert len(read_records(path).records) == count


def test_the_cut_off_last_line_of_a_killed_run_is_left_out_and_named(
    record: Callable[..., Record], header: Callable[..., RunHeader], tmp_path: Path
) -> None:
    path = tmp_path / "records.jsonl"
    write_records(path, header(), [record(), record(dtype="float64")])
    path.write_bytes(path.read_bytes()[:-20])
    run = read_records(path)
    assert run.records == (record(),)
    assert run.warnings == (f"{path}, line 3: cut off, the run was interrupted; this record is left out",)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"{not json}\n", "Invalid JSON"),
        (b'{"kind":"result","clause":"IGN-1"}\n', r"title: Field required \(and \d+ more\)"),
        (b"\xff\xfe\n", "Invalid JSON"),
    ],
)
def test_a_corrupt_line_is_named_with_file_number_and_cause(
    record: Callable[..., Record], header: Callable[..., RunHeader], tmp_path: Path, line: bytes, cause: str
) -> None:
    path = tmp_path / "records.jsonl"
    write_records(path, header(), [record()])
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(RecordFileError, match=rf"records.jsonl, line 3: not a record: .*{cause}"):
        read_records(path)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "empty"),
        (b"PK\x03\x04\xff\n", "line 1: not JSON"),
        (b'{"kind":"run","schema_ver', "line 1: not JSON"),
        (b"[1, 2]\n", "line 1: not a run header"),
        (b'{"kind":"result"}\n', "line 1: not a run header"),
        (
            b'{"kind":"run","schema_version":%d}\n' % (SCHEMA_VERSION + 1),
            f"schema version {SCHEMA_VERSION + 1}, expected",
        ),
        (b'{"kind":"run","schema_version":%d}\n' % SCHEMA_VERSION, "line 1: not a run header: id: Field required"),
    ],
)
def test_a_file_that_does_not_begin_with_a_run_header_is_refused(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "foreign.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordFileError, match=f"foreign.jsonl.*{cause}"):
        read_records(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordFileError, match=r"absent\.jsonl: cannot be read: No such file"):
        read_records(tmp_path / "absent.jsonl")


def test_a_record_that_does_not_fit_on_the_disk_is_taken_back_whole(
    record: Callable[..., Record], header: Callable[..., RunHeader], tmp_path: Path
) -> None:
    path = tmp_path / "records.jsonl"
    with RecordWriter(path, header()) as writer:
        writer.write(record())
        with room_on_disk(path.stat().st_size + 10), pytest.raises(ReportWriteError, match=r"records\.jsonl"):
            writer.write(record(dtype="float64"))
        assert read_records(path).warnings == ()
        writer.write(record(dtype="float16"))  # somebody made room
    run = read_records(path)
    assert [kept.dtype for kept in run.records] == ["float32", "float16"]


def test_a_full_disk_leaves_the_earlier_file_and_no_debris(
    record: Callable[..., Record], header: Callable[..., RunHeader], tmp_path: Path
) -> None:
    path = tmp_path / "records.jsonl"
    write_records(path, header(), [record()])
    with room_on_disk(100), pytest.raises(ReportWriteError):
        write_records(path, header(), [record(dtype="float64")])
    assert read_records(path).records == (record(),)
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_cannot_be_made_is_one_clear_line(header: Callable[..., RunHeader], tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file, not a directory")
    with pytest.raises(ReportWriteError) as caught:
        RecordWriter(tmp_path / "occupied" / "records.jsonl", header())
    message = str(caught.value)
    assert message.startswith(f"cannot write {tmp_path / 'occupied' / 'records.jsonl'}: ")
    assert "\n" not in message
