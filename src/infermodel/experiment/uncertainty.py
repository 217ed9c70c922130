"""What uncertain constants of the catalog mean for a scenario's answers: the run again with other constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from infermodel.cost.speculative import replica_model
from infermodel.cost.step import DoesNotFit
from infermodel.engine import Engine
from infermodel.experiment.processes import processes
from infermodel.experiment.result import AnswerBand, Result
from infermodel.experiment.run import is_measured_whole, run
from infermodel.hardware import Quantity, System
from infermodel.metrics.schema import row
from infermodel.scenario.resolved import ResolvedPool, ResolvedScenario, ResolvedService
from infermodel.simulation.streams import Streams, named_streams

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Sourced = TypeVar("Sourced", bound="DataclassInstance")

Refit = Callable[[System, Engine], System]
"""Fits the calibrated constant of a device again after its other constants and the engine's were moved."""

NO_REFITS: Mapping[str, Refit] = {}

ANSWERS = (
    "rpm",
    "otpm",
    "goodput_rps",
    "attainment",
    "ttft_mean_s",
    "ttft_p99_s",
    "tpot_mean_s",
    "tpot_p99_s",
    "output_speed_p50_tok_s",
    "e2e_mean_s",
    "e2e_p99_s",
    "utilisation",
    "joules_per_token",
)
"""Columns of a summary that get a band."""

LOW, HIGH = 5.0, 95.0
"""Percentiles of a band's ends over the draws."""


def drawn(quantity: Quantity, generator: np.random.Generator) -> float:
    """A value that the figure may have: normal with its standard error, cut at zero and for a share at one; else, where
    it is assumed or derived, triangular over its range with the value as the mode; itself otherwise. The range of a
    fitted or measured figure without an error says what others found elsewhere, not how it may turn out here.
    """
    value = quantity.value
    if quantity.standard_error:
        most = 1.0 if not quantity.unit and 0 <= value <= 1 else math.inf
        return float(min(most, max(0.0, generator.normal(value, quantity.standard_error))))
    low, high = quantity.low, quantity.high
    if quantity.kind in ("assumed", "derived") and low is not None and high is not None and low < high:
        return float(generator.triangular(low, min(max(value, low), high), high))
    return value


def redrawn(sourced: Sourced, provenance: Mapping[str, Quantity], generator: np.random.Generator) -> Sourced:
    """A device, system or engine with its uncertain figures drawn anew, those in its tables (`constants.k`) too.

    Whole numbers (limits, counts) stay: they are settings.
    """
    fields: dict[str, Any] = {}
    for name, quantity in provenance.items():
        field, _, key = name.partition(".")
        stated = fields.get(field, getattr(sourced, field, None))
        if key and isinstance(stated, Mapping) and key in stated:
            fields[field] = {**stated, key: drawn(quantity, generator)}
        elif not key and isinstance(stated, float):
            fields[field] = drawn(quantity, generator)
    return replace(sourced, **fields)


def with_drawn_constants(
    scenario: ResolvedScenario, number: int, refits: Mapping[str, Refit] = NO_REFITS
) -> ResolvedScenario:
    """The scenario with constants of draw `number`: what services share (a device, an engine) is drawn once for all,
    and acceptances of drafts at one place in their range.

    Services whose model leaves no room on its devices with these constants are left out.

    Args:
        refits: by family of devices. A constant that one published speed pins down, given all others, is fitted again
            after they are drawn: drawn on its own it would contradict the speed that it was made from.
    """
    streams = named_streams(scenario.seed, f"constants {number}")
    services = []
    for service in scenario.services:
        drawn_pool = partial(with_drawn_pool, service=service, streams=streams, refits=refits)
        try:
            services.append(replace(service, pools=tuple(map(drawn_pool, service.pools))))
        except DoesNotFit:
            continue
    return replace(scenario, services=tuple(services))


def with_drawn_pool(
    pool: ResolvedPool, service: ResolvedService, streams: Streams, refits: Mapping[str, Refit]
) -> ResolvedPool:
    """A pool of the service with drawn constants.

    Raises:
        DoesNotFit: they leave no room for the model.
    """
    device = redrawn(pool.system.device, pool.system.device.provenance, streams(pool.system.device.name))
    system = redrawn(pool.system, pool.system.provenance, streams(f"system {pool.system.name}"))
    system = replace(system, device=device)
    engine = redrawn(pool.engine, pool.engine.provenance, streams(f"engine {pool.engine.name}"))
    if pool.speculation is not None and pool.speculation.least:
        place = float(streams(f"acceptance {service.name}").triangular(-1.0, 0.0, 1.0))
        pool = replace(pool, speculation=pool.speculation.at(place))
    if device.family in refits:
        system = refits[device.family](system, engine)
    model = replica_model(service.architecture, system, pool.deployment, engine, pool.speculation)
    return replace(pool, system=system, engine=engine, step_model=model)


def answers(result: Result | None) -> dict[tuple[str, str], float]:
    """The columns `ANSWERS` of each service's summary, by service and column."""
    summaries = {} if result is None else {each.service.name: row(each.summary) for each in result.services}
    return {(service, name): float(summary[name]) for service, summary in summaries.items() for name in ANSWERS}


def _answers_of_draw(
    number: int, scenario: ResolvedScenario, refits: Mapping[str, Refit]
) -> dict[tuple[str, str], float]:
    redrawn_scenario = with_drawn_constants(scenario, number, refits)
    return answers(run(redrawn_scenario) if redrawn_scenario.services else None)


def bands(
    scenario: ResolvedScenario, *, draws: int, jobs: int = 1, refits: Mapping[str, Refit] = NO_REFITS
) -> tuple[AnswerBand, ...]:
    """Bands on the answers of a scenario's services, from one replication: every draw has the same random numbers of
    the traffic, and the warm-up that was found with the catalog's constants, so that only the constants move answers.

    Args:
        scenario: resolved.
        draws: how often the constants are drawn; none: no bands.
        jobs: processes.
        refits: see `with_drawn_constants`.
    """
    if not draws:
        return ()
    result = run(scenario)
    if not is_measured_whole(scenario):
        scenario = replace(scenario, warm_up_s=result.window.start_s)
    with processes(jobs) as mapped:
        found = list(mapped(partial(_answers_of_draw, scenario=scenario, refits=refits), range(draws)))
    bands_found = []
    for (service, name), value in answers(result).items():
        drawn_values = [each[service, name] for each in found if math.isfinite(each.get((service, name), math.nan))]
        low, high = np.percentile(drawn_values, [LOW, HIGH]) if drawn_values else (math.nan, math.nan)
        bands_found.append(AnswerBand(service, name, value, float(low), float(high), len(drawn_values)))
    return tuple(bands_found)
