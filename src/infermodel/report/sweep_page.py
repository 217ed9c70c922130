"""The page of a sweep: one file, no script, nothing from a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any

from infermodel.metrics.laws import LAWS
from infermodel.report.human import number, seconds
from infermodel.report.sweep_story import MOVED, SHOWN, TITLES, SweepStory

MOST_LINES = 400
MOST_WHOLE = 1e6
"""Below which a whole figure is a count."""

MOST_CIRCUMSTANCES = 6
"""That sentences tell apart; the table has all."""


@dataclass(frozen=True)
class Line:
    """A point and a service of the table, a cell for each measure: value, and difference to the base."""

    point: int
    place: Mapping[str, Any]
    service: str
    cells: tuple[tuple[str, str], ...]


def sweep_page(story: SweepStory, pictures: Mapping[str, tuple[str, bytes]], command: Sequence[str] = ()) -> str:
    """The page as HTML text.

    Args:
        story: what to tell.
        pictures: name to caption and PNG.
        command: that made the sweep.
    """
    from infermodel.report.template import one_file

    told = lines(story)
    return one_file(
        "sweep.html.jinja",
        pictures,
        command,
        story=story,
        answers=answers(story),
        titles=[TITLES.get(measure, measure) for measure in SHOWN[story.ask]],
        lines=told[:MOST_LINES],
        more=max(0, len(told) - MOST_LINES),
        laws=len(LAWS),
    )


def answers(story: SweepStory) -> list[str]:
    """The fleets of plans; for each service where a token is cheapest among what can be chosen, and which axis moves
    its price most.
    """
    told = fleets(story) if story.ask == "plan" else []
    for service in story.services:
        told += cheapest(story, service)
        for measure in MOVED[story.ask]:
            swings = story.swings.get((service, measure), ())
            if len(swings) >= 2 and swings[0].high > swings[0].low:
                most = swings[0]
                told.append(
                    f"{service}: {most.axis} moves {TITLES.get(measure, measure)} most, from {number(most.low)} at "
                    f"{most.low_at} to {number(most.high)} at {most.high_at}."
                )
    return told or [why_none_is_cheapest(story)]


def why_none_is_cheapest(story: SweepStory) -> str:
    """A sentence for where no sentence on prices can be told."""
    if not story.services:
        return "No point has an answer."
    points = list(story.points)
    if any(story.best(service, points) is not None for service in story.services):
        return "What each point does is in the table."
    values = [story.value(point, service, "usd_per_mtok") for point in points for service in story.services]
    if all(isnan(value) for value in values):
        return "Nothing has a price, so none is cheapest: what each point does is in the table."
    return "No point keeps the objectives."


def fleets(story: SweepStory) -> list[str]:
    """The cheapest fleet of the candidates at each of the first points."""
    told = []
    for point, place in [(point, place) for point, place in story.points.items() if point][:MOST_CIRCUMSTANCES]:
        priced = {name: usd for name in story.services if not isnan(usd := story.value(point, name, "usd_per_h"))}
        said = "no candidate keeps the promises"
        if priced:
            best = min(priced, key=priced.__getitem__)
            systems, per_mtok = (cell(story.row(point, best, name), name)[0] for name in ("bought", "usd_per_mtok"))
            said = f"{systems} {best}, {number(priced[best])} USD/h, {per_mtok} USD/Mtok"
        told.append(f"{', '.join(f'{axis} {value}' for axis, value in place.items())}: {said}.")
    return told


def cheapest(story: SweepStory, service: str) -> list[str]:
    """Where a token is cheapest among what can be chosen, in each of the first circumstances; nothing where all axes
    are circumstances.
    """
    if not story.choices:
        return []
    told = []
    for circumstance, points in list(story.settings.items())[:MOST_CIRCUMSTANCES]:
        best = story.best(service, points)
        if best is None:
            continue
        given = ", ".join(f"{axis} {value}" for axis, value in zip(story.circumstances, circumstance, strict=True))
        place = ", ".join(f"{axis} {story.points[best][axis]}" for axis in story.choices) if best else "the base"
        price = number(story.value(best, service, "usd_per_mtok"))
        told.append(f"{service}{f', with {given}' if given else ''}: cheapest at {place}, {price} USD/Mtok.")
    return told


def lines(story: SweepStory) -> list[Line]:
    """The table, by point and service."""
    told = []
    for point, place in story.points.items():
        for service in story.services:
            cells = tuple(cell(story.row(point, service, measure), measure) for measure in SHOWN[story.ask])
            if any(value != "–" for value, _ in cells):
                doubtful = story.value(point, service, "price_holds") < 1
                told.append(Line(point, place, service, struck(cells, SHOWN[story.ask]) if doubtful else cells))
    return told


def struck(cells: Sequence[tuple[str, str]], measures: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The cells with dollars struck out, as a page draws them."""
    return tuple(
        (f"~~{value}~~", beside) if measure.startswith("usd") else (value, beside)
        for (value, beside), measure in zip(cells, measures, strict=True)
    )


def cell(row: Mapping[str, Any], measure: str) -> tuple[str, str]:
    """A value, and its difference to the base with the paired interval."""
    words = seconds if measure.endswith("_s") and not measure.endswith("tok_s") else number
    value, difference = whole(row.get("value")), whole(row.get("difference"))
    if not row or not row["point"] or difference is None or isnan(difference):
        return words(value), ""
    width = row.get("difference_half_width")
    sign = "+" if difference >= 0 else ""
    spread = f" ± {words(width)}" if width is not None and not isnan(width) else ""
    return words(value), f"{sign}{words(difference)}{spread}"


def whole(value: float | None) -> float | None:
    """A count as such, so that it is told without decimals; all else as it is.

    >>> whole(2.0), whole(2.5)
    (2, 2.5)
    """
    if value is not None and isfinite(value) and value == int(value) and abs(value) < MOST_WHOLE:
        return int(value)
    return value
