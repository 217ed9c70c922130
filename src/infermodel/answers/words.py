"""What a scenario and its run say in words and printed tables: what would run, and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from infermodel.answers.answer import Part
from infermodel.architecture import ModelArchitecture
from infermodel.deploy import deployment_lines
from infermodel.economics.band import Band
from infermodel.experiment.result import AnswerBand, Capacity, Result, ServiceResult, Verdict
from infermodel.experiment.trust import rests_on
from infermodel.metrics.fleets import FleetSummary
from infermodel.metrics.handover import HandoverSummary
from infermodel.metrics.pools import PoolSummary
from infermodel.metrics.rates import BUSY_SPAN
from infermodel.metrics.tenants import TenantSummary
from infermodel.metrics.unfinished import window_too_short
from infermodel.report.refused import rejections
from infermodel.scenario import ResolvedScenario
from infermodel.scenario.resolved import ResolvedPool, ResolvedService


def preview_parts(scenario: ResolvedScenario) -> list[Part]:
    """What would run: a line a service, and the digest."""
    notes = [f"note: {note}" for note in scenario.notes]
    return [scenario.title, preview_rows(scenario), "\n".join([*notes, f"sound; digest {scenario.digest[:16]}"])]


def preview_rows(scenario: ResolvedScenario) -> list[tuple[str, ...]]:
    """A line a pool."""
    rows: list[tuple[str, ...]] = [
        ("service", "model", "fleet", "replicas", "devices each", "engine", "weights", "KV room of a replica")
    ]
    for service in scenario.services:
        rows += [preview_row(name, service.architecture, pool) for name, pool in service.named_pools]
    return rows


def preview_row(name: str, architecture: ModelArchitecture, pool: ResolvedPool) -> tuple[str, ...]:
    """One of them."""
    memory = pool.step_model.kv_memory
    room = f"{memory.tokens:,} tokens" if memory.ranks == 1 else f"{memory.ranks} x {memory.of_rank.tokens:,} tokens"
    return (
        name,
        architecture.title,
        f"{pool.systems} x {pool.system.title}",
        str(pool.replicas),
        str(pool.devices_per_replica),
        pool.engine.name,
        f"{memory.weights_bytes / 1e9:.1f} GB {pool.deployment.precision.weights}",
        room,
    )


def run_parts(
    result: Result, capacities: Sequence[Capacity], verdicts: Sequence[Verdict], bands: Sequence[AnswerBand] = ()
) -> list[Part]:
    """The answer: each service at its capacity and at the offered load, and the claims."""
    parts: list[Part] = [result.scenario.title]
    if capacities:
        parts += ["At the largest load that keeps the objectives:", capacity_rows(capacities)]
    parts += ["At the offered load:", offered_rows(result.services, capacities)]
    pools = [row for each in result.services for row in each.summary.pools if len(each.summary.pools) > 1]
    if pools:
        parts += ["By pool:", pool_rows(pools)]
    handed = [each.handover for each in result.services if each.handover is not None]
    if handed:
        parts += ["From one pool to the other, on average:", handover_rows(handed)]
    fleets = [row for each in result.services for row in each.fleets]
    if fleets:
        parts += ["Fleets that fail or scale, and fixed ones beside them:", fleet_rows(fleets)]
    parts += ["What the figures rest on:", trust_rows(result.scenario.services)]
    if bands:
        parts += ["The same within the uncertainty of the constants:", uncertainty_rows(bands)]
    tenants = [row for each in result.services for row in each.tenants]
    if tenants:
        parts += ["What the keys got:", tenant_rows(tenants)]
    if verdicts:
        parts += ["What was claimed:", claim_rows(verdicts)]
    questions = question_rows(result)
    if questions:
        parts += ["Questions of several calls:", questions]
    deployed = deployment_lines(result.scenario.services)
    if deployed:
        parts.append("\n".join(["To deploy (see deploy.sh and deploy.yaml of the report):", *deployed]))
    notes = notes_of(result, capacities)
    return [*parts, "\n".join(notes)] if notes else parts


def notes_of(result: Result, capacities: Sequence[Capacity]) -> list[str]:
    """What a reader should know of a run."""
    notes = [f"note: {note}" for note in result.scenario.notes]
    notes += [f"{each.service}: {each.note}" for each in capacities if each.note]
    for each in result.services:
        summary = each.summary
        notes += [f"{summary.service}: {line}" for line in rate_and_price_notes(each)]
        if summary.overloaded:
            notes.append(f"{summary.service}: overloaded; mean latencies are withheld")
        if summary.unfinished:
            some = f"{summary.unfinished} of {summary.arrived} requests"
            notes.append(f"{summary.service}: {some} have not finished when the run ends; mean latencies are withheld")
            longer = window_too_short(each.record, result.window.seconds)
            notes += [f"{summary.service}: {longer}"] if longer else []
        if summary.missed_objectives:
            notes.append(f"{summary.service}: misses {summary.missed_objectives}")
        if summary.rejected:
            notes.append(f"{summary.service} rejects {rejections(summary, each)}")
    return notes


def rate_and_price_notes(each: ServiceResult) -> list[str]:
    """What a reader should know of the rates, the price and the percentiles at the offered load."""
    summary = each.summary
    notes = [summary.rate_warning, summary.tail_warning]
    if not summary.price_holds and each.economics.hourly.total.high > 0:
        notes.append(f"the price at the offered load does not hold: {summary.price_reason}")
    if summary.rate_way == BUSY_SPAN:
        notes.append("rates are what clients got over the time with work, not what was offered")
    return [note for note in notes if note]


def capacity_parts(title: str, capacities: Sequence[Capacity]) -> list[Part]:
    """Capacities alone, with what a reader should know of each."""
    notes = [f"{each.service}: {each.note}" for each in capacities if each.note]
    return [title, capacity_rows(capacities), *(["\n".join(notes)] if notes else [])]


def capacity_rows(capacities: Sequence[Capacity]) -> list[tuple[str, ...]]:
    """A line for each capacity."""
    rows: list[tuple[str, ...]] = [
        ("service", "load", "rpm", "tpm", "input", "output", "USD/Mtok", "bound by", "limit")
    ]
    for each in capacities:
        unit = 60.0 if each.unit == "requests/s" else 1.0
        named = "rpm" if each.unit == "requests/s" else "users"
        load = f"{figure(each.low * unit)} to {figure(each.high * unit)} {named}"
        summary, economics = each.summary, each.economics
        if summary is None or economics is None:
            rows.append((each.service, load, *["-"] * 7))
            continue
        counts = (summary.rpm, summary.tpm, summary.itpm, summary.otpm)
        price = band(economics.blended_usd_per_mtok)
        shown = (*map(figure, counts), price, each.binding_resource, each.binding_objective)
        rows.append((each.service, load, *shown))
    return rows


def offered_rows(services: Sequence[ServiceResult], capacities: Sequence[Capacity] = ()) -> list[tuple[str, ...]]:
    """A line for each service at the scenario's own load: doubtful figures with their reason beside them, a price that
    does not hold struck out, and headroom where the capacity is known.
    """
    found = {each.service: each for each in capacities}
    heads = ("service", "rpm", "tpm", "TTFT p50", "p99", "TPOT p50", "p99", "tok/s a user", "with work", "headroom")
    rows: list[tuple[str, ...]] = [(*heads, "USD/h", "USD/Mtok")]
    for each in services:
        summary = each.summary
        short = " (too short)" if summary.rate_warning else ""
        few = f" (of {summary.arrived - summary.rejected})" if summary.tail_warning else ""
        price = band(each.economics.blended_usd_per_mtok)
        rows.append(
            (
                summary.service,
                figure(summary.rpm) + short,
                figure(summary.tpm) + short,
                time(summary.ttft_p50_s),
                time(summary.ttft_p99_s) + few,
                time(summary.tpot_p50_s),
                time(summary.tpot_p99_s) + few,
                figure(summary.output_speed_p50_tok_s),
                f"{100 * summary.utilisation:.0f} %",
                times(each.headroom(found.get(summary.service))),
                band(each.economics.hourly.total),
                price
                if price == "-"
                else f"~~{price}~~ {summary.price_reason}"
                if summary.price_reason
                else price + short,
            )
        )
    return [row[:9] + row[10:] for row in rows] if not found else rows


def trust_rows(services: Sequence[ResolvedService]) -> list[tuple[str, ...]]:
    """A line for each pool: whether the model was held against servers of its device and engine."""
    pools = ((name, pool, service.images) for service in services for name, pool in service.named_pools)
    rows = ((name, rests_on(pool.system.device, pool.engine, images=bool(held))) for name, pool, held in pools)
    return [("service", "rests on"), *rows]


def uncertainty_rows(bands: Sequence[AnswerBand]) -> list[tuple[str, ...]]:
    """A line for each answer of a service that moves at all with the constants."""
    heads = ("service", "answer", "with the catalog's values", "5 %", "95 %", "draws")
    moving = [each for each in bands if each.low != each.high]
    words = [time if each.answer.endswith("_s") and not each.answer.endswith("tok_s") else figure for each in moving]
    ends = [tuple(map(told, (each.value, each.low, each.high))) for each, told in zip(moving, words, strict=True)]
    return [heads, *((b.service, b.answer, *figures, str(b.draws)) for b, figures in zip(moving, ends, strict=True))]


def claim_rows(verdicts: Sequence[Verdict]) -> list[tuple[str, ...]]:
    """A line for each claim; the reasons are in the report."""
    rows: list[tuple[str, ...]] = [("claim", "published", "modelled", "unit", "ratio", "verdict")]
    for each in verdicts:
        shown = (nan if value is None else value for value in (each.published, each.modelled))
        ratio = "-" if each.ratio is None else f"{each.ratio:.2f}"
        rows.append((each.id, *map(figure, shown), each.unit, ratio, each.verdict))
    return rows


def question_rows(result: Result) -> list[tuple[str, ...]]:
    """A line for each service whose requests are calls of questions; empty where there is none."""
    rows: list[tuple[str, ...]] = []
    for each in result.services:
        found = each.questions
        if found is None:
            continue
        tokens = (figure(found.input_tokens_mean), figure(found.output_tokens_mean))
        times = (time(found.answer_time_p50_s), time(found.answer_time_p95_s))
        hourly = each.economics.hourly.total
        dollars = band(hourly * (1 / found.answered_per_hour)) if found.answered_per_hour else "-"
        cached = f"{100 * each.summary.cached_share:.0f} %"
        counts = (str(found.asked), str(found.answered), figure(found.calls_mean))
        rows.append((each.service.name, *counts, *tokens, cached, *times, dollars))
    heads = (
        "service",
        "asked",
        "answered",
        "calls each",
        "tokens in",
        "out",
        "cached",
        "answer p50",
        "p95",
        "USD each",
    )
    return [heads, *rows] if rows else []


def pool_rows(pools: Sequence[PoolSummary]) -> list[tuple[str, ...]]:
    """A line for each pool of services that have several."""
    heads = ("service", "pool", "role", "replicas", "prompt tok/s", "output tok/s", "with work", "sequences", "KV used")
    return [
        heads,
        *(
            (
                *(each.service, each.pool, each.role, str(each.replicas)),
                *map(figure, (each.prompt_tok_s, each.output_tok_s)),
                f"{100 * each.utilisation:.0f} %",
                figure(each.running_mean),
                f"{100 * each.kv_use_mean:.0f} %",
            )
            for each in pools
        ),
    ]


def handover_rows(handed: Sequence[HandoverSummary]) -> list[tuple[str, ...]]:
    """A line for each service of two pools: what requests wait for on their way."""
    heads = ("service", "queue", "prompt", "room", "transfer", "p99", "first step", "MB each", "cards in use")
    return [
        heads,
        *(
            (
                each.service,
                *map(time, (each.queue_mean_s, each.prefill_mean_s, each.room_mean_s)),
                *map(time, (each.transfer_mean_s, each.transfer_p99_s, each.join_mean_s)),
                figure(each.bytes_mean / 1e6),
                f"{100 * max(each.sending_use, each.receiving_use, each.shared_use):.0f} %",
            )
            for each in handed
        ),
    ]


def fleet_rows(fleets: Sequence[FleetSummary]) -> list[tuple[str, ...]]:
    """A line for each fleet of a service whose systems fail or whose replicas start and stop."""
    heads = (
        "service", "fleet", "serving", "of", "paid", "starts", "failures", "available", "outside objectives",
        "TTFT p99", "tokens/min", "USD/h", "USD/Mtok",
    )  # fmt: skip
    return [
        heads,
        *(
            (
                each.service,
                each.fleet,
                f"{each.serving_mean:.2f} ({each.serving_least} to {each.serving_most})",
                str(each.replicas),
                f"{each.paid_mean:.2f}",
                str(each.starts),
                str(each.failures),
                f"{100 * each.availability:.3f} %",
                f"{each.outside} of {each.arrived}",
                time(each.ttft_p99_s),
                *map(figure, (each.tpm, each.usd_per_h, each.usd_per_mtok)),
            )
            for each in fleets
        ),
    ]


def tenant_rows(tenants: Sequence[TenantSummary]) -> list[tuple[str, ...]]:
    """A line for each tenant of a service with rate limits."""
    rows: list[tuple[str, ...]] = [
        (
            "service",
            "tenant",
            "keys",
            "sent",
            "finished",
            "refusals",
            "rpm",
            "tpm",
            "tpm a key",
            "wait p50",
            "TTFT p99",
            "misses",
            "all done in",
        )
    ]
    for each in tenants:
        counts = (each.keys, each.sent, each.finished, each.refusals)
        rates = (each.rpm, each.tpm, each.tpm_per_key)
        waits = (time(each.wait_p50_s), time(each.ttft_p99_s), each.missed or "-", time(each.makespan_s))
        rows.append((each.service, each.tenant, *map(str, counts), *map(figure, rates), *waits))
    return rows


def figure(value: float) -> str:
    """Three digits, thousands grouped; a dash for what there is none of.

    >>> figure(1234567.0), figure(0.01234), figure(117.0), figure(float("nan"))
    ('1,230,000', '0.0123', '117', '-')
    """
    if value != value:
        return "-"
    if value in (float("inf"), float("-inf")):
        return "unlimited"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 or rounded == 0 else f"{rounded:g}"


def times(ratio: float) -> str:
    """A ratio; a dash for none.

    >>> times(2.345), times(float("nan"))
    ('2.3 x', '-')
    """
    return "-" if ratio != ratio else f"{ratio:,.1f} x"


def time(seconds: float) -> str:
    """Seconds or milliseconds.

    >>> time(0.0123), time(12.3), time(float("nan")), time(float("inf"))
    ('12.3 ms', '12.3 s', '-', 'never')
    """
    if seconds != seconds:
        return "-"
    if seconds == float("inf"):
        return "never"
    return f"{figure(seconds * 1e3)} ms" if seconds < 1 else f"{figure(seconds)} s"


def band(dollars: Band) -> str:
    """The middle, and the range where there is one; a dash where no price was given.

    >>> band(Band(1, 2, 3)), band(Band.exactly(2.5)), band(Band.exactly(0))
    ('2 (1 to 3)', '2.5', '-')
    """
    if dollars.high == 0:
        return "-"
    if dollars.is_exact:
        return figure(dollars.mid)
    return f"{figure(dollars.mid)} ({figure(dollars.low)} to {figure(dollars.high)})"
