"""The constants of an engine, fitted to rows that it served, through the simulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel import catalog
from infermodel.engine import Engine
from infermodel.experiment.processes import processes
from infermodel.fidelity.accuracy import knees_ms
from infermodel.fidelity.fit import Fitted, Parameter, significant_fit
from infermodel.fidelity.replay import IN_FRONT, INSIDE, replay
from infermodel.fidelity.rows import Row
from infermodel.fidelity.server import Server, Skipped, engine_entry, server_of
from infermodel.hardware import GpuDevice

Values = NDArray[np.float64]

DeviceConstants = Mapping[str, Mapping[str, float]]
"""Device: constants that take the place of those in the catalog."""

HOST = (
    Parameter("host_step_s", 0.5e-3, 0.1e-3, 3e-3),
    Parameter("host_sequence_s", 10e-6, 0.0, 100e-6),
)
INGRESS = Parameter("ingress_s", 8e-3, 0.0, 0.3)
SLOW_LAUNCH = Parameter("launch_s", 40e-6, 0.0, 100e-6)
"""A start where prompts of SGLang wait for the host: where they do not, no small step of it moves anything."""
EAGER_LAUNCH = Parameter("launch_s", 50e-6, 0.0, 200e-6)
LAUNCH = Parameter("launch_s", 20e-6, 0.0, 100e-6)
NARROW = Parameter("narrow_cache_efficiency", 0.6, 0.1, 1.5)
TOKENISE = Parameter("tokenise_s", 3e-6, 0.0, 50e-6)
GROUPED = Parameter("grouped_efficiency", 0.35, 0.05, 1.0)
CONVERTED = Parameter("grouped_converted_efficiency", 0.16, 0.05, 1.0)
BLOCKS = Parameter("block_scaled_efficiency", 0.6, 0.1, 1.5)
NARROW_EXPERTS = Parameter("narrow_expert_efficiency", 0.4, 0.05, 1.5)
OWN_BLOCKS = Parameter("own_blocks_efficiency", 0.6, 0.1, 1.5)
SINKS = Parameter("sink_attention_efficiency", 0.4, 0.05, 1.5)
SHARING = Parameter("link_sharing", 0.1, 0.0, 2.0)
EXPERT_LAYER = Parameter("expert_layer_s", 24e-6, 0.0, 400e-6)
LATENT_LAYER = Parameter("latent_layer_s", 12e-6, 0.0, 200e-6)

FITTED: Mapping[str, tuple[Parameter, ...]] = {
    "sglang": (SLOW_LAUNCH, BLOCKS),
    "vllm-0.14": (HOST[0], INGRESS, TOKENISE, CONVERTED),
    "vllm-0.10": (HOST[0], INGRESS, NARROW),
    "tensorrt-llm": (*HOST, INGRESS),
    "tensorrt-llm-0.17": (*HOST, INGRESS, LAUNCH),
}
"""Catalog entry: what is fitted to its rows. SGLang's rows are of one model and one server; the times of a step and of
a sequence it takes from the family, its ingress from medians that others published of the same server: a mean of ten
requests a user holds the first one's wait for kernels that are still made (`cold_start_s`). vLLM's rows tell the time
of a prompt's token, which the others take from it, since all use the same tokenisers; the time of a sequence they do
not tell from none. How quick multiplications with scales by blocks are is the device's, told by SGLang's rows of
DeepSeek R1 in fp8, and how quick experts in mxfp4 are that Hopper has no units for, told by vLLM's of gpt-oss."""

COLD_START = "cold_start_s"

FURTHER_CONSTANTS = (
    TOKENISE.name,
    LAUNCH.name,
    NARROW.name,
    COLD_START,
    EXPERT_LAYER.name,
    LATENT_LAYER.name,
    NARROW_EXPERTS.name,
    OWN_BLOCKS.name,
)

DEVICE_CONSTANTS = (GROUPED.name, CONVERTED.name, BLOCKS.name, SINKS.name, SHARING.name)

STEP = 0.05
"""Relative step of numerical derivatives: simulated times jump where a request joins one step earlier or later."""


TOLERANCE = 0.01
"""Share of the loss below which a further step of a fit gains nothing worth its time."""


@dataclass(frozen=True)
class Observation:
    """A figure of a row that constants are fitted to, and its weight: rows of a large group count for less."""

    row: int
    metric: str
    measured: float
    weight: float


def observations(rows: Sequence[Row], alone_ms: Sequence[float]) -> tuple[Observation, ...]:
    """Mean TPOT, mean TTFT below the knee, and output tokens a second of offline rows."""
    sizes = Counter(row.group for row in rows)
    found = []
    for number, (row, knee_ms) in enumerate(zip(rows, knees_ms(rows, alone_ms), strict=True)):
        weight = sizes[row.group] ** -0.25
        for metric in ("tpot_mean_ms", "ttft_mean_ms", "output_tok_s"):
            measured = row.measured.get(metric, 0.0)
            past_knee = metric == "ttft_mean_ms" and measured > knee_ms
            # Of requests that come at once, TPOT says how many fit into the memory, not how quick they are.
            at_once = {"tpot_mean_ms": False, "output_tok_s": True}.get(metric, row.load == "offline")
            if measured > 0 and not past_knee and at_once == (row.load == "offline"):
                found.append(Observation(number, metric, measured, weight))
    return tuple(found)


def with_constants(server: Server, values: Mapping[str, float]) -> Server:
    """The server with other constants: fields of the engine, its further constants, or the device's."""
    device = server.system.device
    assert isinstance(device, GpuDevice)
    fields: dict[str, Any] = {name: value for name, value in values.items() if name in Engine.__dataclass_fields__}
    further = {name: value for name, value in values.items() if name in FURTHER_CONSTANTS}
    kernel = {name: value for name, value in values.items() if name in DEVICE_CONSTANTS}
    engine = replace(server.engine, constants={**server.engine.constants, **further}, **fields)
    device = replace(device, constants={**device.constants, **kernel})
    return Server(server.architecture, replace(server.system, device=device), engine)


def server_with(row: Row, values: Mapping[str, float], devices: DeviceConstants | None = None) -> Server:
    """The server of a row with other constants.

    Args:
        values: of the engine, or of the device whatever `devices` says.
        devices: constants of devices in place of the catalog's.
    """
    server = server_of(row)
    system = server.system
    if devices and system.device.name in devices:
        assert isinstance(system.device, GpuDevice)
        kernel = {**system.device.constants, **devices[system.device.name]}
        server = replace(server, system=replace(system, device=replace(system.device, constants=kernel)))
    return with_constants(server, values)


def play_with(
    row: Row, folder: Path, values: Mapping[str, float], devices: DeviceConstants | None = None
) -> dict[str, float]:
    """What the model says of a row with other constants; beside the metrics `zero_load_ttft_ms`."""
    replayed = replay(row, folder, server_with(row, values, devices))
    return {**replayed.predicted, "zero_load_ttft_ms": replayed.zero_load_ttft_ms}


def reaching(row: Row, values: Mapping[str, float]) -> dict[str, float]:
    """Of constants those that a row's figures can depend on: inside the engine's process nobody is in front of it."""
    return {name: value for name, value in values.items() if row.load not in INSIDE or name not in IN_FRONT}


def witnesses(rows: Sequence[Row]) -> NDArray[Any]:
    """Labels of rows that are one witness to standard errors: servers, or loads of a server where there are fewer than
    three, since one server alone does not tell how servers differ.
    """
    servers = np.array([str(row.configuration[:8]) for row in rows])
    return servers if len(set(servers)) > 2 else np.array([str(row.configuration) for row in rows])


def lineage(entry: str) -> Iterator[str]:
    """An entry of the catalog, and those whose constants it has where it has none of its own: up to the first with
    constants that are fitted.

    >>> list(lineage("vllm-0.19")), list(lineage("vllm-0.10"))
    (['vllm-0.19', 'vllm-0.14'], ['vllm-0.10'])
    """
    yield entry
    while entry not in FITTED and entry in catalog.names("engines") and (entry := catalog.load_engine(entry).extends):
        yield entry


def rows_of(entry: str, rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows that an engine's catalog entry stands for and that can be played."""
    kept = []
    for row in rows:
        if entry in lineage(engine_entry(row.engine, row.engine_version)):
            try:
                server_of(row)
            except Skipped:
                continue
            kept.append(row)
    return tuple(kept)


@dataclass(frozen=True)
class EngineFit:
    """Constants of an engine, the rows and figures that they were fitted to, and the constants of devices that were
    taken for given.
    """

    fit: Fitted
    rows: tuple[Row, ...]
    observations: tuple[Observation, ...]
    devices: DeviceConstants


def fit_engine(
    entry: str,
    rows: Sequence[Row],
    folder: Path,
    *,
    devices: DeviceConstants | None = None,
    given: Mapping[str, float] = MappingProxyType({}),
    parameters: Sequence[Parameter] = (),
    jobs: int = 1,
    iterations: int = 4,
) -> EngineFit:
    """Fit constants of an engine to those of `rows` that it served.

    Args:
        folder: of the measurement file.
        parameters: what to fit; none: what `FITTED` lists.
        devices: constants of devices in place of the catalog's.
        given: constants of the engine in place of the catalog's, which are not fitted.
        jobs: processes.

    Raises:
        ValueError: none of the rows is its.
        Skipped: they have no figure to fit to.
    """
    own = rows_of(entry, rows)
    if not own:
        raise ValueError(f"no row was served by {entry}")
    parameters = parameters or FITTED[entry]
    names = [parameter.name for parameter in parameters]
    with processes(jobs) as mapped:
        known: dict[tuple[object, ...], dict[str, float]] = {}

        def play(values: Mapping[str, float]) -> list[dict[str, float]]:
            keys = [(number, *reaching(row, values).items()) for number, row in enumerate(own)]
            new = [number for number, key in enumerate(keys) if key not in known]
            played = partial(play_with, folder=folder, values={**given, **values}, devices=devices)
            for number, figures in zip(new, mapped(played, [own[number] for number in new]), strict=True):
                known[keys[number]] = figures
            return [known[key] for key in keys]

        start = play({parameter.name: parameter.start for parameter in parameters})
        seen = observations(own, [played["zero_load_ttft_ms"] for played in start])
        if not seen:
            raise Skipped(
                "no row has a mean TPOT, or a mean TTFT of a server that is not overloaded: nothing to fit to"
            )

        def residuals(x: Values) -> Values:
            played = play(dict(zip(names, (float(value) for value in x), strict=True)))
            return np.array([each.weight * np.log(played[each.row][each.metric] / each.measured) for each in seen])

        groups = witnesses([own[each.row] for each in seen])
        fit = significant_fit(
            parameters, residuals, groups, iterations=iterations, step=STEP, tolerance=TOLERANCE, worth=TOLERANCE
        )
    return EngineFit(fit, own, seen, devices or {})
