"""`infermodel claims`."""

from __future__ import annotations

from pathlib import Path

import click

from infermodel.answers.aligned import aligned
from infermodel.claims import answer_claims, check_claims, services_at_capacity
from infermodel.cli.place import refusal
from infermodel.cli.progress import progress
from infermodel.cli.told import Told, json_option, quiet_option, set_option
from infermodel.experiment.result import Capacity, Verdict
from infermodel.scenario import ResolvedScenario, Scenario, load, resolve


@click.command()
@click.argument("scenarios", type=click.Path(), nargs=-1, required=True)
@set_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a Markdown page with a picture for each group.",
)
@json_option
@quiet_option
def claims(scenarios: tuple[str, ...], changes: tuple[str, ...], out: Path | None, as_json: bool, quiet: bool) -> None:
    """Answer the claims of one or several SCENARIOS and judge them."""
    told = Told("claims", as_json=as_json, quiet=quiet)
    quiet = told.quiet
    loaded = [load(path, changes) for path in scenarios]
    verdicts: list[Verdict] = []
    for scenario in loaded:
        check_claims(scenario)
    for scenario in loaded:
        verdicts += answers(scenario, quiet=quiet)
    rows = [(each.id, each.statement, each.verdict) for each in verdicts]
    told.text(aligned([("claim", "statement", "verdict"), *rows]))
    told.table("claims", verdicts)
    if out is not None:
        from infermodel.claims.page import write_page

        with refusal(out):
            written = write_page(out, verdicts, command=f"infermodel claims {' '.join(scenarios)} --out {out}")
        told.text(f"\n{out} and {len(written)} pictures written")
        told.file(out)
    told.end()


def answers(scenario: Scenario, *, quiet: bool) -> tuple[Verdict, ...]:
    """Run a scenario, search the capacities that its claims ask for, and answer them."""
    from infermodel import experiment

    resolved = resolve(scenario)
    with progress(f"simulating {resolved.source.name}", quiet=quiet):
        result = experiment.run(resolved)
    return answer_claims(result, capacities(resolved, quiet=quiet))


def capacities(resolved: ResolvedScenario, *, quiet: bool) -> dict[str, Capacity]:
    """Capacity of each service that a claim asks for, by name."""
    from infermodel.search.capacity import find_capacity

    found = {}
    for service in resolved.services:
        if service.name in services_at_capacity(resolved.claims) and resolved.capacity_width is not None:
            with progress(f"looking for the capacity of {service.name}", quiet=quiet):
                found[service.name] = find_capacity(resolved, service, width=resolved.capacity_width)
    return found
