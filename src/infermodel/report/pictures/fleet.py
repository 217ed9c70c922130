"""How many replicas served over time, and which state each of them was in."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from infermodel.metrics.fleets import serving_steps
from infermodel.report.drawing import legend_below, of_load, service_handles, sheet
from infermodel.report.findings import Findings
from infermodel.report.palette import GREY
from infermodel.report.pictures.over_time import clock_axis
from infermodel.tables import PAID, SERVING, StateTable

STATE_COLOURS = {"up": "#44BB99", "starting": "#EEDD88", "draining": "#99DDFF", "down": "#EE8866", "off": "#EEEEEE"}
"""Light colours of Paul Tol's palette, told apart by every eye."""

MOST_BANDS = 64
"""Replicas whose bands are drawn; more would be thinner than a line."""


def replicas_over_time(findings: Findings) -> Figure | None:
    """Serving and paid replicas above, the states of those of the first service that has some below."""
    known = [(each, each.record.states) for each in findings.services]
    coming = [(each, states) for each, states in known if states is not None]
    if not coming:
        return None
    figure, ((above,), (below,)) = sheet("Replicas over time", of_load(findings), rows=2, sharex=True)
    for each, states in coming:
        style = findings.styles[each.summary.service]
        for which, dash, width in ((SERVING, style.dash, 2.2), (PAID, (0, (1, 1.5)), 1.4)):
            moments, counts = serving_steps(states, which)
            at, count = np.append(moments, each.record.ended_at), np.append(counts, counts[-1])
            above.step(at, count, where="post", color=style.colour, linestyle=cast(Any, dash), linewidth=width)
    above.set_ylabel("replicas")
    above.set_ylim(bottom=0)
    above.yaxis.set_major_locator(MaxNLocator(integer=True))
    first, states = coming[0]
    _bands(below, states)
    below.set_ylabel("number of the replica")
    below.set_xlim(0, first.record.ended_at)
    below.set_xlabel("time since the start")
    clock_axis(below)
    lines = [
        Line2D([], [], color=GREY, linewidth=2.2, label="serving"),
        Line2D([], [], color=GREY, linewidth=1.4, linestyle=(0, (1, 1.5)), label="paid for"),
    ]
    seen = set(states.state.tolist())
    patches = [Patch(color=colour, label=state) for state, colour in STATE_COLOURS.items() if state in seen]
    handles = dict(zip(findings.styles, service_handles(findings), strict=True))
    legend_below(figure, [*(handles[each.summary.service] for each, _ in coming), *lines, *patches])
    return figure


def _bands(axes: Axes, states: StateTable) -> None:
    for state, colour in STATE_COLOURS.items():
        for replica in range(min(MOST_BANDS, int(states.replica.max()) + 1)):
            rows = (states.state == state) & (states.replica == replica)
            spans = list(zip(states.start_s[rows], (states.end_s - states.start_s)[rows], strict=True))
            if spans:
                axes.broken_barh(spans, (replica - 0.4, 0.8), facecolor=colour, edgecolor="none")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False)
