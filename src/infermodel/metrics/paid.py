"""Replicas that are paid for."""

from __future__ import annotations

from infermodel.metrics.steady import Window
from infermodel.tables import PAID, PoolRecord


def paid_replicas(pool: PoolRecord, window: Window) -> float:
    """Replicas that are paid for, mean over the window, or as much of it as was simulated."""
    states = pool.states
    if states is None:
        return float(pool.replicas)
    end_s = min(window.end_s, float(states.end_s.max()))
    return states.seconds(PAID, window.start_s, end_s) / (end_s - window.start_s)
