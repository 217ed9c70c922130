"""One simulation: services in, records out."""

from __future__ import annotations

from collections.abc import Sequence

from infermodel.collector import resting
from infermodel.simulation.clock import Clock
from infermodel.simulation.replica.replica import Stepping
from infermodel.simulation.service import Service
from infermodel.simulation.spec import Horizon, ServiceSpec
from infermodel.simulation.streams import named_streams
from infermodel.tables import ServiceRecord


def simulate(
    services: Sequence[ServiceSpec],
    seed: int,
    horizon: Horizon,
    *,
    replication: int = 0,
    stepping: Stepping = "leap",
) -> tuple[ServiceRecord, ...]:
    """Play all services on one clock until each has finished what is measured.

    Services with the same traffic receive the same requests, whatever their names and number: streams are named by the
    quantity they draw, not by the service.

    Args:
        services: with distinct names.
        seed: of all random streams.
        horizon: what is measured.
        replication: 0, 1, ... draw independently of each other.
        stepping: `leap` over steps of an unchanged batch, or stop at `every` step; the records are identical.
    """
    clock = Clock()
    streams = named_streams(seed, f"replication {replication}")
    running = [Service(clock, index, spec, streams, horizon, stepping) for index, spec in enumerate(services)]
    with resting():  # nothing that happens makes cycles, and looking for them takes up to a tenth of the time
        clock.run(clock.all_of([service.done for service in running]))
    return tuple(service.record() for service in running)
