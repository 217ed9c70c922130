"""What uncertain constants of the catalog mean for a scenario's answers: the run again with other constants."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
    """An answer with the catalog's values, and where it lies in 90 % of the draws; NaN where it is withheld.

    `draws` are those behind the band: in the others the model does not fit on its devices, or the answer is withheld.
    """

    service: str
    answer: str
    value: float
    low: float
    high: float
    draws: int


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
    Services whose model leaves no room on its devices with these constants are left out, and those on wafers and LPUs:
    their constants were fitted together to single speeds, and drawn one by one would contradict them.
    """
    streams = named_streams(scenario.seed, f"constants {number}")
    services = []
    for service in scenario.services:
        if service.system.device.family != "gpu":
            continue
        device = redrawn(service.system.device, service.system.device.provenance, streams(service.system.device.name))
        system = redrawn(service.system, service.system.provenance, streams(f"system {service.system.name}"))
        system = replace(system, device=device)
        engine = redrawn(service.engine, service.engine.provenance, streams(f"engine {service.engine.name}"))
        try:
            model = rebuilt(service, system, engine)
        except DoesNotFit:
            continue
        services.append(replace(service, system=system, engine=engine, step_model=model))
    return replace(scenario, services=tuple(services))


def answers(scenario: ResolvedScenario) -> dict[tuple[str, str], float]:
    """The columns `ANSWERS` of each service's summary, by service and column."""
    if not scenario.services:
        return {}
    summaries = {each.service.name: row(each.summary) for each in run(scenario).services}
    return {(service, name): float(summary[name]) for service, summary in summaries.items() for name in ANSWERS}


def _answers_of_draw(number: int, scenario: ResolvedScenario) -> dict[tuple[str, str], float]:
    return answers(with_drawn_constants(scenario, number))


def bands(scenario: ResolvedScenario, *, draws: int = 30, jobs: int = 1) -> tuple[Band, ...]:
    """Bands on the answers of a scenario's services on GPUs, every draw with the same random numbers of the traffic.

    Args:
        scenario: resolved.
        draws: how often the constants are drawn.
        jobs: processes.
    """
    with processes(jobs) as mapped:
        found = list(mapped(partial(_answers_of_draw, scenario=scenario), range(draws)))
    bands_found = []
    gpus = {service.name for service in scenario.services if service.system.device.family == "gpu"}
    for (service, name), value in answers(scenario).items():
        if service not in gpus:
            continue
        drawn_values = [each[service, name] for each in found if math.isfinite(each.get((service, name), math.nan))]
        low, high = np.percentile(drawn_values, [LOW, HIGH]) if drawn_values else (math.nan, math.nan)
        bands_found.append(Band(service, name, value, float(low), float(high), len(drawn_values)))
    return tuple(bands_found)
