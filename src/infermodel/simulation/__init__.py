"""SimPy processes that play the systems, their replicas and the clients; columns of primitive times come out."""

from infermodel.simulation.replica import Stepping
from infermodel.simulation.simulate import simulate
from infermodel.simulation.spec import Horizon, Limits, ServiceSpec
from infermodel.simulation.system import Outage

__all__ = ["Horizon", "Limits", "Outage", "ServiceSpec", "Stepping", "simulate"]
