"""The systems, their replicas and the clients, played on SimPy's agenda; columns of primitive times come out.

Of SimPy the environment, its heap and its events for the ends of services are used; what waits during a run are
routines of our own with alarms on that heap (`alarm.py`, `clock.py`).
"""

from infermodel.simulation.handover import LinkSpec
from infermodel.simulation.replica.replica import Stepping
from infermodel.simulation.simulate import simulate
from infermodel.simulation.spec import Horizon, Limits, Outage, PoolSpec, ServiceSpec, one_pool

__all__ = ["Horizon", "Limits", "LinkSpec", "Outage", "PoolSpec", "ServiceSpec", "Stepping", "one_pool", "simulate"]
