"""What uncertain constants of the catalog mean for a scenario's answers: the run again with other constants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from infermodel.cost.build import step_model
from infermodel.cost.speculative import speculative_model
from infermodel.cost.step import DoesNotFit, StepModel
from infermodel.engine import Engine
from infermodel.experiment.processes import processes
from infermodel.experiment.run import run
from infermodel.hardware import Quantity, System
from infermodel.metrics.schema import row
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.simulation.streams import named_streams

Sourced = TypeVar("Sourced")

ANSWERS = (
    "rpm",
    "otpm",
    "goodput_rps",
    "attainment",
    "ttft_mean_s",
    "ttft_p99_s",
    "tpot_mean_s",
    "tpot_p99_s",
    "e2e_mean_s",
    "e2e_p99_s",
    "utilisation",
    "joules_per_token",
)
"""Columns of a summary that get a band."""

LOW, HIGH = 5.0, 95.0
"""Percentiles of a band's ends over the draws."""


@dataclass(frozen=True)
class Band:
    """An answer with the catalog's values, and where it lies in 90 % of the draws; NaN where it is withheld."""

    service: str
    answer: str
    value: float
    low: float
    high: float


def drawn(quantity: Quantity, generator: np.random.Generator) -> float:
    """A value that the figure may have: normal with its standard error, cut at zero and for a share at one; else
    triangular over its range with the value as the mode; itself where it has neither.
    """
    value = quantity.value
    if quantity.standard_error:
        most = 1.0 if not quantity.unit and 0 <= value <= 1 else math.inf
        return float(min(most, max(0.0, generator.normal(value, quantity.standard_error))))
    low, high = quantity.low, quantity.high
    if quantity.kind == "assumed" and low is not None and high is not None and low < high:
        return float(generator.triangular(low, min(max(value, low), high), high))
    return value


def redrawn(sourced: Sourced, provenance: Mapping[str, Quantity], generator: np.random.Generator) -> Sourced:
    """A device, system or engine with its uncertain figures drawn anew: real-valued fields and the table `constants`.

    Whole numbers (limits, counts) stay: they are settings.
    """
    fields: dict[str, Any] = {}
    constants = dict(getattr(sourced, "constants", {}))
    for name, quantity in provenance.items():
        table, _, key = name.partition(".")
        if table == "constants" and key in constants:
            constants[key] = drawn(quantity, generator)
        elif not key and isinstance(getattr(sourced, name, None), float):
            fields[name] = drawn(quantity, generator)
    if constants:
        fields["constants"] = constants
    changed: Sourced = replace(sourced, **fields)  # type: ignore[type-var]
    return changed


def rebuilt(service: ResolvedService, system: System, engine: Engine) -> StepModel:
    """The service's step model on another system with another engine."""
    if service.speculation is not None:
        return speculative_model(service.architecture, system, service.deployment, engine, service.speculation)
    return step_model(service.architecture, system, service.deployment, engine)


def with_drawn_constants(scenario: ResolvedScenario, number: int) -> ResolvedScenario:
    """The scenario with constants of draw `number`: what services share (a device, an engine) is drawn once for all.

    Raises:
        DoesNotFit: with these constants a model leaves no room on its devices.
    """
    streams = named_streams(scenario.seed, f"constants {number}")
    services = []
    for service in scenario.services:
        device = redrawn(service.system.device, service.system.device.provenance, streams(service.system.device.name))
        system = redrawn(service.system, service.system.provenance, streams(f"system {service.system.name}"))
        system = replace(system, device=device)
        engine = redrawn(service.engine, service.engine.provenance, streams(f"engine {service.engine.name}"))
        model = rebuilt(service, system, engine)
        services.append(replace(service, system=system, engine=engine, step_model=model))
    return replace(scenario, services=tuple(services))


def answers(scenario: ResolvedScenario) -> list[dict[str, float]]:
    """The columns `ANSWERS` of each service's summary."""
    return [{name: float(row(each.summary)[name]) for name in ANSWERS} for each in run(scenario).services]


def _answers_of_draw(number: int, scenario: ResolvedScenario) -> list[dict[str, float]] | None:
    try:
        return answers(with_drawn_constants(scenario, number))
    except DoesNotFit:
        return None


def bands(scenario: ResolvedScenario, *, draws: int = 30, jobs: int = 1) -> tuple[Band, ...]:
    """Bands on a scenario's answers, every draw with the same random numbers of the traffic.

    Args:
        scenario: resolved.
        draws: how often the constants are drawn.
        jobs: processes.
    """
    with processes(jobs) as mapped:
        found = [each for each in mapped(partial(_answers_of_draw, scenario=scenario), range(draws)) if each]
    centre = answers(scenario)
    return tuple(
        Band(service.name, name, centre[index][name], *_ends([each[index][name] for each in found]))
        for index, service in enumerate(scenario.services)
        for name in ANSWERS
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return math.nan, math.nan
    return float(np.percentile(known, LOW)), float(np.percentile(known, HIGH))
