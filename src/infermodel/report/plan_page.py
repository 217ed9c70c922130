"""The page of a plan: one file, no script, nothing from a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infermodel.metrics.laws import LAWS
from infermodel.report.human import number, seconds, share, usd, watts
from infermodel.report.not_modelled import ALWAYS
from infermodel.report.plan_story import PlanStory
from infermodel.report.words import promise

NOT_MODELLED = (
    "mixed fleets: all systems of a fleet, or of a pool of it, are alike, and so are their replicas",
    "the moment of a failure and the way a spare takes over: spares are paid for, powered and idle, and what "
    "systems_down takes away is away throughout",
    "uncertainty in the choice: candidates are compared at the middle of each price and of each constant",
    "luck beyond these runs: the fleet is the smallest that keeps the promises in them, often only just",
    "delivery times, contracts and discounts, floor space and cooling beyond the racks, and buying in steps",
)
"""Of every plan; what is true of every run follows."""


@dataclass(frozen=True)
class Line:
    """A layout of the table: each cell a figure and what stands below it."""

    name: str
    is_best: bool
    fronts: str
    rests_on: str
    cells: tuple[tuple[str, str], ...]


def plan_page(story: PlanStory, pictures: Mapping[str, tuple[str, bytes]], command: Sequence[str] = ()) -> str:
    """The page as HTML text.

    Args:
        story: what to tell.
        pictures: name to caption and PNG.
        command: that made the plan.
    """
    from infermodel.report.template import one_file

    return one_file(
        "plan.html.jinja",
        pictures,
        command,
        story=story,
        answers=answers(story),
        promised=[promise(each) for each in story.objectives],
        lines=[line(story, row) for row in story.with_fleet],
        without=[(story.name(row), row["reason"]) for row in story.without_fleet],
        not_modelled=(*NOT_MODELLED, *ALWAYS),
        laws=len(LAWS),
    )


def answers(story: PlanStory) -> list[str]:
    """The cheapest fleet, the fastest for a user, and how much was simulated."""
    if not story.with_fleet:
        return [f"{cheapest(story)}.", searched(story)]
    best = story.with_fleet[0]
    said = [f"{cheapest(story)}, {watts(best['power_w'])} in {number(best['racks'])} racks.", *doubts(story)]
    fast = max(story.with_fleet, key=lambda row: (row["speed_tok_s"], -row["usd_per_h"]))
    if fast is not best and fast["speed_tok_s"] > best["speed_tok_s"] > 0:
        said.append(
            f"Fastest: {bought(story, fast)}: {number(fast['speed_tok_s'])} tokens/s for a user "
            f"instead of {number(best['speed_tok_s'])}, at {usd(fast['usd_per_h'])}/h."
        )
    return [*said, searched(story)]


def cheapest(story: PlanStory) -> str:
    """The cheapest fleet and its dollars in a sentence without its full stop, or that there is none."""
    if not story.with_fleet:
        return f"No candidate meets the objectives with at most {story.most_systems} systems"
    best = story.with_fleet[0]
    return f"Cheapest: {bought(story, best)}: {usd(best['usd_per_h'])}/h, {usd(best['usd_per_mtok'])}/Mtok"


def bought(story: PlanStory, row: Mapping[str, Any]) -> str:
    """What is bought of a layout, in words."""
    return f"{row['systems']} + {spares(row)} spare {story.name(row)}"


def spares(row: Mapping[str, Any]) -> int:
    """Systems of a layout's fleet that stand by."""
    return int(row["bought"]) - int(row["systems"])


def doubts(story: PlanStory) -> list[str]:
    """What somebody should know who buys the cheapest fleet: whether it is certain, what one failure does, for which
    load it is sized.
    """
    best, missed = story.with_fleet[0], story.missed_with_one_down
    said = within_ranges(story)
    if missed is not None:
        verdict = f"it misses {missed}" if missed else "it keeps every promise"
        said.append(f"With one of its {best['bought']} systems down and all others serving, {verdict}.")
    if story.mean_per_busiest < 1:
        peak = usd(story.mean_per_busiest * best["usd_per_mtok"])
        said.append(
            f"Sized at the busiest step of the profile, where it is {peak}/Mtok, and priced over the whole of it, "
            f"whose mean rate is {share(story.mean_per_busiest)} of that; power as at the busiest step."
        )
    return said


def within_ranges(story: PlanStory) -> list[str]:
    """What leaves the order of candidates open, a sentence each: ranges of prices, the model's error, no experiment."""
    said = []
    if story.rivals:
        named = " and ".join(story.rivals)
        said.append(f"Which is cheapest lies within the ranges of the prices: {named} may cost less.")
    if story.rivals_in_errors:
        named = " and ".join(story.rivals_in_errors)
        said.append(f"Which is cheapest lies within the model's median error on these devices: {named} may cost less.")
    if story.never_held:
        named = " and ".join(story.never_held)
        said.append(f"Nothing vouches for the place in the order of {named}: never held against a server.")
    return said


def searched(story: PlanStory) -> str:
    """How much was simulated and what was pruned."""
    simulated = sum(row["simulated_sizes"] for row in story.rows)
    pruned = sum(row["reason"].startswith("pruned") for row in story.rows)
    return (
        f"{simulated} of {story.fleets} fleets were simulated: the cost engine's bounds rule the smaller ones out, and "
        f"{pruned} of {len(story.rows)} layouts whole."
    )


def line(story: PlanStory, row: Mapping[str, Any]) -> Line:
    """A layout that has a fleet."""
    fronts = [name for name, flag in (("speed", "on_speed_front"), ("TTFT", "on_ttft_front")) if row[flag]]
    return Line(
        name=story.name(row),
        is_best=bool(row["best"]),
        fronts=f"on the front of dollars and {' and '.join(fronts)}" if fronts else "",
        rests_on=story.rests_on.get(row["candidate"], ""),
        cells=(
            (str(row["bought"]), f"{row['systems']} + {spares(row)}"),
            (usd(row["usd_per_h"]), between(row, "usd_per_h")),
            (usd(row["usd_per_mtok"]), between(row, "usd_per_mtok")),
            (share(row["utilisation"]), spread(row, "utilisation", share)),
            (watts(row["power_w"]), spread(row, "power_w", watts)),
            (number(row["racks"]), ""),
            (number(row["speed_tok_s"]), spread(row, "speed_tok_s", number)),
            (seconds(row["ttft_p99_s"]), spread(row, "ttft_p99_s", seconds)),
            (usd(row["break_even_usd"]), ""),
            (str(row["fewest_systems"]), str(row["simulated_sizes"])),
        ),
    )


def between(row: Mapping[str, Any], measure: str) -> str:
    """The range of dollars; empty where the prices have none."""
    low, high = row[f"{measure}_low"], row[f"{measure}_high"]
    return f"{number(low)} to {number(high)}" if low < high else ""


def spread(row: Mapping[str, Any], measure: str, words: Any) -> str:
    """Half the width of an interval; empty where there is none, or where three digits do not show it."""
    width = row.get(f"{measure}_half_width")
    return "" if width is None or not width > 1e-3 * abs(row[measure]) else f"± {words(width)}"
