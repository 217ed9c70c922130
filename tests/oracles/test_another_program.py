"""The same requests through Ciw, another discrete-event simulator: every start and every end must be equal to the bit.

Arrivals, lengths and pauses are multiples of powers of two, and no request comes in the instant in which another ends.
A request takes one step of as many ticks as its prompt has tokens.

Source: Palmer, Knight, Harper, Hawa, "Ciw: an open-source discrete event simulation library" (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import ciw
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.kit.toy_models import AffineModel

from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.tables import RequestTable
from infermodel.workload.lengths import Fixed
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import ClosedTraffic, TraceTraffic

TICK_S = 2.0**-6
OFF_GRID = 2.0**-18
ONE_AT_A_TIME = Limits(max_sequences=1, max_batched_tokens=1 << 40, max_context=1 << 40)

Row = tuple[float, int, int]
"""Arrival, ticks of service, priority."""

rows = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60), st.integers(0, 2)), min_size=1, max_size=60).map(
    lambda drawn: [
        (float(at) * TICK_S + OFF_GRID * number, ticks, priority)
        for number, (at, (_, ticks, priority)) in enumerate(
            zip(np.cumsum([gap for gap, _, _ in drawn]), drawn, strict=True), 1
        )
    ]
)


class Listed(ciw.dists.Distribution):
    """The next of a list each time; for ever nothing after the last."""

    def __init__(self, values: list[float]) -> None:
        self.values = iter(values)

    def sample(self, t: float | None = None, ind: object = None) -> float:
        """The next value."""
        return next(self.values, inf)


class OfEach(ciw.dists.Distribution):
    """What each customer brings along, whichever server he comes to."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def sample(self, t: float | None = None, ind: ciw.Individual = None) -> float:
        """By the customer's number, from 1."""
        return self.values[ind.id_number - 1]


def gaps(rows: list[Row]) -> Listed:
    return Listed(np.diff([at for at, _, _ in rows], prepend=0.0).tolist())


def services(rows: list[Row]) -> list[float]:
    return [ticks * TICK_S for _, ticks, _ in rows]


def played_by_ciw(network: ciw.network.Network, customers: int) -> list[tuple[float, float, float]]:
    """(arrival, start, end) of each service, in order of arrival."""
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(customers, method="Complete")
    records = [record for record in simulation.get_all_records() if record.service_time > 0]
    return sorted((record.arrival_date, record.service_start_date, record.service_end_date) for record in records)


def played(rows: list[Row], **more: object) -> list[tuple[float, float, float]]:
    arrived, ticks, priority = (np.array(column) for column in zip(*rows, strict=True))
    trace = Requests(arrived, ticks, np.ones(len(rows), np.int64), priority, np.full(len(rows), -1))
    model = AffineModel(0.0, per_prompt_token_s=TICK_S)
    spec = one_pool("queue", model, TraceTraffic(trace), ONE_AT_A_TIME, **more)
    return times(simulate([spec], 1, Horizon())[0].requests)


def times(table: RequestTable) -> list[tuple[float, float, float]]:
    return list(
        zip(table.arrived_at.tolist(), table.first_scheduled_at.tolist(), table.finished_at.tolist(), strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 5))
def test_servers_behind_one_queue(rows: list[Row], servers: int) -> None:
    network = ciw.create_network(
        arrival_distributions=[gaps(rows)],
        service_distributions=[Listed(services(rows))],
        number_of_servers=[servers],
    )
    assert played(rows, replicas=servers, router="shared_queue") == played_by_ciw(network, len(rows))


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 3))
def test_priorities(rows: list[Row], servers: int) -> None:
    """Ciw has a stream of arrivals for each class; within a class the first comes first."""
    classes = sorted({priority for _, _, priority in rows})
    of_class = {f"class {level}": [row for row in rows if row[2] == level] for level in classes}
    network = ciw.create_network(
        arrival_distributions={name: [gaps(theirs)] for name, theirs in of_class.items()},
        service_distributions={name: [Listed(services(theirs))] for name, theirs in of_class.items()},
        priority_classes={name: rank for rank, name in enumerate(of_class)},
        number_of_servers=[servers],
    )
    ours = played(rows, replicas=servers, router="shared_queue", queue="priority")
    assert ours == played_by_ciw(network, len(rows))


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(2, 4), st.sampled_from(["round_robin", "least_outstanding"]))
def test_routers(rows: list[Row], replicas: int, router: str) -> None:
    """A door that takes no time sends everyone to a server with a queue of its own."""
    doors = {
        "round_robin": ciw.routing.Cycle(cycle=list(range(2, replicas + 2))),
        "least_outstanding": ciw.routing.LoadBalancing(destinations=list(range(2, replicas + 2)), tie_break="order"),
    }
    network = ciw.create_network(
        arrival_distributions=[gaps(rows)] + [None] * replicas,
        service_distributions=[ciw.dists.Deterministic(0.0)] + [OfEach(services(rows))] * replicas,
        number_of_servers=[inf] + [1] * replicas,
        routing=ciw.routing.NetworkRouting([doors[router], *[ciw.routing.Leave()] * replicas]),
    )
    assert played(rows, replicas=replicas, router=router) == played_by_ciw(network, len(rows))


@dataclass(frozen=True)
class InTurn:
    """Lengths or pauses off a list."""

    values: tuple[float, ...]

    def mean(self) -> float:
        """Of the list."""
        return float(np.mean(self.values))

    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
        """The first `count`, those after the list's end made up of it again."""
        return np.resize(np.array(self.values), count)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(0, 1 << 30))
def test_users_who_wait_for_their_answers(users: int, seed: int) -> None:
    """A server and a place to pause, in turn; request i takes the i-th service and the i-th pause in both programs.

    With one server requests end in the order in which they were sent. Pauses are multiples of 2^-26 s: two users never
    come at one instant.
    """
    count, rng = 60, np.random.default_rng(seed)
    ticks = rng.integers(1, 60, count)
    pauses = rng.integers(0, 1 << 28, count) * 2.0**-26
    network = ciw.create_network(
        arrival_distributions=[Listed([0.0]), None],
        batching_distributions=[ciw.dists.Deterministic(users), ciw.dists.Deterministic(1)],
        service_distributions=[Listed((ticks * TICK_S).tolist()), Listed(pauses.tolist())],
        number_of_servers=[1, inf],
        routing=ciw.routing.NetworkRouting([ciw.routing.Direct(2), ciw.routing.Direct(1)]),
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(1e4)
    theirs = sorted(
        (record.arrival_date, record.service_start_date, record.service_end_date)
        for record in simulation.get_all_records()
        if record.node == 1
    )
    traffic = ClosedTraffic(users, InTurn(tuple(ticks.tolist())), Fixed(1), InTurn(tuple(pauses.tolist())))
    spec = one_pool("loop", AffineModel(0.0, per_prompt_token_s=TICK_S), traffic, ONE_AT_A_TIME)
    measured = count - users
    ours = times(simulate([spec], 1, Horizon(requests=measured))[0].requests)
    assert len(theirs) >= measured
    assert ours[:measured] == theirs[:measured]
