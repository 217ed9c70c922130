"""What a comparison of reports answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from infermodel.answers.answer import Answer, Part, Rows
from infermodel.answers.words import figure
from infermodel.metrics.schema import Column, columns, row
from infermodel.report.compare.differences import Difference, differences
from infermodel.report.compare.read import SavedReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False, eq=False)
class ComparisonAnswer(Answer):
    """Reports side by side, each figure with its difference to the first report's.

    Attributes:
        reports: as they were read.
    """

    reports: Sequence[SavedReport]

    main: ClassVar[str] = "compare"

    @property
    def title(self) -> str:
        """Names of the reports."""
        return ", ".join(report.title for report in self.reports)

    @cached_property
    def differences(self) -> Sequence[Difference]:
        """Every figure of every report."""
        return list(differences(self.reports))

    @cached_property
    def rows(self) -> Mapping[str, Rows]:
        """`compare`: the rows of compare.csv."""
        return {"compare": list(map(row, self.differences))}

    def columns(self, name: str) -> Sequence[Column]:
        """Of compare.csv."""
        return columns(Difference)

    @property
    def parts(self) -> Sequence[Part]:
        """A line for each figure that differs, a column for each report; doubts; how many figures do not differ."""
        lines: dict[tuple[str, str, str, str], list[Difference]] = {}
        for each in self.differences:
            lines.setdefault((each.service, each.load, each.metric, each.unit), []).append(each)
        differing = {key: cells for key, cells in lines.items() if any(each.difference for each in cells)}
        heading = ("service", "load", "figure", "unit", *(report.title for report in self.reports))
        shown = [(*key, *(cell(each, each is cells[0]) for each in cells)) for key, cells in differing.items()]
        parts: list[Part] = [[heading, *shown]] if shown else []
        doubts = dict.fromkeys(
            f"{each.report}, {each.service}: {doubt(each)}" for each in self.differences if each.note
        )
        parts += ["\n".join(doubts)] if doubts else []
        return [*parts, f"{len(lines) - len(differing)} of {len(lines)} figures are the same."]

    def figures(self) -> Mapping[str, Figure]:
        """The pictures of the page by name."""
        from infermodel.report.compare import charts
        from infermodel.report.drawing import drawn

        found = {
            "compare_bars": drawn(partial(charts.bars, rows=self.differences), self.reports),
            "compare_latency": drawn(charts.latencies, self.reports),
        }
        return {name: picture for name, picture in found.items() if picture is not None}

    def write(
        self, folder: str | Path, *, figures: bool = True, png: bool = False, command: Sequence[str] = ()
    ) -> Path:
        """Write table, pictures and page; an older report is replaced.

        Args:
            folder: does not exist, is empty, or holds a report.
            figures: whether to draw.
            png: whether to write each picture as PNG, too.
            command: by which it was asked for, for the page and the manifest.

        Raises:
            InputError: something else is in the folder.
            OSError: no room, no right to write.
        """
        from infermodel.report.compare.write import write_comparison

        write_comparison(
            self.reports,
            self.differences,
            Path(folder),
            figures=figures,
            more=self.pngs() if png else {},
            command=command,
        )
        return Path(folder)


def doubt(row: Difference) -> str:
    """What a reader should know of a figure."""
    return row.note if row.price_holds else f"the price at the offered load does not hold: {row.note}"


def cell(row: Difference, is_base: bool) -> str:
    """A figure, and where it differs from the first report's by how much; a star: more than noise."""
    value = figure(row.value) if row.price_holds else f"~~{figure(row.value)}~~"
    if is_base or row.difference != row.difference or row.difference == 0:
        return value
    noise = "" if row.half_width != row.half_width else f" +- {figure(row.half_width)}"
    sign = "+" if row.difference > 0 else ""
    return f"{value} ({sign}{figure(row.difference)}{noise}{' *' if row.is_established else ''})"
