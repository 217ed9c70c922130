"""The systems, their replicas and the clients, played on one clock; columns of primitive times come out.

Each system, each generator of requests and each planned outage is a process of SimPy that waits for its events. What
goes on for each step or each request are routines with alarms on the same agenda (`alarm.py`, `clock.py`).
"""

from infermodel.simulation.handover import ByPromptLength, LinkSpec
from infermodel.simulation.replica.replica import Stepping
from infermodel.simulation.simulate import simulate
from infermodel.simulation.spec import Horizon, Limits, Outage, PoolSpec, ServiceSpec, one_pool

__all__ = [
    "ByPromptLength",
    "Horizon",
    "Limits",
    "LinkSpec",
    "Outage",
    "PoolSpec",
    "ServiceSpec",
    "Stepping",
    "one_pool",
    "simulate",
]
