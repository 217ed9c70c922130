"""One row per service: what it delivered in the measured window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.confidence import Interval, batch_means, fewest_to_bound
from infermodel.metrics.latency import (
    PERCENTILES,
    Column,
    gap_mean,
    gap_percentile,
    latencies,
    lower_percentile,
    percentiles,
)
from infermodel.metrics.objectives import Objective, Verdict, evaluate, judged_columns, meets_all
from infermodel.metrics.paid import paid_replicas
from infermodel.metrics.pools import PoolSummary, load_fields, pool_summaries
from infermodel.metrics.rates import CYCLE, OWN_RATE, Offered, told
from infermodel.metrics.schema import column as _column
from infermodel.metrics.steady import Window, is_overloaded, too_short, waiting_growth
from infermodel.metrics.throughput import Throughput, balance, load, share_of
from infermodel.tables import FINISHED, REJECTED, RequestTable, ServiceRecord

SPEED_PERCENTILES = (50.0, 10.0, 5.0, 1.0)
"""Speeds that 50, 90, 95 and 99 % of the requests reach."""

MEANS_WITH_INTERVAL = ("queue_time", "ttft", "tpot", "e2e")
"""Means of which one run gives an interval by batches."""


NOTHING_KNOWN = Offered()


@dataclass(frozen=True, slots=True)
class Longer:
    """What a longer run of the same load says of one that is too short: to see a queue grow, or a loop's pace.

    Attributes:
        grows: whether the queue grows in it, or more and more requests are under way; None where it was not asked.
        answer_s: mean time of an answer in a closed loop, where it is another; NaN where it is not, or was not asked.
        unsure: why nobody can tell; empty where the run is long enough, or the longer one tells.
    """

    grows: bool | None = None
    answer_s: float = nan
    unsure: str = ""


NOT_ASKED = Longer()


@dataclass(frozen=True)
class Summary:
    """A service over the measured window. Every column states its unit and meaning; see also the tables' document."""

    service: str = _column("", "name of the service")
    systems: int = _column("", "systems of the fleet, as bought")
    replicas: int = _column("", "copies of the model that are scheduled on their own")
    window_start_s: float = _column("s", "the measured window starts")
    window_end_s: float = _column("s", "the measured window ends")
    arrived: int = _column("requests", "arrived in the window")
    finished: int = _column("requests", "of those, finished (also after the window)")
    unfinished: int = _column("requests", "of those, accepted and not finished when the run ended: means are withheld")
    rejected: int = _column("requests", "of those, rejected")
    overloaded: bool = _column("", "the queue grew through the window: means are withheld")
    waiting_growth: float = _column("requests", "growth of the queue through the window, along its regression line")
    warning: str = _column("", "why there are no confidence intervals; empty where there are")
    tail_warning: str = _column("", "why p99 is not to be relied on: too few requests; empty where it is")
    rate_way: str = _column(
        "",
        "how rates were told: `own rate` of the load, what comes in goes out; `users over cycle`; where the queue "
        "grows `busy span`, tokens over the time with work; `window`, what finished inside it",
    )
    rate_warning: str = _column("", "why the run is too short for these rates; empty where it is not")
    price_holds: bool = _column("", "whether dollars a token at this load are worth a signature")
    price_reason: str = _column("", "why not: objectives missed, a queue that grows, requests that never end")
    offered_rpm: float = _column("requests/min", "what the load asks for: its own rate, or users / their mean cycle")
    rpm: float = _column("requests/min", "that clients get; see rate_way")
    tpm: float = _column("tokens/min", "input and output tokens of those")
    itpm: float = _column("tokens/min", "input tokens of those, cached ones included")
    otpm: float = _column("tokens/min", "output tokens of those")
    rpm_per_system: float = _column("requests/min", "rpm / systems")
    tpm_per_system: float = _column("tokens/min", "tpm / systems")
    otpm_per_system: float = _column("tokens/min", "otpm / systems")
    rpm_per_replica: float = _column("requests/min", "rpm / replicas")
    tpm_per_replica: float = _column("tokens/min", "tpm / replicas")
    otpm_per_replica: float = _column("tokens/min", "otpm / replicas")
    goodput_rps: float = _column("requests/s", "that kept every per-request limit")
    attainment: float = _column("share", "of the arrived requests that kept every per-request limit; misses count")
    objectives_met: bool = _column("", "whether every objective is met; true where there is none")
    missed_objectives: str = _column("", "names of the objectives missed")
    queue_time_mean_s: float = _column("s", "mean; arrival to the first step that worked on it; NaN where withheld")
    queue_time_p50_s: float = _column("s", "percentile 50; arrival to the first step that worked on it")
    queue_time_p90_s: float = _column("s", "percentile 90; arrival to the first step that worked on it")
    queue_time_p95_s: float = _column("s", "percentile 95; arrival to the first step that worked on it")
    queue_time_p99_s: float = _column("s", "percentile 99; arrival to the first step that worked on it")
    ttft_mean_s: float = _column("s", "mean; arrival to the first token; NaN where withheld")
    ttft_p50_s: float = _column("s", "percentile 50; arrival to the first token")
    ttft_p90_s: float = _column("s", "percentile 90; arrival to the first token")
    ttft_p95_s: float = _column("s", "percentile 95; arrival to the first token")
    ttft_p99_s: float = _column("s", "percentile 99; arrival to the first token")
    tpot_mean_s: float = _column(
        "s", "mean time per output token after the first; requests of several tokens; NaN where withheld"
    )
    tpot_p50_s: float = _column(
        "s", "50 % are at most this: time per output token after the first; requests of several tokens"
    )
    tpot_p90_s: float = _column(
        "s", "90 % are at most this: time per output token after the first; requests of several tokens"
    )
    tpot_p95_s: float = _column(
        "s", "95 % are at most this: time per output token after the first; requests of several tokens"
    )
    tpot_p99_s: float = _column(
        "s", "99 % are at most this: time per output token after the first; requests of several tokens"
    )
    e2e_mean_s: float = _column("s", "mean; arrival to the end of the request; NaN where withheld")
    e2e_p50_s: float = _column("s", "percentile 50; arrival to the end of the request")
    e2e_p90_s: float = _column("s", "percentile 90; arrival to the end of the request")
    e2e_p95_s: float = _column("s", "percentile 95; arrival to the end of the request")
    e2e_p99_s: float = _column("s", "percentile 99; arrival to the end of the request")
    itl_mean_s: float = _column("s", "mean; gap between two tokens, over all tokens of the run; NaN where withheld")
    itl_p50_s: float = _column("s", "percentile 50; gap between two tokens, to the width of the histogram's bin")
    itl_p90_s: float = _column("s", "percentile 90; gap between two tokens, to the width of the histogram's bin")
    itl_p95_s: float = _column("s", "percentile 95; gap between two tokens, to the width of the histogram's bin")
    itl_p99_s: float = _column("s", "percentile 99; gap between two tokens, to the width of the histogram's bin")
    output_speed_mean_tok_s: float = _column("tokens/s", "mean over requests of 1 / TPOT; NaN where withheld")
    output_speed_p50_tok_s: float = _column("tokens/s", "50 % of the requests run at least this fast")
    output_speed_p10_tok_s: float = _column("tokens/s", "90 % of the requests run at least this fast")
    output_speed_p5_tok_s: float = _column("tokens/s", "95 % of the requests run at least this fast")
    output_speed_p1_tok_s: float = _column("tokens/s", "99 % of the requests run at least this fast")
    prompt_tokens_mean: float = _column("tokens", "mean prompt of the finished requests")
    output_tokens_mean: float = _column("tokens", "mean output of the finished requests")
    cached_share: float = _column("share", "of the prompt tokens of finished requests found in the prefix cache")
    preemptions: int = _column("", "times that a request of the window lost its KV memory and was recomputed")
    utilisation: float = _column("share", "of the replica-seconds in which a step ran")
    mfu: float = _column("share", "useful FLOPs / (peak FLOP/s x replica-seconds)")
    mbu: float = _column("share", "useful bytes / (peak bandwidth x replica-seconds)")
    bound_compute_share: float = _column("share", "of the busy time bound by arithmetic")
    bound_memory_share: float = _column("share", "of the busy time bound by memory bandwidth")
    bound_network_share: float = _column("share", "of the busy time bound by communication between devices")
    bound_latency_share: float = _column("share", "of the busy time bound by fixed latencies: kernels, hops, layers")
    bound_host_share: float = _column("share", "of the busy time bound by the engine's host gap")
    short_of_seats_share: float = _column(
        "share", "of the busy time, over ranks, in which requests waited for a seat among max_sequences"
    )
    short_of_budget_share: float = _column("share", "the same, for tokens of a step among max_batched_tokens")
    short_of_blocks_share: float = _column("share", "the same, for room for keys and values")
    front_end_use: float = _column("share", "of the process-seconds of API servers in which they worked; 0 without")
    running_mean: float = _column("sequences", "decoding sequences of the whole service, mean over time")
    kv_use_mean: float = _column("share", "of the KV blocks in use, mean over time")
    kv_use_peak: float = _column("share", "of the KV blocks in use, highest mean of a timeline bin")
    power_mean_w: float = _column("W", "of all replicas' devices, idle power included")
    power_peak_w: float = _column("W", "the same, highest mean of a timeline bin")
    joules_per_token: float = _column("J/token", "energy of the window / (input and output tokens)")
    joules_per_output_token: float = _column("J/token", "energy of the window / output tokens")
    verdicts: tuple[Verdict, ...] = ()
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    pools: tuple[PoolSummary, ...] = ()
    paid_replicas: tuple[float, ...] = ()  # mean over the window, by pool

    @property
    def pool_power_w(self) -> tuple[float, ...]:
        """Mean power of the devices of each pool's replicas, idle power included."""
        return tuple(each.power_mean_w for each in self.pools)


def summarise(
    record: ServiceRecord,
    window: Window,
    promised: tuple[Objective, ...] = (),
    *,
    systems: Sequence[int] = (1,),
    offered: Offered = NOTHING_KNOWN,
    longer: Longer = NOT_ASKED,
) -> Summary:
    """Derive a service's row.

    Latencies are of the requests that arrived in the window and were accepted; one that has not come so far counts
    as infinitely late in percentiles. Means are withheld (NaN) where the service is overloaded, since they would grow
    with the length of the run, and where requests are unfinished. Gaps between tokens are pooled over the whole run.

    Args:
        record: of the simulation.
        window: the common window of all services of the run.
        promised: the objectives.
        systems: what each pool counts as systems.
        offered: what the load asks for, for rates; nothing known: what finishes inside the window is counted.
        longer: what a longer run of the same load says, where the window is too short to see a queue grow.
    """
    requests = record.requests
    arrived = window.holds(requests.arrived_at)
    accepted = arrived & (requests.status != REJECTED)
    done = arrived & (requests.status == FINISHED)
    counts, loads, warning = balance(requests, window), load(record, window), too_short(requests, window)
    grows = is_overloaded(requests, window) if longer.grows is None else longer.grows
    overloaded = not offered.users and grows
    keeps_up = not overloaded and (not counts.unfinished or longer.grows is False)
    rated = told(record, window, counts, offered, keeps_up=keeps_up, answer_s=longer.answer_s)
    rates, at_its_own = rated.served, rated.way in (OWN_RATE, CYCLE)
    judged = judged_columns(record, window)
    verdicts, good = evaluate(record, judged, promised), meets_all(judged, promised)
    steady = not (overloaded or counts.unfinished or warning)
    columns = _per_request(requests, accepted)
    prompt_tokens, attainment = float(requests.prompt_tokens[done].sum()), share_of(float(good.sum()), counts.arrived)
    return with_price_reason(
        Summary(
            service=record.name,
            systems=sum(systems),
            replicas=record.replicas,
            window_start_s=window.start_s,
            window_end_s=window.end_s,
            arrived=counts.arrived,
            finished=counts.finished,
            unfinished=counts.unfinished,
            rejected=counts.rejected,
            overloaded=overloaded,
            waiting_growth=waiting_growth(requests, window),
            warning=warning,
            tail_warning=tail_warning(int(accepted.sum())),
            rate_way=rated.way,
            rate_warning=longer.unsure or rated.warning,
            price_holds=True,
            price_reason="",
            offered_rpm=rated.offered_rpm,
            **_rate_fields(rates, sum(systems), record.replicas),
            goodput_rps=attainment * rated.offered_rpm / 60 if at_its_own else float(good.sum()) / window.seconds,
            attainment=attainment,
            objectives_met=all(each.met for each in verdicts),
            missed_objectives=" ".join(each.objective.name for each in verdicts if not each.met),
            **_latency_fields(columns, record, withheld=overloaded or counts.unfinished > 0),
            prompt_tokens_mean=share_of(prompt_tokens, counts.finished),
            output_tokens_mean=share_of(float(requests.output_tokens[done].sum()), counts.finished),
            cached_share=share_of(float(requests.cached_tokens[done].sum()), prompt_tokens),
            preemptions=int(requests.preemptions[arrived].sum()),
            **load_fields(loads),
            **short_of(record),
            front_end_use=front_end_use(record),
            joules_per_token=share_of(60 * loads.power_mean_w, rates.tpm),
            joules_per_output_token=share_of(60 * loads.power_mean_w, rates.otpm),
            verdicts=verdicts,
            pools=pool_summaries(record, window, systems),
            paid_replicas=tuple(paid_replicas(pool, window) for pool in record.pools),
            intervals={f"{m}_mean_s": batch_means(columns[f"{m}_s"]) for m in MEANS_WITH_INTERVAL} if steady else {},
        )
    )


def _rate_fields(rates: Throughput, systems: int, replicas: int) -> dict[str, float]:
    """Rates of the service, and of each of its systems and replicas, by column."""
    shared = {"rpm": rates.rpm, "tpm": rates.tpm, "otpm": rates.otpm}
    return {
        **shared,
        "itpm": rates.itpm,
        **{f"{name}_per_system": rate / systems for name, rate in shared.items()},
        **{f"{name}_per_replica": rate / replicas for name, rate in shared.items()},
    }


def short_of(record: ServiceRecord) -> dict[str, float]:
    """What requests waited for while replicas worked, over the whole run, by column."""
    totals, nothing = record.replica_totals, np.zeros(1)
    busy_s = float(totals["busy_s"].sum())
    return {
        f"short_of_{each}_share": share_of(float(totals.get(f"short_of_{each}_s", nothing).sum()), busy_s)
        for each in ("seats", "budget", "blocks")
    }


def front_end_use(record: ServiceRecord) -> float:
    """Share of the process-seconds of API servers in which they worked; 0 without any."""
    seconds = record.front_end_processes * record.ended_at
    return min(1.0, record.front_end_busy_s / seconds) if seconds else 0.0


def with_price_reason(summary: Summary) -> Summary:
    """The summary with the reason why its load has no price that somebody would sign."""
    reason = ""
    if not summary.arrived:
        reason = "no request came"
    elif summary.overloaded:
        reason = "the queue grows"
    elif summary.unfinished and summary.rate_way != OWN_RATE:
        reason = "requests have not finished"
    elif summary.rejected == summary.arrived:
        reason = "every request is rejected"
    elif not summary.objectives_met:
        reason = f"misses {summary.missed_objectives}"
    return replace(summary, price_holds=not reason, price_reason=reason)


def tail_warning(requests: int) -> str:
    """Why a percentile 99 of so many requests may be far too low; empty where there are enough.

    >>> tail_warning(20), tail_warning(299)
    ('p99 of 20 requests: it takes 299 to bound it from above', '')
    """
    fewest = fewest_to_bound(PERCENTILES[-1])
    return (
        ""
        if requests >= fewest or not requests
        else f"p99 of {requests} requests: it takes {fewest} to bound it from above"
    )


def _per_request(requests: RequestTable, accepted: NDArray[np.bool_]) -> dict[str, Column]:
    """Latencies of accepted requests; what has not come yet is infinitely late, one token has no TPOT and no speed."""
    several = requests.output_tokens > 1
    columns = {}
    for name, values in latencies(requests).items():
        kept = values[accepted & several if name in ("tpot_s", "output_speed_tok_s") else accepted]
        columns[name] = np.where(np.isnan(kept), 0.0 if name == "output_speed_tok_s" else np.inf, kept)
    return columns


def _latency_fields(columns: Mapping[str, Column], record: ServiceRecord, *, withheld: bool) -> dict[str, float]:
    """The fields of means and percentiles."""
    fields_: dict[str, float] = {}
    for metric in MEANS_WITH_INTERVAL:
        values = columns[f"{metric}_s"]
        fields_[f"{metric}_mean_s"] = _mean(values, withheld=withheld)
        points = zip(PERCENTILES, percentiles(values), strict=True)
        fields_ |= {f"{metric}_p{percent:g}_s": value for percent, value in points}
    fields_["itl_mean_s"] = nan if withheld else gap_mean(record.gaps, record.front_end_stretch_s)
    fields_ |= {f"itl_p{percent:g}_s": gap_percentile(record.gaps, percent) for percent in PERCENTILES}
    speed = columns["output_speed_tok_s"]
    fields_["output_speed_mean_tok_s"] = _mean(speed, withheld=withheld)
    for percent in SPEED_PERCENTILES:
        fields_[f"output_speed_p{percent:g}_tok_s"] = lower_percentile(speed, percent)
    return fields_


def _mean(values: Column, *, withheld: bool) -> float:
    """The mean, NaN where it is withheld or a value is infinite."""
    if withheld or len(values) == 0 or not np.isfinite(values).all():
        return nan
    return float(np.mean(values))
