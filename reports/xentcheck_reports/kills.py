"""The schema of a kill matrix: which clause sees which fault, and whether anybody honest is accused."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

from xentcheck_reports.files import RecordFileError, read_document, write_atomically
from xentcheck_reports.records import Failure, RunHeader

KILLS = "kills.json"
EXAMPLE_ROWS, EXAMPLE_CLASSES = 4, 8
"""What an example may have, so that a person can read it, unless size is what triggers the fault."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bug(_Model):
    """A known bug of a shipped implementation, and where it is told."""

    id: str
    url: str


class Kill(_Model):
    """A clause saw a fault."""

    clause: str
    dtype: str
    seconds: NonNegativeFloat
    """Until the first case that shows it, in a worker that has loaded the fault."""


class Example(_Model):
    """The shrunk case that shows a fault."""

    rows: NonNegativeInt
    classes: NonNegativeInt
    failure: Failure


class Trial(_Model):
    """What came of one fault."""

    fault: str
    """As `--backend` takes it: FLAVOUR:MODULE:QUALNAME."""
    about: str
    clause: str
    """The one that is about what it breaks, and must see it."""
    dtype: str
    """In which it must see it."""
    bugs: list[Bug] = []
    large: bool = False
    """Whether size is the trigger, so that no small example exists."""
    not_judged: str | None = None
    """What must be installed before it can be tried."""
    trouble: str | None = None
    """Why it could not be opened, though all that it needs is there."""
    looked: list[str] = []
    """The clauses that looked for it."""
    kills: list[Kill] = []
    """Where several dtypes show it to a clause, the first one tried."""
    example: Example | None = None
    """Of the targeted clause."""
    conventional: str | None = None
    """What a conventional test notices; None if it notices nothing."""

    @property
    def name(self) -> str:
        """Within its module."""
        return self.fault.rsplit(":", 1)[-1]

    @property
    def module(self) -> str:
        """Its flavour and the last part of its module: `numpy.options`."""
        flavour, module = self.fault.split(":")[:2]
        return f"{flavour}.{module.rsplit('.', 1)[-1]}"

    @property
    def killed(self) -> Kill | None:
        """By the clause that must."""
        return next((kill for kill in self.kills if kill.clause == self.clause), None)

    @property
    def survives(self) -> bool:
        """Whether the clause that must see it did not."""
        return not (self.not_judged or self.killed)

    @property
    def too_large(self) -> bool:
        """Whether its example is larger than a person can read, though size is not the trigger."""
        shown = self.example
        return bool(shown and not self.large and (shown.rows > EXAMPLE_ROWS or shown.classes > EXAMPLE_CLASSES))


class Accusation(_Model):
    """A clause accused somebody honest."""

    clause: str
    dtype: str
    summary: str
    replay: str
    """Empty if it accused without a case."""


class Hearing(_Model):
    """What came of one honest function in one dtype."""

    function: str
    dtype: str
    not_judged: str | None = None
    trouble: str | None = None
    """As of a trial."""
    looked: NonNegativeInt = 0
    """Clauses that looked at it."""
    accusations: list[Accusation] = []
    conventional: str | None = None
    """What a conventional test accuses it of."""


class KillMatrix(_Model):
    """A self-test, whole or as far as it came."""

    header: RunHeader
    """Its level is `fast`, where only the targeted clause looked for each fault, or `full`."""
    clauses: dict[str, str]
    """Titles by id, in the order of the contract."""
    faults: NonNegativeInt
    """How many were to be tried."""
    hearings_due: NonNegativeInt
    known_bugs: NonNegativeInt
    """How many are on the list, whether or not a fault re-creates them."""
    trials: list[Trial]
    hearings: list[Hearing]

    @property
    def complete(self) -> bool:
        """Whether it came to its end."""
        return len(self.trials) == self.faults and len(self.hearings) == self.hearings_due

    @property
    def judged(self) -> list[Trial]:
        """The trials that were held."""
        return [trial for trial in self.trials if not trial.not_judged]

    @property
    def survivors(self) -> list[Trial]:
        """The faults that their clause did not see."""
        return [trial for trial in self.trials if trial.survives]

    @property
    def too_large(self) -> list[Trial]:
        """The faults whose examples nobody can read."""
        return [trial for trial in self.trials if trial.too_large]

    @property
    def accused(self) -> list[Hearing]:
        """The honest who were accused, or could not be heard."""
        return [hearing for hearing in self.hearings if hearing.accusations or hearing.trouble]

    @property
    def passes(self) -> bool:
        """Whether all is as it must be: every fault killed with an example that can be read, nobody honest accused."""
        return self.complete and not (self.survivors or self.accused or self.too_large)

    @property
    def honest(self) -> list[str]:
        """The functions that were heard."""
        return list(dict.fromkeys(hearing.function for hearing in self.hearings if not hearing.not_judged))

    @property
    def conventional_trials(self) -> list[Trial]:
        """The faults that a conventional test notices."""
        return [trial for trial in self.judged if trial.conventional]

    @property
    def bugs(self) -> list[str]:
        """Ids of the known bugs that the faults re-create."""
        return _bugs(self.judged)

    @property
    def caught_bugs(self) -> list[str]:
        """Ids of those with a fault that is killed by the clause that must."""
        return _bugs(trial for trial in self.judged if trial.killed)

    @property
    def conventionally_caught_bugs(self) -> list[str]:
        """Ids of those with a fault that a conventional test notices."""
        return _bugs(self.conventional_trials)

    @property
    def median_seconds(self) -> float | None:
        """Median time to kill in the targeted clause."""
        times = [trial.killed.seconds for trial in self.trials if trial.killed]
        return median(times) if times else None

    @property
    def largest_example(self) -> Trial | None:
        """The trial with the largest shrunk example, among those whose trigger is not size."""
        small = [trial for trial in self.trials if trial.example and not trial.large]
        return max(small, key=_cells, default=None)


def _cells(trial: Trial) -> int:
    return trial.example.rows * trial.example.classes if trial.example else 0


def _bugs(trials: Iterable[Trial]) -> list[str]:
    return sorted({bug.id for trial in trials for bug in trial.bugs})


def write_kills(matrix: KillMatrix, directory: Path | str) -> Path:
    """Write `kills.json` into `directory` and return its path. Raises ReportWriteError."""
    path = Path(directory) / KILLS
    write_atomically(path, matrix.model_dump_json(indent=1) + "\n")
    return path


def read_kills(path: Path | str) -> KillMatrix:
    """Read a kill matrix; RecordFileError, with the file and the cause, if it is none."""
    return read_document(path, KillMatrix, "kill matrix")


def kills_in(directory: Path | str) -> KillMatrix | None:
    """The kill matrix that a self-test of this version left in a directory; None if there is none."""
    with suppress(RecordFileError):
        return read_kills(Path(directory) / KILLS)
    return None
