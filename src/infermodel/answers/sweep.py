"""What a sweep answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from infermodel.answers.answer import Answer, Part, Rows
from infermodel.errors import InputError
from infermodel.report.sweep_page import answers, sweep_page
from infermodel.report.sweep_story import MOVED, SweepStory, Swing
from infermodel.scenario import ResolvedScenario, load, resolve
from infermodel.search.plan_schema import load_plan
from infermodel.search.plan_table import devices_of
from infermodel.search.sweep import Swept
from infermodel.search.sweep_schema import Sweep
from infermodel.search.sweep_table import effects, header, sweep_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False, eq=False)
class SweepAnswer(Answer):
    """Many what-ifs around a scenario, a row for each point and service.

    Attributes:
        swept: points and what came out at each.
    """

    swept: Swept

    main: ClassVar[str] = "sweep"

    @property
    def title(self) -> str:
        """Of the sweep's file."""
        return self.swept.sweep.title

    @property
    def is_whole(self) -> bool:
        """Whether every point has its answer; with parts of a sweep on several machines only the last one's is."""
        return self.swept.is_whole

    @property
    def notes(self) -> Sequence[str]:
        """What the page answers; of a sweep that is not whole how far it is."""
        if not self.is_whole:
            done = sum(each is not None for each in self.swept.outcomes)
            return [f"{done} of {len(self.swept.points)} points done; the tables come with the last one"]
        return answers(self.story)

    @property
    def parts(self) -> Sequence[Part]:
        """The notes, a line each."""
        return [self.title, "\n".join(self.notes)]

    @cached_property
    def rows(self) -> Mapping[str, Rows]:
        """`sweep`: the rows of sweep.csv; empty until it is whole."""
        return {"sweep": list(sweep_rows(self.swept)) if self.is_whole else []}

    @cached_property
    def story(self) -> SweepStory:
        """What page and pictures tell."""
        sweep, rows = self.swept.sweep, self.rows["sweep"]
        services = list(dict.fromkeys(row["service"] for row in rows if row["service"]))
        axes = tuple(axis.title for axis in sweep.leading)
        swings = {
            (service, measure): [
                Swing(each.axis, each.low, each.high, each.low_at, each.high_at, each.base)
                for each in effects(self.swept, service, measure)
                if each.axis in axes
            ]
            for service in services
            for measure in MOVED[sweep.ask]
        }
        base = base_of(sweep)
        return SweepStory(
            title=sweep.title,
            description=sweep.description,
            ask=sweep.ask,
            axes=axes,
            circumstances=tuple(axis.title for axis in sweep.leading if is_circumstance(axis.path)),
            crossed=sweep.design == "crossed",
            devices=devices_by_name(sweep),
            rows=rows,
            swings=swings,
            digest=base.digest,
            seed=base.seed,
        )

    def figures(self) -> Mapping[str, Figure]:
        """The pictures of the page by name."""
        from infermodel.report.drawing import drawn
        from infermodel.report.sweep_pictures import PICTURES

        found = {name: drawn(picture, self.story) for name, (picture, _) in PICTURES.items()}
        return {name: figure for name, figure in found.items() if figure is not None}

    def write(self, folder: str | Path, *, png: bool = False, command: Sequence[str] = ()) -> Path:
        """Write table, pictures and page; an older report is replaced.

        Args:
            folder: does not exist, is empty, or holds a report.
            png: whether to write each picture as PNG, too.
            command: by which it was asked for, for the page and the manifest.

        Raises:
            InputError: the sweep is not whole, or something else is in the folder.
            OSError: no room, no right to write.
        """
        from infermodel.report.cells import write_rows
        from infermodel.report.folder import write_folder
        from infermodel.report.sweep_pictures import sweep_pictures

        if not self.is_whole:
            raise InputError(self.notes[0])
        table = StringIO()
        write_rows(table, header(self.swept.sweep), self.story.rows)
        pictures = sweep_pictures(self.story)
        images = {f"{name}.svg": image for name, (_, image) in pictures.items()}
        images |= self.pngs() if png else {}
        page = sweep_page(self.story, pictures, command)
        write_folder(Path(folder), {"sweep.csv": table.getvalue(), **images, "sweep.html": page}, command)
        return Path(folder)


def is_circumstance(paths: Sequence[str]) -> bool:
    """Whether an axis is what comes and not what somebody chooses: traffic, seeds, prices of power.

    >>> is_circumstance(["traffic.arrivals.rate"]), is_circumstance(["services.8B.limits.max_sequences"])
    (True, False)
    """
    return all(CIRCUMSTANCES & set(path.split(".")) for path in paths)


CIRCUMSTANCES = frozenset({"traffic", "seed", "electricity", "pue"})
"""Parts of the path of an axis that nobody chooses."""


def devices_by_name(sweep: Sweep) -> dict[str, str]:
    """Device of each service of the base, or of each candidate of a plan."""
    if sweep.ask == "plan":
        return devices_of(load_plan(sweep.base_path, sweep.set))
    return {service.name: service.decode_pool.system.device.name for service in base_of(sweep).services}


def base_of(sweep: Sweep) -> ResolvedScenario:
    """The scenario that the points are changes of, or that the base plan is about."""
    if sweep.ask == "plan":
        plan = load_plan(sweep.base_path, sweep.set)
        return resolve(load(plan.base_path, plan.set))
    return resolve(load(sweep.base_path, sweep.set))
