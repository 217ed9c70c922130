"""`infermodel plan`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infermodel.cli import JOBS
from infermodel.cli.run import REPORTS, command_line, refusal
from infermodel.cli.sweep import progress_bar
from infermodel.cli.told import Told, json_option

if TYPE_CHECKING:
    from infermodel.report.plan_story import PlanStory
    from infermodel.search.plan import Planned


@click.command()
@click.argument("file", type=click.Path())
@click.option("--jobs", type=JOBS, default=lambda: os.cpu_count() or 1, help="Processes; all cores.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; reports/plans/<file>.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
def plan(file: str, jobs: int, out: Path | None, as_json: bool, quiet: bool) -> None:
    """Find the cheapest fleet that meets the objectives, among the candidates of a plan FILE."""
    from infermodel.files import safe_name
    from infermodel.report.folder import check_place
    from infermodel.search.plan import find_plan
    from infermodel.search.plan_schema import load_plan

    told = Told("plan", as_json=as_json, quiet=quiet)
    asked = load_plan(file)
    folder = out or REPORTS / "plans" / safe_name(Path(file).stem)
    with refusal(folder):
        check_place(folder)
    with progress_bar(quiet=told.quiet) as on_option:
        planned = find_plan(asked, jobs=jobs, on_option=on_option)
    with refusal(folder):
        write_plan(planned, folder)
    told.text("\n".join([asked.title, "", *answer(planned), "", f"report: {folder / 'plan.html'}"]))
    tell_plan(told, planned)
    told.file(folder)
    told.end()


def tell_plan(told: Told, planned: Planned) -> None:
    """Every layout, and how the cheapest fleet is deployed."""
    from infermodel.deploy import deployment_rows
    from infermodel.search.plan_table import best_fleet, plan_rows

    told.table("plan", plan_rows(planned))
    fleet = best_fleet(planned)
    told.table("deploy", deployment_rows(fleet.services) if fleet else [])


def write_plan(planned: Planned, folder: Path) -> None:
    """Table, page, pictures and the scenario of the cheapest fleet; the last two only where there is a fleet."""
    from io import StringIO

    from infermodel.deploy import deployment_files
    from infermodel.report.cells import write_rows
    from infermodel.report.folder import write_folder
    from infermodel.report.plan_page import plan_page
    from infermodel.report.plan_pictures import plan_pictures
    from infermodel.search.plan_table import HEADER, best_fleet, best_yaml

    story = story_of(planned)
    table = StringIO()
    write_rows(table, HEADER, story.rows)
    pictures = plan_pictures(story)
    images = {f"{name}.png": pictures[name][1] if name in pictures else b"" for name in ("fronts", "searched")}
    fleet = best_fleet(planned)
    deployed = deployment_files(fleet) if fleet else {}
    found: dict[str, str | bytes] = {**images, "best.yaml": best_yaml(planned), **deployed}
    page = plan_page(story, pictures, command_line())
    kept = {name: content for name, content in found.items() if content}
    write_folder(folder, {"plan.csv": table.getvalue(), "plan.html": page, **kept}, command_line())


def story_of(planned: Planned) -> PlanStory:
    """What the page and the pictures tell."""
    from infermodel.report.plan_story import PlanStory
    from infermodel.scenario import load, resolve
    from infermodel.search.plan_table import asked_of, devices_of, plan_rows, traffic_of, trust_of, words_of

    plan, service = planned.plan, asked_of(planned)
    base = resolve(load(plan.base_path))
    return PlanStory(
        title=plan.title,
        description=plan.description,
        traffic=traffic_of(service) if service else "",
        objectives=service.objectives if service else (),
        spares=plan.spares,
        most_systems=plan.most_systems,
        replications=plan.replications,
        devices=devices_of(planned),
        rests_on=trust_of(planned),
        rows=plan_rows(planned),
        words=[words_of(each.layout.settings) for each in planned.options],
        fleets=planned.fleets,
        digest=base.digest,
        seed=base.seed,
    )


def answer(planned: Planned) -> list[str]:
    """The cheapest fleet in a sentence, a line for every layout, and how much was simulated."""
    from infermodel.deploy import deployment_lines
    from infermodel.report.human import number, seconds, usd, watts
    from infermodel.report.human import share as percent
    from infermodel.report.plan_page import within_ranges
    from infermodel.search.plan_table import best_fleet, trust_of, words_of

    best = planned.best
    if best is None:
        said = [f"No candidate meets the objectives with at most {planned.plan.most_systems} systems."]
    else:
        said = [
            f"Cheapest: {best.systems} + {planned.plan.spares} spare {best.layout.candidate.title}, "
            f"{words_of(best.layout.settings)}: {usd(best.usd_per_h)}/h, {usd(best.usd_per_mtok)}/Mtok."
        ]
        said += within_ranges(story_of(planned))
    said.append("")
    for each in sorted(planned.options, key=lambda option: (option.usd_per_h, option.layout.number)):
        name = f"{each.layout.candidate.title} ({words_of(each.layout.settings)})"
        if each.reason:
            said.append(f"  {name}: {each.reason}")
            continue
        said.append(
            f"  {name}: {each.bought} systems, {number(each.racks)} racks, {watts(each.power_w)}, "
            f"{usd(each.usd_per_h)}/h, {usd(each.usd_per_mtok)}/Mtok, {percent(each.utilisation)} busy, "
            f"{number(each.speed_tok_s)} tok/s a user, TTFT p99 {seconds(each.ttft_p99_s)}"
        )
    said += ["", *(f"  {title} rests on: {words}" for title, words in trust_of(planned).items())]
    pruned = sum(each.reason.startswith("pruned") for each in planned.options)
    said += [
        "",
        f"{planned.simulated} of {planned.fleets} fleets simulated; "
        f"{pruned} of {len(planned.options)} layouts pruned by the cost engine's bounds.",
    ]
    fleet = best_fleet(planned)
    deployed = deployment_lines(fleet.services) if fleet else []
    if deployed:
        said += ["", "To deploy (see deploy.sh and deploy.yaml of the report):", *deployed]
    return said
