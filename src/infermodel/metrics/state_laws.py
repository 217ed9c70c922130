"""Laws of fleets whose systems fail or whose replicas start and stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from infermodel.metrics.statement import Law, Statement, within_each
from infermodel.tables import SERVING, ServiceRecord


def replicas_are_in_one_state_at_a_time(record: ServiceRecord) -> Iterator[Statement]:
    """Where systems fail or replicas start and stop: the states of each replica follow each other without a gap from
    the start to the end of the run, and steps run in no more seconds than it serves."""
    for pool in record.pools:
        states = pool.states
        if states is None:
            continue
        lasted_s = states.end_s - states.start_s
        of_each = np.bincount(states.replica, lasted_s, minlength=pool.replicas)
        yield Statement("least seconds of a replica in any state", float(of_each.min()), record.ended_at)
        yield Statement("most seconds of a replica in any state", float(of_each.max()), record.ended_at)
        same = states.replica[1:] == states.replica[:-1]
        gaps = (states.start_s[1:] != states.end_s[:-1]) & same
        yield Statement("states that do not begin when the one before ends", int(gaps.sum()), 0)
        serving = np.isin(states.state, sorted(SERVING))
        serving_s = np.bincount(states.replica[serving], lasted_s[serving], pool.replicas).astype(np.float64)
        yield within_each("busy seconds of", pool.replica_totals["busy_s"], serving_s, record.ended_at)


STATE_LAWS: Mapping[str, Law] = {"one state at a time": replicas_are_in_one_state_at_a_time}
"""Name of each law, as reports print it, to its check."""
