"""Answer time and dollars of questions that take several calls, as a table and a picture.

`python -m infermodel.pages.thinking scenarios/thinking.yaml PICTURE.png` runs the scenario's services at several
loads (four minutes), prints the table of
`docs/thinking.md` and draws its picture. Services are named "system, way of working".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infermodel.experiment.run import run
from infermodel.metrics.questions import question_summary
from infermodel.pages.systems import COLOURS
from infermodel.report.drawing import legend_below, log_axis, save, seconds_tick, sheet
from infermodel.report.palette import GREY
from infermodel.scenario import ResolvedScenario, load, resolve

RATES_PER_MIN = (10, 20, 40, 80, 160, 320, 640, 1280, 2560)
"""Loads that are tried, the lightest first; the lightest stands for a question alone."""

SLOWER = 2.0
"""How many times the light load's answer time (p95) is still bearable."""


@dataclass(frozen=True)
class Thought:
    """One way of working on one system: alone, and at the largest load tried that is bearable."""

    system: str
    way: str
    calls: float
    tokens_in: float
    tokens_out: float
    alone_s: float
    per_min: float
    answer_s: float
    usd: tuple[float, float, float]


def thoughts(path: str) -> list[Thought]:
    """Try the loads on each service of the scenario."""
    scenario = resolve(load(path))
    return [thought(replace(scenario, services=(service,))) for service in scenario.services]


def thought(scenario: ResolvedScenario) -> Thought:
    """Try the loads on a scenario's only service."""
    (service,) = scenario.services
    assert service.sessions is not None
    system, way = (part.strip() for part in service.name.split(","))
    lightest = best = None
    for rate in RATES_PER_MIN:
        sessions = replace(service.sessions, arrivals=service.sessions.arrivals.at_rate(rate / 60))
        result = run(replace(scenario, services=(replace(service, sessions=sessions),)))
        (each,) = result.services
        found = question_summary(each.record, result.window)
        assert found is not None
        lightest = lightest or found
        if found.answered < found.asked or found.answer_time_p95_s > SLOWER * lightest.answer_time_p95_s:
            break
        best = found, each.economics.hourly.total, rate
    assert lightest is not None
    assert best is not None  # the lightest is no slower than itself
    found, hourly, rate = best
    dollars = (hourly.low / (60 * rate), hourly.mid / (60 * rate), hourly.high / (60 * rate))
    counts = (lightest.calls_mean, lightest.input_tokens_mean, lightest.output_tokens_mean)
    return Thought(system, way, *counts, lightest.answer_time_p50_s, rate, found.answer_time_p50_s, dollars)


def table(found: Sequence[Thought]) -> str:
    """Ways of working by system, as a Markdown table."""
    lines = [
        "| way of working | calls | tokens in | out | system | answer alone, s | questions a minute | answer then, s |"
        " USD a question | low to high |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    ways = list(dict.fromkeys(each.way for each in found))
    for each in sorted(found, key=lambda thought: ways.index(thought.way)):
        low, mid, high = each.usd
        lines.append(
            f"| {each.way} | {each.calls:.0f} | {each.tokens_in:,.0f} | {each.tokens_out:,.0f} | {each.system} |"
            f" {each.alone_s:.2f} | {each.per_min:.0f} | {each.answer_s:.2f} | {mid:.2g} | {low:.2g} to {high:.2g} |"
        )
    return "\n".join(lines)


def drawn(found: Sequence[Thought]) -> Figure:
    """Dollars over answer time: a mark for each way of working, a colour for each system."""
    figure, ((axes,),) = sheet(
        "Thinking before speaking: Llama 3.1 70B",
        "each system at the largest load that it bears; lines are the range of purchase prices",
    )
    markers = dict(zip(dict.fromkeys(each.way for each in found), "osD^v", strict=False))
    for each in found:
        colour = COLOURS[each.system]
        low, mid, high = each.usd
        axes.plot([each.answer_s] * 2, [low, high], color=colour, alpha=0.6)
        axes.plot(each.answer_s, mid, markers[each.way], color=colour, markersize=13)
    times = [each.answer_s for each in found]
    log_axis(axes, "x", min(times), max(times), tick=seconds_tick)
    log_axis(axes, "y", min(each.usd[0] for each in found), max(each.usd[2] for each in found))
    axes.set_xlabel("from question to answer (p50), at that load")
    axes.set_ylabel("USD a question")
    systems = dict.fromkeys(each.system for each in found)
    handles = [Line2D([], [], color=COLOURS[name], linewidth=6, label=name) for name in systems]
    handles += [
        Line2D([], [], marker=mark, linestyle="", markersize=11, color=GREY, label=way) for way, mark in markers.items()
    ]
    legend_below(figure, handles)
    return figure


if __name__ == "__main__":
    asked = thoughts(sys.argv[1])
    print(table(asked))
    if len(sys.argv) > 2:
        save(Path(sys.argv[2]), partial(drawn, asked))
