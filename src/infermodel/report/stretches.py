"""What a service kept in parts of the measured window: before, during and after an outage, and minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, nan

import numpy as np

from infermodel.experiment.result import ServiceResult
from infermodel.experiment.run import own_window
from infermodel.metrics.objectives import Verdict, evaluate, judged_columns, meets_all
from infermodel.metrics.steady import Window
from infermodel.report.human import clock

MOST_SLICES = 60
FEWEST_ARRIVALS = 100
"""Of a slice on average: a p99 of fewer is a single request."""


@dataclass(frozen=True)
class Stretch:
    """A part of the window.

    Attributes:
        name: in words.
        down: whether systems are down in it.
        arrived: requests that arrived in it.
        verdicts: objectives that are held against single requests, over those.
        attainment: share of them that kept every limit.
    """

    name: str
    window: Window
    down: bool
    arrived: int
    verdicts: tuple[Verdict, ...]
    attainment: float


def outages(each: ServiceResult) -> tuple[Window, ...]:
    """When systems of a service are down, as planned or by chance, those that overlap made one."""
    spans = [(o.at_s, o.at_s + o.for_s) for pool in each.service.pools for o in pool.outages]
    states = each.record.states
    if states is not None:
        down = states.state == "down"
        spans += zip(states.start_s[down].tolist(), states.end_s[down].tolist(), strict=True)
    found: list[Window] = []
    for start_s, end_s in sorted(spans):
        if found and start_s <= found[-1].end_s:
            found[-1] = Window(found[-1].start_s, max(end_s, found[-1].end_s))
        else:
            found.append(Window(start_s, end_s))
    return tuple(found)


def around_outages(each: ServiceResult, common: Window) -> tuple[Stretch, ...]:
    """The window cut where outages begin and end; none where it has no outage."""
    window = own_window(each.service, each.record, common)
    down = [Window(max(o.start_s, window.start_s), min(o.end_s, window.end_s)) for o in outages(each)]
    down = [each for each in down if each.seconds > 0]
    if not down:
        return ()
    cuts = sorted({window.start_s, window.end_s, *(end for o in down for end in (o.start_s, o.end_s))})
    return _cut(each, window, [Window(*ends) for ends in pairwise(cuts)], down)


def _place(part: Window, down: Sequence[Window]) -> str:
    """Where a part lies among the outages.

    >>> [_place(Window(*ends), [Window(60, 120)]) for ends in ((0, 60), (60, 120), (120, 600))]
    ['before', 'during, 1:00 to 2:00', 'after']
    """
    if part in down:
        return f"during, {clock(part.start_s)} to {clock(part.end_s)}"
    if part.end_s <= down[0].start_s:
        return "before"
    return "after" if part.start_s >= down[-1].end_s else "between"


def _cut(
    each: ServiceResult, window: Window, parts: Sequence[Window], down: Sequence[Window] = ()
) -> tuple[Stretch, ...]:
    """What a service kept of the requests that arrive in each part of a window, named by the outages."""
    promised = tuple(o for o in each.service.objectives if o.metric not in ("itl", "attainment"))
    columns, arrived_at = judged_columns(each.record, window), each.record.requests.arrived_at
    arrived_at = arrived_at[window.holds(arrived_at)]
    found = []
    for part in parts:
        inside = part.holds(arrived_at)
        own = {metric: values[inside] for metric, values in columns.items()}
        good = meets_all(own, each.service.objectives)
        share = float(good.mean()) if len(good) else nan
        verdicts = evaluate(each.record, own, promised)
        found.append(Stretch(_place(part, down) if down else "", part, part in down, len(good), verdicts, share))
    return tuple(found)


def slices(each: ServiceResult, common: Window) -> tuple[Stretch, ...]:
    """The window in whole minutes, more of them to a slice where few requests come or the run is long."""
    window = own_window(each.service, each.record, common)
    arrived = int(window.holds(each.record.requests.arrived_at).sum())
    minutes = window.seconds / 60
    each_s = 60.0 * max(1, ceil(minutes / MOST_SLICES), ceil(FEWEST_ARRIVALS * minutes / max(arrived, 1)))
    edges = np.arange(60 * np.floor(window.start_s / 60), window.end_s, each_s).tolist()
    edges = [max(edge, window.start_s) for edge in edges] + [window.end_s]
    if len(edges) > 2 and edges[-1] - edges[-2] < each_s / 2:
        del edges[-2]
    return _cut(each, window, [Window(*ends) for ends in pairwise(edges)])


def missed_in(parts: Sequence[Stretch], objective: str) -> list[Window]:
    """Spans of time in which an objective is missed, neighbours made one."""
    found: list[Window] = []
    last_s = -inf
    for part in parts:
        if all(v.met for v in part.verdicts if v.objective.name == objective) or not part.arrived:
            continue
        if part.window.start_s == last_s:
            found[-1] = Window(found[-1].start_s, part.window.end_s)
        else:
            found.append(part.window)
        last_s = part.window.end_s
    return found
