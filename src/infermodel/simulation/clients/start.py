"""The clients of a service, whatever its traffic is."""

from __future__ import annotations

from math import inf

from infermodel.simulation.clients.askers import Askers
from infermodel.simulation.clients.callers import Callers
from infermodel.simulation.clients.joining import joining_s
from infermodel.simulation.clients.open import open_generator
from infermodel.simulation.clients.turns import Turns
from infermodel.simulation.clients.users import Users
from infermodel.simulation.clients.way import Door, Way
from infermodel.simulation.gate import Gate
from infermodel.simulation.spec import ServiceSpec
from infermodel.simulation.streams import Streams
from infermodel.workload.live import LiveTraffic
from infermodel.workload.sessions import SessionTraffic
from infermodel.workload.traffic import ClosedTraffic, TraceTraffic

Clients = Users | Askers | Turns | Callers
"""Those who wait for answers."""


def start_clients(spec: ServiceSpec, way: Way, let_in: Door, gate: Gate | None, streams: Streams) -> Clients | None:
    """Let the clients of a service begin; returns those who want to know what becomes of their requests.

    Args:
        spec: with the traffic.
        way: of their requests to the door.
        let_in: where requests come to whose quotas are settled.
        gate: quotas of keys; None: there are none.
        streams: what they send is drawn.
    """
    traffic, process = spec.traffic, way.clock.process
    if isinstance(traffic, LiveTraffic):
        callers = Callers(traffic, way, streams, let_in, gate)
        process(callers.background_generator())
        return callers
    if isinstance(traffic, ClosedTraffic):
        clients: Users | Askers | Turns = Users(traffic, way, streams, joining_s(spec))
    elif isinstance(traffic, SessionTraffic):
        clients = Askers(traffic, way, streams)
    elif isinstance(traffic, TraceTraffic) and traffic.requests.after is not None:
        clients = Turns(traffic, way, streams)
    else:
        process(open_generator(traffic.blocks(streams), way))
        return None
    process(clients.generator())
    if way.tally.horizon.duration_s < inf:
        way.tally.close_after(way.tally.horizon.duration_s)
    return clients
