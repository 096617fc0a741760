"""Record files on disk: JSON lines, a header first."""

import errno
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pydantic import BaseModel, ValidationError

from xentcheck_reports.records import READABLE_VERSIONS, SCHEMA_VERSION, Record, RunHeader
from xentcheck_reports.runs import Run

Document = TypeVar("Document", bound=BaseModel)


class RecordFileError(ValueError):
    """A record file that cannot be read: names the file, the line and the cause."""


class ReportWriteError(OSError):
    """A record file or a page that cannot be written: one line with the path and the cause."""


def write_records(path: Path | str, header: RunHeader, records: Iterable[Record]) -> None:
    """Write a whole record file at once: readers see the old file or the new one, never half of it.

    Raises ReportWriteError.
    """
    write_atomically(Path(path), "".join(_line(model) for model in (header, *records)))


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace the file at `path` by the content, making its directory if need be. Raises ReportWriteError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise _write_error(path, error) from error


class RecordWriter:
    """Appends records to a new file as they come, so that an interrupted or killed run leaves what it found.

    A context manager. Every record is handed to the operating system before `write` returns; one that does not fit on
    the disk is taken back whole. Raises ReportWriteError.
    """

    def __init__(self, path: Path | str, header: RunHeader) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(self.path, "w")  # unbuffered: nothing is lost when the process is killed
        except OSError as error:
            raise _write_error(self.path, error) from error
        try:
            self._append(header)
        except ReportWriteError:
            self._file.close()
            raise

    def write(self, record: Record) -> None:
        self._append(record)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, model: BaseModel) -> None:
        line = _line(model).encode()
        start = self._file.tell()
        try:
            if self._file.write(line) != len(line):  # an unbuffered write stops short when the disk fills up
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(start)
                self._file.seek(start)
            raise _write_error(self.path, error) from error


def read_document(path: Path | str, model: type[Document], what: str) -> Document:
    """Read a file that holds one document of a model; RecordFileError, with the file and the cause, if it is no `what`
    of this version."""
    try:
        return model.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise RecordFileError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise RecordFileError(f"{path}: no {what} of this version: {_first_fault(error)}") from error


def read_records(path: Path | str) -> Run:
    """Read a record file, of this or of an earlier schema version.

    The last line of a killed run may be cut off: it is left out and named in `Run.warnings`. Anything else that is not
    a record of its schema raises RecordFileError; so does a file that cannot be opened.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise RecordFileError(f"{path}: cannot be read: {error.strerror}") from error
    if not lines:
        raise RecordFileError(f"{path}: empty, expected a run header on line 1")
    header = _read_header(path, lines[0])
    records: list[Record] = []
    warnings: list[str] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            records.append(Record.model_validate_json(line))
        except ValidationError as error:
            if number == len(lines) and not line.endswith(b"\n"):
                warnings.append(f"{path}, line {number}: cut off, the run was interrupted; this record is left out")
            else:
                raise RecordFileError(f"{path}, line {number}: not a record: {_first_fault(error)}") from error
    return Run(header, tuple(records), tuple(warnings))


def _read_header(path: Path, line: bytes) -> RunHeader:
    where = f"{path}, line 1"
    try:
        raw = json.loads(line)
    except ValueError as error:
        raise RecordFileError(f"{where}: not JSON, expected a run header: {error}") from error
    if not isinstance(raw, dict) or raw.get("kind") != "run":
        raise RecordFileError(f'{where}: not a run header, expected an object with "kind": "run"')
    version = raw.get("schema_version")
    if version not in READABLE_VERSIONS:  # before the fields: another version may have others
        raise RecordFileError(
            f"{where}: schema version {version!r}, expected {SCHEMA_VERSION}; read it with the release that wrote it"
        )
    try:
        return RunHeader.model_validate(raw)
    except ValidationError as error:
        raise RecordFileError(f"{where}: not a run header: {_first_fault(error)}") from error


def _first_fault(error: ValidationError) -> str:
    faults = error.errors(include_url=False)
    field = ".".join(str(part) for part in faults[0]["loc"])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{field + ': ' if field else ''}{faults[0]['msg']}{more}"


def _line(model: BaseModel) -> str:
    return model.model_dump_json() + "\n"


def _write_error(path: Path, error: OSError) -> ReportWriteError:
    cause = error.strerror or str(error)
    return ReportWriteError(f"cannot write {path}: {cause}; free some space or choose another directory")
