"""What a plan answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from infermodel.answers.answer import Answer, Part, Rows
from infermodel.deploy import deployment_files, deployment_lines, deployment_rows
from infermodel.experiment.trust import service_rests_on
from infermodel.report.human import number, seconds, usd, watts
from infermodel.report.human import share as percent
from infermodel.report.plan_page import cheapest, doubts
from infermodel.report.plan_story import PlanStory
from infermodel.scenario import ResolvedScenario, load, resolve
from infermodel.search.busiest import mean_per_busiest
from infermodel.search.plan import Option, Planned, missed_with_one_down
from infermodel.search.plan_table import (
    best_fleet,
    best_yaml,
    devices_of,
    errors_of,
    header_of,
    plan_rows,
    services_of,
    traffic_of,
    words_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False, eq=False)
class PlanAnswer(Answer):
    """The cheapest fleet that meets the objectives, and every layout that was looked at.

    Attributes:
        planned: layouts and the smallest fleet of each.
    """

    planned: Planned

    main: ClassVar[str] = "plan"

    @property
    def title(self) -> str:
        """Of the plan's file."""
        return self.planned.plan.title

    @cached_property
    def fleet(self) -> ResolvedScenario | None:
        """The cheapest fleet as a scenario; None where no fleet will do."""
        return best_fleet(self.planned)

    @property
    def best_yaml(self) -> str:
        """The same as a file; empty where no fleet will do."""
        return best_yaml(self.planned)

    @property
    def parts(self) -> Sequence[Part]:
        """The cheapest fleet in a sentence, a line for every layout, how much was simulated, how to deploy."""
        options = sorted(self.planned.options, key=lambda option: (option.usd_per_h, option.layout.number))
        pruned = sum(each.reason.startswith("pruned") for each in options)
        parts = [
            self.title,
            "\n".join([f"{cheapest(self.story)}.", *(doubts(self.story) if self.planned.best else ())]),
            "\n".join(map(option_line, options)),
            "\n".join(f"  {title} rests on: {words}" for title, words in self.story.rests_on.items()),
            f"{self.planned.simulated} of {self.planned.fleets} fleets simulated; "
            f"{pruned} of {len(options)} layouts pruned by the cost engine's bounds.",
        ]
        deployed = deployment_lines(self.fleet.services) if self.fleet else []
        if deployed:
            parts.append("\n".join(["To deploy (see deploy.sh and deploy.yaml of the report):", *deployed]))
        return parts

    @cached_property
    def rows(self) -> Mapping[str, Rows]:
        """`plan`: the rows of plan.csv; `deploy`: the engine's command of the cheapest fleet."""
        deploy = deployment_rows(self.fleet.services) if self.fleet else []
        return {"plan": plan_rows(self.planned), "deploy": list(deploy)}

    @cached_property
    def story(self) -> PlanStory:
        """What page and pictures tell."""
        plan, services = self.planned.plan, services_of(self.planned)
        service = next(iter(services.values()), None)
        base = resolve(load(plan.base_path, plan.set))
        return PlanStory(
            title=plan.title,
            description=plan.description,
            traffic=traffic_of(service) if service else "",
            objectives=service.objectives if service else (),
            spares=plan.spares,
            most_systems=plan.most_systems,
            replications=plan.replications,
            devices=devices_of(plan),
            rests_on={title: service_rests_on(each) for title, each in services.items()},
            errors=errors_of(services),
            rows=self.rows["plan"],
            words=[words_of(each.layout.settings) for each in self.planned.options],
            fleets=self.planned.fleets,
            mean_per_busiest=mean_per_busiest(self.fleet) if self.fleet else 1.0,
            missed_with_one_down=missed_with_one_down(plan, self.planned.best) if self.planned.best else None,
            digest=base.digest,
            seed=base.seed,
        )

    def figures(self) -> Mapping[str, Figure]:
        """The pictures of the page by name."""
        from infermodel.report.drawing import drawn
        from infermodel.report.plan_pictures import PICTURES

        found = {name: drawn(picture, self.story) for name, (picture, _) in PICTURES.items()}
        return {name: figure for name, figure in found.items() if figure is not None}

    def write(self, folder: str | Path, *, png: bool = False, command: Sequence[str] = ()) -> Path:
        """Write table, page, pictures and the scenario of the cheapest fleet; the last two only where there is one.

        Args:
            folder: does not exist, is empty, or holds a report.
            png: whether to write each picture as PNG, too.
            command: by which it was asked for, for the page and the manifest.

        Raises:
            InputError: something else is in the folder.
            OSError: no room, no right to write.
        """
        from infermodel.report.cells import write_rows
        from infermodel.report.folder import write_folder
        from infermodel.report.plan_page import plan_page
        from infermodel.report.plan_pictures import plan_pictures

        table = StringIO()
        write_rows(table, header_of(self.planned), self.story.rows)
        pictures = plan_pictures(self.story)
        found: dict[str, str | bytes] = {f"{name}.svg": image for name, (_, image) in pictures.items()}
        found |= self.pngs() if png else {}
        if self.fleet:
            found |= {"best.yaml": self.best_yaml, **deployment_files(self.fleet)}
        page = plan_page(self.story, pictures, command)
        write_folder(Path(folder), {"plan.csv": table.getvalue(), "plan.html": page, **found}, command)
        return Path(folder)


def option_line(option: Option) -> str:
    """A layout on one line: its smallest fleet and what that delivers, or why there is none."""
    name = f"{option.layout.candidate.title} ({words_of(option.layout.settings)})"
    if option.reason:
        return f"  {name}: {option.reason}"
    systems = "1 system" if option.bought == 1 else f"{option.bought} systems"
    return (
        f"  {name}: {systems}, {number(option.racks)} racks, {watts(option.power_w)}, "
        f"{usd(option.usd_per_h)}/h, {usd(option.usd_per_mtok)}/Mtok, {percent(option.utilisation)} busy, "
        f"{number(option.speed_tok_s)} tok/s a user, TTFT p99 {seconds(option.ttft_p99_s)}"
    )
