"""The same requests through the simulator and through the oracle, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from tests.oracles.step_engine import Fleet, Job

from infermodel.cost.step import StepModel
from infermodel.simulation import Horizon, Limits, Outage, one_pool, simulate
from infermodel.simulation.replica.replica import Stepping
from infermodel.tables import RequestTable
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import TraceTraffic

Row = tuple[float, int, int, int]
"""Arrival, prompt tokens, output tokens, priority."""


def rows_of(
    gaps: st.SearchStrategy[float], tokens: int, most: int = 40, priorities: int = 0
) -> st.SearchStrategy[list[Row]]:
    """Requests in order of arrival."""
    one = st.tuples(gaps, st.integers(1, tokens), st.integers(1, tokens), st.integers(0, priorities))
    return st.lists(one, min_size=1, max_size=most).map(
        lambda drawn: [(float(at), *row[1:]) for at, row in zip(np.cumsum([r[0] for r in drawn]), drawn, strict=True)]
    )


def requests(rows: Sequence[Row]) -> Requests:
    """The columns that a trace replays."""
    arrived, prompts, outputs, priority = (np.array(column) for column in zip(*rows, strict=True))
    return Requests(arrived.astype(float), prompts, outputs, priority, np.full(len(rows), -1, np.int64))


def jobs(rows: Sequence[Row]) -> list[Job]:
    """The requests that the oracle serves."""
    return [Job(number, *row) for number, row in enumerate(rows)]


def simulated(
    rows: Sequence[Row],
    model: StepModel,
    fleet: Fleet,
    *,
    systems: int = 1,
    outages: tuple[Outage, ...] = (),
    stepping: Stepping = "leap",
) -> RequestTable:
    """What the simulator says of `rows` on a fleet described as the oracle's."""
    limits = Limits(
        fleet.seats,
        fleet.budget,
        1 << 30,
        chunked_prefill=fleet.chunked,
        schedules_ahead=fleet.ahead,
        reserves_output=fleet.reserves,
    )
    spec = one_pool(
        "service",
        model,
        TraceTraffic(requests(rows)),
        limits,
        replicas=fleet.replicas,
        systems=systems,
        queue=fleet.queue,
        router=fleet.router,
        outages=outages,
    )
    return simulate([spec], 1, Horizon(), stepping=stepping)[0].requests


def assert_same(table: RequestTable, served: Sequence[Job]) -> None:
    """Every request, every time, to the last bit."""
    assert table.first_scheduled_at.tolist() == [job.scheduled for job in served]
    assert table.first_token_at.tolist() == [job.first for job in served]
    assert table.finished_at.tolist() == [job.last for job in served]
    assert table.replica.tolist() == [job.machine for job in served]
    assert table.preemptions.tolist() == [job.preemptions for job in served]
