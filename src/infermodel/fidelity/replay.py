"""A measured experiment played again by the simulator: the same load on the model of the same server."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.catalog import CatalogError, load_model
from infermodel.cost.deployment import Deployment
from infermodel.cost.drafts import eagle3, mtp
from infermodel.cost.speculative import Speculation, replica_model
from infermodel.cost.step import BOUNDS, Batch, Chunk, DoesNotFit, StepModel
from infermodel.engine import Engine
from infermodel.fidelity.rows import UNSAID, Row, RowError
from infermodel.fidelity.scripts import as_scripted, tokens_of_a_step
from infermodel.fidelity.server import Server, Skipped, deployment_of, given, server_of
from infermodel.formats.columns import SECONDS, TOKENS, read_columns
from infermodel.formats.text import FormatError
from infermodel.metrics.latency import latencies
from infermodel.metrics.laws import check_laws
from infermodel.simulation import Horizon, one_pool, simulate
from infermodel.simulation.spec import front_end_of, limits_of
from infermodel.simulation.streams import named_streams
from infermodel.tables import FINISHED, ServiceRecord
from infermodel.workload.arrivals import Arrivals, Constant, Gamma, Offline, Poisson
from infermodel.workload.bodies import Prefix
from infermodel.workload.lengths import Fixed, Lengths, Uniform
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, TraceTraffic, Traffic

SEED = 1

INSIDE = ("offline", "single")
"""Loads of benchmarks inside the engine's process: no server in front of it, and nobody to whom each sequence's tokens
are streamed."""

SERVER_CONSTANTS = ("tokenise_s", "front_end_request_s", "front_end_token_s", "front_end_pixel_s")
"""Of a server, which a benchmark inside the engine's process has none of."""

IN_FRONT = ("ingress_s", "egress_s", "host_sequence_s", *SERVER_CONSTANTS)
"""Everything that rows of such benchmarks do not see."""

FEW_REQUESTS = 10
"""Requests of each user in a benchmark that does not warm up."""

TIGHT_TOKENS, TIGHT_SEQUENCES = 2048, 256
"""Limits of a server that has hardly any memory beside its weights."""


@dataclass(frozen=True)
class Replayed:
    """What the model says of a row.

    Attributes:
        predicted: metric to figure, every metric that the run yields.
        bound_by: what the replica's time went to, the largest share.
        zero_load_ttft_ms: of one prompt of the row's mean length alone.
    """

    predicted: Mapping[str, float]
    bound_by: str
    zero_load_ttft_ms: float


def lengths_of(mean_or_top: float, spread: str) -> Lengths:
    """Law of a row's token counts.

    Raises:
        RowError: an unknown spread.
    """
    top = round(mean_or_top)
    if spread == "fixed":
        return Fixed(top)
    if spread.startswith("uniform_"):
        return Uniform(max(1, math.ceil(float(spread.removeprefix("uniform_")) * top)), top)
    raise RowError(f"length_spread {spread!r} is neither fixed nor uniform_<share>")


def trace_of(path: Path, row: Row) -> Requests:
    """Arrivals and lengths of a row's requests file.

    Raises:
        Skipped: the file is not there, or is broken.
    """
    if not path.exists():
        raise Skipped(f"no requests file {path}")
    try:
        columns = read_columns(path, {"arrived_at_s": SECONDS, "prompt_tokens": TOKENS, "output_tokens": TOKENS})
    except FormatError as broken:
        raise Skipped(str(broken).partition("\n")[0]) from None
    count = len(columns["arrived_at_s"])
    if not count:
        raise Skipped(f"no requests in {path}")
    ids = np.full(count, -1, np.int64)
    if row.prefix_caching and not math.isnan(row.distinct_prompts):
        ids = np.arange(count, dtype=np.int64) % int(row.distinct_prompts)
    return Requests(
        arrived_at=columns["arrived_at_s"],
        prompt_tokens=np.maximum(columns["prompt_tokens"], 1),
        output_tokens=np.maximum(columns["output_tokens"], 1),
        priority=np.zeros(count, np.int64),
        prompt_id=ids,
    )


def traffic_of(row: Row, folder: Path) -> Traffic:
    """Who sends when, and how much.

    Args:
        folder: of the measurement file; traces lie in `requests` below it.

    Raises:
        Skipped: the row says too little, or its requests file is missing.
    """
    if row.load == "trace":
        return TraceTraffic(trace_of(folder / "requests" / row.requests_file, row))
    if math.isnan(row.prompt_tokens) or math.isnan(row.output_tokens):
        raise Skipped("a load without lengths")
    if row.load == "closed" and not row.concurrency >= 1:
        raise Skipped("a closed load without users")
    prompt, output = (lengths_of(tokens, row.length_spread) for tokens in (row.prompt_tokens, row.output_tokens))
    repeated = row.prefix_caching and not math.isnan(row.distinct_prompts)
    prefix = Prefix(int(row.distinct_prompts)) if repeated else None
    requests = int(given(row.requests, 10 * given(row.concurrency, 50)))
    if row.load == "closed":
        if row.length_spread == "fixed":
            # Identical users would march in step for ever, which no real client does: outputs of 0.8 to 1.2 times the
            # length, the mean unchanged, let them drift apart after the common start.
            output = Uniform(max(1, round(0.8 * row.output_tokens)), round(1.2 * row.output_tokens))
        return ClosedTraffic(int(row.concurrency), prompt, output, prefix=prefix, requests=requests)
    if row.load == "single":
        return OpenTraffic(Offline(1), prompt, output, prefix=prefix)
    if row.load == "offline" or math.isinf(row.request_rate_per_s):
        return OpenTraffic(Offline(requests), prompt, output, prefix=prefix)
    if math.isnan(row.request_rate_per_s):
        raise Skipped("an open load without a rate")
    return first_requests(OpenTraffic(arrivals_of(row), prompt, output, prefix=prefix), requests)


def arrivals_of(row: Row) -> Arrivals:
    """The arrivals of an open load with a rate."""
    if row.burstiness == 1:
        return Poisson(row.request_rate_per_s)
    if math.isinf(row.burstiness):
        return Constant(row.request_rate_per_s)
    return Gamma(row.request_rate_per_s, cv=row.burstiness**-0.5)


def first_requests(traffic: OpenTraffic, count: int) -> TraceTraffic:
    """The first requests of an open load and none after them: a benchmark sends so many and waits for all answers,
    however far the server falls behind.
    """
    blocks: list[Requests] = []
    drawn = traffic.blocks(named_streams(SEED, "replication 0"))
    while sum(map(len, blocks)) < count:
        blocks.append(next(drawn))

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(block, name) for block in blocks])[:count]

    return TraceTraffic(
        Requests(
            arrived_at=column("arrived_at"),
            prompt_tokens=column("prompt_tokens"),
            output_tokens=column("output_tokens"),
            priority=column("priority"),
            prompt_id=column("prompt_id"),
        )
    )


def replay(row: Row, folder: Path, server: Server | None = None) -> Replayed:
    """Play a row.

    Args:
        folder: of the measurement file.
        server: what to play it on; None: what the catalog holds under the row's names.

    Raises:
        Skipped: the catalog lacks a name, the requests file is missing, or the model does not fit.
    """
    server = server or server_of(row)
    engine, row = as_scripted(row, server.engine), replace(row, max_batched_tokens=tokens_of_a_step(row))
    if row.load in INSIDE:
        served = {name: value for name, value in engine.constants.items() if name not in SERVER_CONSTANTS}
        engine = replace(engine, ingress_s=0.0, egress_s=0.0, host_sequence_s=0.0, constants=served)
    deployment, speculation = deployment_of(row, server), speculation_of(row, server)
    try:
        model = replica_model(server.architecture, server.system, deployment, engine, speculation)
    except DoesNotFit:
        # It was served, so its server was set up more tightly than the defaults say.
        deployment = replace(
            deployment,
            memory_utilisation=1.0,
            max_batched_tokens=min(TIGHT_TOKENS, deployment.max_batched_tokens),
            max_sequences=min(TIGHT_SEQUENCES, deployment.max_sequences),
        )
        engine = replace(engine, memory_reserve_bytes=0.0)
        try:
            model = replica_model(server.architecture, server.system, deployment, engine, speculation)
        except DoesNotFit as reason:
            raise Skipped(str(reason)) from reason
    # A row says whether prompts repeat. Where they do not, the engine still has its cache, in which whoever had to give
    # way finds its own blocks again.
    limits = limits_of(deployment, engine, prefix_caching=row.prefix_caching or None)
    spec = one_pool(
        row.id,
        model,
        traffic_of(row, folder),
        limits,
        ingress_s=engine.ingress_s,
        tokenise_s=engine.tokenise_s,
        egress_s=engine.egress_s,
        front_end=front_end_of(engine, deployment),
        rank_router=engine.rank_router,
        speculation=speculation,
    )
    horizon = Horizon(requests=given(row.requests, math.inf))
    (record,) = simulate([spec], SEED, horizon)
    check_laws(record, row.id)
    measured = int(min(given(row.requests, math.inf), len(record.requests)))
    predicted = metrics_of(record, measured)
    if not predicted:
        raise Skipped(f"no request fits into the KV cache of {model.kv_memory.tokens} tokens")
    for metric in ("ttft_mean_ms", "e2e_mean_ms"):
        if metric in predicted:
            predicted[metric] += cold_wave_ms(row, engine, model_in_blocks(server, deployment))
    return Replayed(
        predicted,
        bound_by(record),
        zero_load_ttft_ms(record, model, engine, deployment.max_batched_tokens),
    )


def speculation_of(row: Row, server: Server) -> Speculation | None:
    """How a row's server drafts; None where it does not.

    Raises:
        Skipped: nobody is known by that name, the model has no layers that draft, or the row does not say all.
    """
    if not row.draft:
        return None
    if row.draft == UNSAID:
        raise Skipped("its server verifies drafts; say whose, how many and how often right (--draft)")
    if not row.acceptance:
        raise Skipped(f"its server verifies drafts by {row.draft}; say how many and how often right (--acceptance)")
    try:
        if row.draft == "mtp":
            return Speculation(row.acceptance, mtp(server.architecture), by="mtp")
        if row.draft == "eagle3":
            return Speculation(row.acceptance, eagle3(server.architecture), by="eagle3")
        return Speculation(row.acceptance, None if row.draft == "ngram" else load_model(row.draft))
    except (DoesNotFit, CatalogError) as reason:
        raise Skipped(f"draft: {reason}") from None


def model_in_blocks(server: Server, deployment: Deployment) -> bool:
    """Whether its weights are in 8 bits with scales by blocks."""
    return server.architecture.fp8_in_blocks and deployment.precision.weights == "fp8"


def cold_wave_ms(row: Row, engine: Engine, in_blocks: bool) -> float:
    """What the first request of every user adds to a mean, on an engine that then still makes its kernels.

    Of benchmarks with few requests a user; longer ones begin with a warm-up, as do servers that people use.
    """
    if row.load != "closed" or not row.requests <= FEW_REQUESTS * row.concurrency:
        return 0.0
    of_blocks_s = engine.constants.get("cold_start_blocks_s", 0.0) if in_blocks else 0.0
    return (engine.constants.get("cold_start_s", 0.0) + of_blocks_s) * row.concurrency / row.requests * 1e3


def metrics_of(record: ServiceRecord, count: int) -> dict[str, float]:
    """The metrics that rows carry, of the first `count` requests; those that never finished are left out."""
    columns = latencies(record.requests)
    finished = (record.requests.status == FINISHED) & (np.arange(len(record.requests)) < count)
    if not finished.any():
        return {}
    ended = float(record.requests.finished_at[finished].max())
    began = float(record.requests.arrived_at[finished].min())
    found = {"output_tok_s": float(record.requests.output_tokens[finished].sum()) / (ended - began)}
    for metric in ("ttft", "tpot", "e2e"):
        values = columns[f"{metric}_s"][finished] * 1e3
        values = values[~np.isnan(values)]
        if len(values):
            found[f"{metric}_mean_ms"] = float(values.mean())
            for percent in (50, 90, 99):
                found[f"{metric}_p{percent}_ms"] = float(np.percentile(values, percent))
    return found


def bound_by(record: ServiceRecord) -> str:
    """What the replica's busy time went to, the largest share."""
    columns = record.timeline.columns
    return max(BOUNDS, key=lambda bound: float(columns[f"bound_{bound}_s"].sum()))


def zero_load_ttft_ms(record: ServiceRecord, model: StepModel, engine: Engine, budget: int) -> float:
    """Time to first token of one request of the run's mean prompt that finds the replica empty, nothing cached."""
    left, before = round(float(record.requests.prompt_tokens.mean())), 0
    seconds = engine.ingress_s + engine.tokenise_s * left + engine.egress_s
    while left > 0:
        new = min(left, budget)
        left -= new
        seconds += model.step(Batch(0, 0, 0, (), 1, (Chunk(new, before),), int(left == 0))).latency_s
        before += new
    return seconds * 1e3
