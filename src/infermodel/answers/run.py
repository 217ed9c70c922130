"""What a run answers, and a search for the largest load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from infermodel.answers import words
from infermodel.answers.answer import Answer, OnProgress, Part, Progress, Rows, frame, silent
from infermodel.experiment.result import AnswerBand, Capacity, Result, Verdict
from infermodel.metrics.exports import request_rows, timeline_rows
from infermodel.metrics.schema import Column
from infermodel.metrics.summary import Summary
from infermodel.report import tables
from infermodel.report.findings import Findings
from infermodel.report.long_files import Format

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True, repr=False, eq=False)
class RunAnswer(Answer):
    """A scenario simulated: what its services deliver at its load, and the largest load where that was looked for.

    Attributes:
        result: records, summaries and dollars of every service.
        capacities: of the services for which they were looked for.
        verdicts: of the scenario's claims.
        bands: on the answers, where uncertain constants were drawn.
        failures: summaries of services with one of their systems down, by name.
    """

    result: Result
    capacities: Sequence[Capacity] = ()
    verdicts: Sequence[Verdict] = ()
    bands: Sequence[AnswerBand] = ()
    failures: Mapping[str, Summary] = field(default_factory=dict)

    main: ClassVar[str] = "summary"

    @property
    def title(self) -> str:
        """Of the scenario."""
        return self.result.scenario.title

    @property
    def objectives_met(self) -> bool:
        """Whether every service keeps its objectives at the offered load."""
        return all(each.summary.objectives_met for each in self.result.services)

    @property
    def parts(self) -> Sequence[Part]:
        """Each service at its capacity and at the offered load, the claims, how to deploy, notes."""
        return words.run_parts(self.result, self.capacities, self.verdicts, self.bands)

    @property
    def notes(self) -> Sequence[str]:
        """What a reader should know."""
        return words.notes_of(self.result, self.capacities)

    @cached_property
    def findings(self) -> Findings:
        """What pictures and page are made from."""
        return Findings.of(self.result, self.capacities, self.verdicts, self.bands, self.failures)

    @cached_property
    def rows(self) -> Mapping[str, Rows]:
        """The short tables of a report, and the command of each engine: docs/tables.md says what their columns are."""
        from infermodel.deploy import deployment_rows
        from infermodel.report.write import short_tables

        short = short_tables(self.findings, self.capacities)
        found: dict[str, Rows] = {name.removesuffix(".csv"): list(rows) for name, rows in short}
        return found | {"deploy": list(deployment_rows(self.result.scenario.services))}

    def columns(self, name: str) -> Sequence[Column]:
        """Of a short table."""
        return tables.SCHEMAS.get(f"{name}.csv") or tables.RARE_SCHEMAS.get(f"{name}.csv") or ()

    @cached_property
    def requests(self) -> DataFrame:
        """Every request of the first replication, service by service: the columns of requests.csv.gz."""
        return self._long(tables.REQUEST_COLUMNS, "requests")

    @cached_property
    def timeline(self) -> DataFrame:
        """Rates, queues and use of every service by bins of time: the columns of timeline.csv."""
        return self._long(tables.TIMELINE_COLUMNS, "timeline")

    def _long(self, columns: Sequence[Column], which: str) -> DataFrame:
        from pandas import DataFrame, concat

        found = []
        for each in self.result.services:
            rows = request_rows(each.record.requests) if which == "requests" else timeline_rows(each.record)
            found.append(DataFrame({"service": each.summary.service, **rows}))
        whole = concat(found, ignore_index=True)[[each.name for each in columns]]
        whole.attrs["units"] = frame([], columns).attrs["units"]
        return whole

    def figures(self) -> Mapping[str, Figure]:
        """The pictures of a report by name."""
        from infermodel.report.drawing import drawn
        from infermodel.report.pictures import PICTURES

        found = {name: drawn(plate.picture, self.findings) for name, plate in PICTURES.items()}
        return {name: figure for name, figure in found.items() if figure is not None}

    def write(
        self,
        folder: str | Path,
        *,
        figures: bool = True,
        png: bool = False,
        requests: Format = "csv",
        replay: bool = False,
        command: Sequence[str] = (),
        on_progress: OnProgress = silent,
    ) -> Path:
        """Write the report: tables, pictures, page, scenario, deployment, manifest; an older report is replaced.

        Args:
            folder: does not exist, is empty, or holds a report.
            figures: whether to draw.
            png: whether to write each picture as PNG, too.
            requests: `csv` for requests.csv.gz, `parquet` for requests.parquet (needs pyarrow).
            replay: whether to write what each service was sent for load generators, too.
            command: by which it was asked for, for the page and the manifest.
            on_progress: told of each file.

        Raises:
            InputError: something else is in the folder.
            OSError: no room, no right to write.
        """
        from infermodel.report.write import write

        return write(
            self.result,
            self.capacities,
            self.verdicts,
            Path(folder),
            bands=self.bands,
            failures=self.failures,
            figures=figures,
            more=self.pngs() if png else {},
            command=command,
            requests=requests,
            replay=replay,
            on_progress=lambda file: on_progress(Progress(f"writing {file}")),
        )


@dataclass(frozen=True, repr=False, eq=False)
class CapacityAnswer(RunAnswer):
    """A run, and the largest load that each of its services sustains: the latter is what its text is about."""

    main: ClassVar[str] = "capacity"

    @property
    def parts(self) -> Sequence[Part]:
        """The bracket of each service, its price there and what binds; notes."""
        return words.capacity_parts(self.title, self.capacities)
