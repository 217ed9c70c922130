"""From a resolved scenario to its result: the only place where simulation, metrics and economics meet."""

from infermodel.experiment.one_down import one_down
from infermodel.experiment.result import (
    Capacity,
    CapacityPoint,
    Economics,
    Result,
    ServiceResult,
    Verdict,
)
from infermodel.experiment.run import run

__all__ = ["Capacity", "CapacityPoint", "Economics", "Result", "ServiceResult", "Verdict", "one_down", "run"]
