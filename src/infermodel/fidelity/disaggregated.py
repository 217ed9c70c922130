"""Measurements of servers whose prompts are read in one pool and answered by another, and the same played here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from infermodel.cost.speculative import replica_model
from infermodel.cost.step import DoesNotFit
from infermodel.fidelity.replay import SEED, lengths_of, speculation_of
from infermodel.fidelity.rows import Cells, Row, RowError, read_cells
from infermodel.fidelity.server import Server, Skipped, deployment_of, server_of
from infermodel.files import open_plain
from infermodel.metrics.latency import latencies
from infermodel.metrics.laws import check_laws
from infermodel.scenario.resolve_pools import link_of
from infermodel.scenario.schema.fleet import PoolLink
from infermodel.simulation import Horizon, PoolSpec, ServiceSpec, simulate
from infermodel.simulation.handover import Role
from infermodel.simulation.spec import front_end_of, limits_of
from infermodel.tables import FINISHED, RequestTable
from infermodel.workload.traffic import ClosedTraffic

FRAMEWORKS: Mapping[str, str] = {
    "dynamo-sglang": "sglang",
    "mori-sglang": "sglang",
    "dynamo-trt": "tensorrt-llm",
    "dynamo-vllm": "vllm",
}
"""The engine below what rows call a framework."""

MOST_HEADING = 100_000
"""Characters of a heading that are looked at."""

SENT = 10
"""Requests that a user of these rows sent (InferenceX)."""

CYCLES = 3
"""Of them, those that are played of `MANY` users and more: the first, which come all at once, one for all that are like
it, and the last, in which users leave one by one."""

MANY = 128
"""Users of whom one request each tells what all of them are like."""

ABOVE_SEATS = 1.5
"""Users of TensorRT-LLM rows to the seats of the pool that decodes, at most."""

SEATS_STEP = 256
"""Of a rank that has more than twice as many."""

DRAFTS_SGLANG, DRAFTS, DRAFTS_FULL, MANY_SEATS = 2, 3, 1, 64
"""Drafts of SGLang, of TensorRT-LLM, and of a rank of it that has so many sequences or more."""

READ, READ_SINCE = 16_384, "2026"
"""Tokens of a step of a rank of TensorRT-LLM that reads prompts, in these rows' scripts, and since when."""

READ_AT_FIRST = ((1024, 4608), (8192, 8448))
"""Before: the longest prompt of a row, and the tokens."""

MEASURED = ("total_tok_s_per_gpu", "tpot_p50_ms", "ttft_p50_ms")
"""Columns that are scored."""

FILLED = (
    *("id", "gpu", "framework", "model", "weights_precision", "speculative", "prefill_gpus", "decode_gpus"),
    *("prompt_tokens", "output_tokens", "length_spread", "concurrency"),
)
"""Columns that every row says."""

LAYOUT = tuple(f"{pool}_{of}" for pool in ("prefill", "decode") for of in ("workers", "tp", "ep", "dp_attention"))
"""Columns that a row says whose layout is known."""


@dataclass(frozen=True)
class PoolRow:
    """One pool of a row: so many workers of so many GPUs each.

    Attributes:
        workers: 0 where the row does not say how its GPUs are laid out.
        gpus: of a worker; of all of them where that is not said.
        attention_data: whether each of its GPUs has attention, and sequences, of its own.
    """

    workers: int
    gpus: int
    tensor_parallel: int
    expert_parallel: int
    attention_data: bool


@dataclass(frozen=True)
class ApartRow:
    """One experiment with prompts and answers apart.

    Attributes:
        date: ISO; empty where the row does not say it.
        drafts: whether the server verifies drafts.
        measured: metric name to figure, only those that the row has.
    """

    id: str
    date: str
    gpu: str
    framework: str
    model: str
    weights_precision: str
    drafts: bool
    prefill: PoolRow
    decode: PoolRow
    prompt_tokens: float
    output_tokens: float
    length_spread: str
    users: int
    measured: Mapping[str, float]

    @property
    def gpus(self) -> int:
        """Of both pools."""
        return sum(max(1, pool.workers) * pool.gpus for pool in (self.prefill, self.decode))

    @property
    def ranks(self) -> int:
        """That decode, each with sequences of its own."""
        return self.decode.workers * (self.decode.gpus if self.decode.attention_data else 1)


@dataclass(frozen=True)
class ApartPrediction:
    """A row beside what the model says.

    Attributes:
        predicted: metric name to figure; empty where it was not played.
        skipped: why not.
    """

    row: ApartRow
    predicted: Mapping[str, float]
    skipped: str = ""

    def error(self, metric: str) -> float:
        """predicted / measured - 1; NaN where either is missing."""
        measured, predicted = self.row.measured.get(metric), self.predicted.get(metric)
        return predicted / measured - 1 if measured and predicted is not None else math.nan


def is_apart(path: Path) -> bool:
    """Whether a file holds such rows, by its columns."""
    if not path.is_file():
        return False
    with TextIOWrapper(open_plain(path), encoding="utf-8", errors="replace", newline="") as file:
        return "prefill_workers" in file.readline(MOST_HEADING).strip().split(",")


def predict_apart(row: ApartRow, draft: str, acceptance: tuple[float, ...]) -> ApartPrediction:
    """Play a row; a row that cannot be played comes back with the reason."""
    if row.drafts and not acceptance:
        return ApartPrediction(row, {}, "its servers verify drafts; say how often they are right (--acceptance)")
    try:
        return ApartPrediction(row, replay_apart(row, draft or "mtp", acceptance))
    except (Skipped, RowError) as reason:
        return ApartPrediction(row, {}, str(reason))


def read_apart(path: Path) -> tuple[ApartRow, ...]:
    """All experiments of a file such as `disaggregated.csv`.

    Raises:
        RowError: the file cannot be read, a column is missing, or a cell does not hold what its column needs.
    """
    return tuple(map(_row, read_cells(path, FILLED + LAYOUT)))


def _row(cells: Cells) -> ApartRow:
    def pool(name: str) -> PoolRow:
        workers, gpus = cells.whole(f"{name}_workers", 0), cells.whole(f"{name}_gpus")
        if not workers or not cells.word(f"{name}_tp"):
            return PoolRow(0, gpus, 0, 0, attention_data=False)
        return PoolRow(
            workers=workers,
            gpus=gpus // workers,
            tensor_parallel=cells.whole(f"{name}_tp"),
            expert_parallel=cells.whole(f"{name}_ep"),
            attention_data=cells.word(f"{name}_dp_attention").lower() == "true",
        )

    empty = [column for column in FILLED if not cells.word(column)]
    if empty:
        raise cells.wrong(f"{empty[0]}: is empty")
    measured = {name: cells.number(name) for name in MEASURED}
    return ApartRow(
        id=cells.word("id"),
        date=cells.word("date"),
        gpu=cells.word("gpu"),
        framework=cells.word("framework"),
        model=cells.word("model"),
        weights_precision=cells.word("weights_precision"),
        drafts=cells.word("speculative") != "none",
        prefill=pool("prefill"),
        decode=pool("decode"),
        prompt_tokens=cells.number("prompt_tokens"),
        output_tokens=cells.number("output_tokens"),
        length_spread=cells.word("length_spread"),
        users=cells.whole("concurrency"),
        measured={name: figure for name, figure in measured.items() if not math.isnan(figure)},
    )


def replay_apart(row: ApartRow, draft: str = "mtp", acceptance: tuple[float, ...] = ()) -> dict[str, float]:
    """Play a row.

    Args:
        row: of the file.
        draft: who drafts, where the row's server verifies drafts.
        acceptance: of each of them.

    Raises:
        Skipped: the catalog lacks a name, or the model does not fit.
    """
    if not (row.prefill.workers and row.decode.workers):
        raise Skipped("does not say how its GPUs are laid out")
    reads, _ = pool_of(row, row.prefill, "prefill")
    decodes, server = pool_of(row, row.decode, "decode", *((draft, acceptance[: drafts_of(row)]) if row.drafts else ()))
    engine, network = server.engine, server.system.network.bandwidth
    ends = row.prefill.gpus * network, row.decode.gpus * network
    prompt, output = (lengths_of(tokens, row.length_spread) for tokens in (row.prompt_tokens, row.output_tokens))
    requests = (SENT if row.users < MANY else CYCLES) * row.users
    traffic = ClosedTraffic(row.users, prompt, output, requests=requests)
    spec = ServiceSpec(
        name=row.id,
        traffic=traffic,
        pools=(reads, decodes),
        ingress_s=engine.ingress_s,
        tokenise_s=engine.tokenise_s,
        egress_s=engine.egress_s,
        link=link_of(PoolLink(), ends, engine, server.architecture),
    )
    (record,) = simulate([spec], SEED, Horizon(requests=requests))
    check_laws(record, row.id)
    found = as_sent(record.requests, row.users)
    if not found:
        raise Skipped("no request fits")
    found["total_tok_s_per_gpu"] = found.pop("total_tok_s") / row.gpus
    return found


def as_sent(requests: RequestTable, users: int) -> dict[str, float]:
    """Means and medians of a run in which each user sent `SENT` requests, and its tokens a second, prompts and answers,
    from the first request to the last answer, while users leave included. Where fewer were played, those between the
    first and the last of all stand for the others. Empty where none of those finished.

    Args:
        requests: three or more a user, in order of arrival.
        users: whose first requests come first.
    """
    finished = np.flatnonzero(requests.status == FINISHED)
    played, columns = len(requests.status) // users, latencies(requests)
    between = (finished >= users) & (finished < (played - 1) * users)
    if not between.any():
        return {}
    times = np.where(between, (SENT - 2) // (played - 2), 1)  # how often each counts
    found: dict[str, float] = {}
    for metric in ("ttft", "tpot", "e2e"):
        values = np.repeat(columns[f"{metric}_s"][finished], times) * 1e3
        values = values[~np.isnan(values)]
        if len(values):
            found |= {f"{metric}_mean_ms": float(values.mean()), f"{metric}_p50_ms": float(np.median(values))}
    lasts_s = float(requests.finished_at[finished].max() - requests.arrived_at[finished].min())
    lasts_s += (SENT - played) * float(columns["e2e_s"][finished][between].mean())
    tokens = requests.prompt_tokens[finished] + requests.output_tokens[finished]
    found["total_tok_s"] = float(np.dot(times, tokens)) / lasts_s
    return found


def seats_of(row: ApartRow) -> int:
    """Sequences of a rank of the pool that decodes, where the row's users tell: 0 where they do not.

    Scripts of TensorRT-LLM set the seats of a rank, a power of two up to 512 and a multiple of 256 beyond, and users up
    to half as many again, so that no seat stays empty. Of 80 servers of DeepSeek R1 in the source's public list that
    were sent one number of users, no power of two a rank, this tells the seats of 79. Little's law says the same: of 27
    users at 2.34 requests/s, 3 wait 1.3 s for one of 3 x 8 seats.
    """
    each = row.users // row.ranks
    seats = each - each % SEATS_STEP if each >= 2 * SEATS_STEP else 1 << (max(1, each).bit_length() - 1)
    tells = row.framework == "dynamo-trt" and row.ranks * seats < row.users <= ABOVE_SEATS * row.ranks * seats
    return seats if tells else 0


def drafts_of(row: ApartRow) -> int:
    """Tokens that a server drafts at most, as its scripts say: SGLang's two (`speculative-num-steps`), TensorRT-LLM's
    three, and one where a rank has many sequences: of 81 drafting servers in the list this tells 70, 11 draft one or
    two more or fewer.
    """
    if row.framework != "dynamo-trt":
        return DRAFTS_SGLANG
    return DRAFTS_FULL if row.users >= MANY_SEATS * row.ranks else DRAFTS


def tokens_read(row: ApartRow) -> float:
    """Of a step of a rank that reads prompts, as scripts of TensorRT-LLM set `max_num_tokens`; NaN elsewhere."""
    if row.framework != "dynamo-trt":
        return math.nan
    if not "" < row.date < READ_SINCE:
        return READ
    return next((tokens for prompt, tokens in READ_AT_FIRST if row.prompt_tokens <= prompt), READ)


def pool_of(
    row: ApartRow, pool: PoolRow, role: Role, draft: str = "", acceptance: tuple[float, ...] = ()
) -> tuple[PoolSpec, Server]:
    """A pool of a row, ready to play, with its server.

    Raises:
        Skipped: see `replay_apart`.
    """
    if not pool.attention_data and pool.tensor_parallel != pool.gpus:
        raise Skipped(
            f"a worker of {pool.gpus} GPUs is cut {pool.tensor_parallel} ways; how the others work is not said"
        )
    alone = as_row(row, pool, draft, acceptance)
    if role == "prefill":
        alone = replace(alone, max_batched_tokens=tokens_read(row))
    server = server_of(alone)
    engine = server.engine.that_reads if role == "prefill" else server.engine
    speculation = speculation_of(alone, server)
    deployment = deployment_of(alone, server)
    try:
        model = replica_model(server.architecture, server.system, deployment, engine, speculation)
    except DoesNotFit as reason:
        raise Skipped(str(reason)) from reason
    limits = limits_of(deployment, engine, prefix_caching=None)
    if role == "decode" and seats_of(row):
        limits = replace(limits, max_sequences=seats_of(row))
    spec = PoolSpec(
        model,
        limits,
        replicas=pool.workers,
        systems=pool.workers,
        speculation=speculation,
        front_end=front_end_of(engine, deployment) if role == "prefill" else None,
        rank_router=engine.rank_router,
        role=role,
        name=role,
    )
    return spec, server


def as_row(row: ApartRow, pool: PoolRow, draft: str, acceptance: tuple[float, ...]) -> Row:
    """A worker of a pool as the row of a server that does all."""
    ranks = pool.gpus if pool.attention_data else 1
    of_a_rank = pool.attention_data and pool.tensor_parallel == 1  # which cuts nothing, so experts are dealt out
    return Row(
        id=row.id,
        source_set="",
        gpu=row.gpu,
        gpus=pool.gpus,
        tensor_parallel=1 if pool.attention_data else pool.gpus,
        pipeline_parallel=1,
        expert_parallel=pool.gpus if of_a_rank else min(pool.expert_parallel, pool.gpus),
        engine=FRAMEWORKS.get(row.framework, row.framework),
        engine_version="",
        weights_precision=row.weights_precision,
        kv_precision="fp8",
        model=row.model,
        load="closed",
        concurrency=float(row.users),
        request_rate_per_s=math.nan,
        requests=math.nan,
        prompt_tokens=row.prompt_tokens,
        output_tokens=row.output_tokens,
        length_spread=row.length_spread,
        requests_file="",
        prefix_caching=False,
        distinct_prompts=math.nan,
        max_batched_tokens=math.nan,
        max_sequences=math.nan,
        memory_utilisation=math.nan,
        measured={},
        attention_data_parallel=ranks,
        draft=draft,
        acceptance=acceptance,
    )
