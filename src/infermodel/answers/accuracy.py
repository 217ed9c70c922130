"""What measurements of real servers say of the model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from infermodel.answers.answer import Answer, Part, Rows
from infermodel.answers.own_runs import Served, own_runs
from infermodel.errors import InputError
from infermodel.fidelity import accuracy, page
from infermodel.fidelity.accuracy import Accuracy, Prediction, Score
from infermodel.fidelity.coverage import Coverage, coverage
from infermodel.fidelity.rows import METRICS, Row, read_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False, eq=False)
class AccuracyAnswer(Answer):
    """Every experiment played on the model of its server, and how far off the model is.

    Attributes:
        measurements: file or folder that the experiments come from.
        predictions: one an experiment.
        said: of a folder, what each of its files is.
    """

    measurements: Path
    predictions: Sequence[Prediction]
    said: Sequence[Part] = ()

    main: ClassVar[str] = "scores"

    @property
    def title(self) -> str:
        """Of the page."""
        return f"Predicted against measured: {self.measurements.name}"

    @cached_property
    def accuracy(self) -> Sequence[Accuracy]:
        """Errors by group of experiments and metric."""
        rows = [prediction.row for prediction in self.predictions]
        metrics = [metric for metric in METRICS if any(metric in row.measured for row in rows)]
        return accuracy.accuracy(self.predictions, metrics)

    @property
    def scores(self) -> Sequence[Score]:
        """The headline: median errors of each scored metric."""
        return accuracy.scores(self.accuracy)

    @cached_property
    def coverage(self) -> Sequence[Coverage]:
        """How often bands hold what had no part in them; empty of few experiments."""
        return coverage(self.predictions)

    @property
    def notes(self) -> Sequence[str]:
        """How many experiments were played."""
        skipped = sum(bool(prediction.skipped) for prediction in self.predictions)
        return [f"{len(self.predictions)} rows, {skipped} skipped"]

    @property
    def parts(self) -> Sequence[Part]:
        """What the files are, the headline, how often bands hold, and the notes."""
        bands = [page.coverage_rows(self.coverage)] if self.coverage else []
        return [*self.said, page.score_rows(self.scores), *bands, *self.notes]

    @cached_property
    def rows(self) -> Mapping[str, Rows]:
        """`scores`: the headline; `accuracy`: the rows of accuracy.csv; `coverage`: how often bands hold."""
        return {
            "scores": list(map(asdict, self.scores)),
            "accuracy": list(map(asdict, self.accuracy)),
            "coverage": list(map(asdict, self.coverage)),
        }

    def figures(self) -> Mapping[str, Figure]:
        """`accuracy`: predicted against measured."""
        from infermodel.fidelity.picture import scatter_figure
        from infermodel.report.drawing import drawn

        figure = drawn(scatter_figure, self.predictions)
        return {} if figure is None else {"accuracy": figure}

    def write(self, folder: str | Path, *, command: Sequence[str] = ()) -> Path:
        """Write predictions.csv, accuracy.csv and accuracy.html; an older report is replaced.

        Args:
            folder: does not exist, is empty, or holds a report.
            command: by which it was asked for, for the manifest.

        Raises:
            InputError: something else is in the folder.
            OSError: no room, no right to write.
        """
        from infermodel.fidelity.validate import accuracy_csv, predictions_csv
        from infermodel.report.folder import write_folder

        shown = page.html(self.predictions, self.accuracy, self.title, digest(self.measurements))
        tables = {"predictions.csv": predictions_csv(self.predictions), "accuracy.csv": accuracy_csv(self.accuracy)}
        write_folder(Path(folder), {**tables, "accuracy.html": shown}, command)
        return Path(folder)

    def renew(self, document: Path) -> None:
        """Put today's tables into a Markdown page; see docs/accuracy.md for the marks.

        Raises:
            OSError: the page is not there.
        """
        page.renew(document, self.predictions, self.accuracy)


def experiments(measurements: Path, served: Served | None) -> tuple[tuple[Row, ...], Sequence[Part]]:
    """The experiments of a file, or of a folder of results; of a folder also what each of its files is.

    Raises:
        InputError: a file or row cannot be read, or nobody says what served the runs of a folder.
    """
    if not measurements.is_dir():
        return read_rows(measurements), ()
    if served is None:
        raise InputError("a folder of benchmarks needs to be told what served it: --served MODEL GPU ENGINE")
    return own_runs(measurements, served)


def digest(measurements: Path) -> str:
    """SHA-256 of a file, or of all files of a folder in order, by which a page names what it was made from."""
    if measurements.is_dir():
        every = sorted(path for path in measurements.rglob("*") if path.is_file())
        return hashlib.sha256("".join(map(digest, every)).encode()).hexdigest()
    with measurements.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
