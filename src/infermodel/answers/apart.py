"""What measurements of servers with prompts and answers apart say of the model."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from statistics import median
from typing import ClassVar

from infermodel.answers.answer import Answer, Part, Rows
from infermodel.fidelity.disaggregated import MEASURED, ApartPrediction
from infermodel.fidelity.ranking import CLEAR, Comparison, comparisons


@dataclass(frozen=True)
class ApartScore:
    """How far off the model is on some of the rows.

    Attributes:
        servers: which.
        drafts: whether they verify drafts.
        metric: that was measured.
        rows: that have it and were played.
        error: median of |predicted / measured - 1|.
        signed: median of predicted / measured - 1.
    """

    servers: str
    drafts: bool
    metric: str
    rows: int
    error: float
    signed: float


@dataclass(frozen=True, repr=False, eq=False)
class ApartAnswer(Answer):
    """Every experiment with prompts and answers apart, played on the model of its servers.

    Attributes:
        measurements: file that the experiments come from.
        predictions: one an experiment.
    """

    measurements: Path
    predictions: Sequence[ApartPrediction]

    main: ClassVar[str] = "scores"

    @property
    def title(self) -> str:
        """Of the answer."""
        return f"Predicted against measured: {self.measurements.name}, prompts and answers apart"

    @cached_property
    def scores(self) -> Sequence[ApartScore]:
        """Median errors over all servers, and by GPU and framework, without drafts and with them."""
        found = []
        named = {f"{each.row.gpu} {each.row.framework}": None for each in self.predictions}
        for drafts in (False, True):
            for servers in ("all", *sorted(named)):
                for metric in MEASURED:
                    errors = [
                        each.error(metric)
                        for each in self.predictions
                        if each.row.drafts == drafts and servers in ("all", f"{each.row.gpu} {each.row.framework}")
                    ]
                    known = [error for error in errors if not math.isnan(error)]
                    if known:
                        sizes = median(map(abs, known)), median(known)
                        found.append(ApartScore(servers, drafts, metric, len(known), *sizes))
        return found

    @cached_property
    def compared(self) -> Sequence[Comparison]:
        """Pairs of layouts that were measured at a common speed, and which of them is better."""
        return comparisons(self.predictions)

    @property
    def order(self) -> str:
        """How often the better of two layouts is named rightly."""
        clear = [each for each in self.compared if each.is_clear]
        right = sum(each.is_right for each in clear)
        return (
            f"the better of two layouts at one speed of a user: {right} of {len(clear)} right whose measured tokens "
            f"differ by more than {CLEAR - 1:.0%}, {len(self.compared)} pairs in all"
        )

    @property
    def notes(self) -> Sequence[str]:
        """How many experiments were played, and why not the others."""
        skipped = [each.skipped for each in self.predictions if each.skipped]
        why = [f"{skipped.count(reason)} skipped: {reason}" for reason in dict.fromkeys(skipped)]
        return [f"{len(self.predictions)} rows, {len(skipped)} skipped", *why]

    @property
    def parts(self) -> Sequence[Part]:
        """The scores, how often the order of layouts is right, and the notes."""
        rows = [("servers", "drafts", "metric", "rows", "median error", "signed")]
        for each in self.scores:
            errors = f"{100 * each.error:.1f} %", f"{100 * each.signed:+.1f} %"
            rows.append((each.servers, "yes" if each.drafts else "no", each.metric, str(each.rows), *errors))
        return [rows, self.order, "\n".join(self.notes)]

    @cached_property
    def rows(self) -> Mapping[str, Rows]:
        """`scores`, and `order`: a row for each pair of layouts at a speed that both were measured at."""
        return {"scores": list(map(asdict, self.scores)), "order": list(map(asdict, self.compared))}

    def write(self, folder: str | Path, *, command: Sequence[str] = ()) -> Path:
        """Write predictions.csv; an older report is replaced.

        Args:
            folder: does not exist, is empty, or holds a report.
            command: by which it was asked for, for the manifest.

        Raises:
            InputError: something else is in the folder.
            OSError: no room, no right to write.
        """
        from infermodel.report.folder import write_folder

        table = StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(
            ["id", *(f"{which}_{name}" for name in MEASURED for which in ("measured", "predicted")), "skipped"]
        )
        for each in self.predictions:
            figures = [
                "" if value is None else f"{value:.6g}"
                for name in MEASURED
                for value in (each.row.measured.get(name), each.predicted.get(name))
            ]
            writer.writerow([each.row.id, *figures, each.skipped])
        write_folder(Path(folder), {"predictions.csv": table.getvalue()}, command)
        return Path(folder)
