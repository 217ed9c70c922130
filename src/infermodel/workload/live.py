"""Requests that nobody draws: they come from outside while the simulation runs."""

from __future__ import annotations

from dataclasses import dataclass

from infermodel.workload.traffic import OpenTraffic, TraceTraffic


@dataclass(frozen=True)
class LiveTraffic:
    """Whoever calls.

    Attributes:
        background: load of others beside the callers; None: they are alone.
    """

    background: OpenTraffic | TraceTraffic | None = None
