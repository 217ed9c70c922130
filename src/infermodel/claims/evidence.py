"""What claims are answered from: the run, the capacities, and the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from infermodel.cost.deployment import Deployment
from infermodel.cost.speculative import replica_model
from infermodel.cost.step import Batch, StepModel
from infermodel.errors import InputError
from infermodel.experiment import Capacity, Result, ServiceResult
from infermodel.hardware import System
from infermodel.scenario.resolved import ResolvedService

Arguments = Mapping[str, Any]


class BadClaim(InputError, ValueError):
    """A claim asks for something that is not there; the message says what."""


@dataclass(frozen=True)
class Evidence:
    """A run and the capacities of its services by name."""

    result: Result
    capacities: Mapping[str, Capacity]

    def service(self, arguments: Arguments) -> ServiceResult:
        """The service that the arguments name.

        Raises:
            BadClaim: there is none.
        """
        name = arguments.get("service")
        for each in self.result.services:
            if each.service.name == name:
                return each
        raise BadClaim(
            f"no service named {name!r}; there are {', '.join(s.service.name for s in self.result.services)}"
        )

    def services(self, arguments: Arguments) -> list[ServiceResult]:
        """The services that the arguments list.

        Raises:
            BadClaim: one of them is not there.
        """
        return [self.service({"service": name}) for name in arguments["services"]]

    def capacity(self, arguments: Arguments) -> Capacity:
        """The capacity of the service that the arguments name.

        Raises:
            BadClaim: there is none, or it was not searched for.
        """
        name = self.service(arguments).service.name
        if name not in self.capacities:
            raise BadClaim(f"the capacity of {name!r} is not known: the scenario skips the search")
        return self.capacities[name]


def rebuilt(service: ResolvedService, system: System, **layout: Any) -> StepModel:
    """The service's step model on a changed system or in a changed layout."""
    pool = service.decode_pool
    deployment: Deployment = replace(pool.deployment, **layout)
    return replica_model(service.architecture, system, deployment, pool.engine, pool.speculation)


def alone(model: StepModel, context: int, sequences: int = 1) -> Batch:
    """A decode step of so many equal sequences."""
    return Batch.alike(model.windows, sequences, context)


def speed_tok_s(model: StepModel, context: int, sequences: int = 1) -> float:
    """Tokens a second that each of so many users sees at this context."""
    return 1 / model.step(alone(model, context, sequences)).latency_s


def largest(most: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to `most` for which a falling condition still holds; 0 if it never does."""
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
