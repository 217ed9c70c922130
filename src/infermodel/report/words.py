"""The sentences of a report: every one follows from figures, none is written by hand for a scenario."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan

from infermodel.experiment.result import Capacity, ServiceResult
from infermodel.metrics.objectives import Objective
from infermodel.metrics.rates import BUSY_SPAN
from infermodel.metrics.unfinished import window_too_short
from infermodel.report.findings import Findings, Headline
from infermodel.report.human import about, digits_within, number, seconds, share, usd, usd_band
from infermodel.report.kept import verdict_sentence
from infermodel.report.refused import rejections

OBJECTIVE_WORDS = {
    "ttft": "time to the first token",
    "tpot": "time per output token",
    "itl": "gap between tokens",
    "e2e": "time to the end of the answer",
    "queue_time": "time in the queue",
    "output_speed": "output speed",
}

RESOURCE_WORDS = {
    "compute": "arithmetic",
    "memory": "memory bandwidth",
    "network": "communication between devices",
    "latency": "fixed latencies: kernels, hops, layers in turn",
    "host": "the serving software on the host",
    "kv memory": "room for keys and values",
    "seats (max_sequences)": "the number of requests that may run at once, max_sequences",
    "token budget (max_batched_tokens)": "the tokens that a step may have, max_batched_tokens",
    "front end": "the API servers in front of the replicas",
}


def answers(findings: Findings) -> list[str]:
    """One or two sentences for each model: who is fastest, who is cheapest, and by how much; where a model has one
    service, what that gives and costs, and where there is no other, what it keeps of its promises.
    """
    groups: dict[str, list[Headline]] = {}
    for each in findings.headlines:
        groups.setdefault(each.service.service.architecture.title, []).append(each)
    said = promises_of_each(findings) if len(findings.services) == 1 else []
    for title, group in groups.items():
        said += _of_one_model(title, group) if len(group) > 1 else [_of_one_service(title, group[0])]
    return said


def promises_of_each(findings: Findings) -> list[str]:
    """What each service with objectives keeps and misses of them, and when."""
    told = (verdict_sentence(each, findings.slices[each.summary.service]) for each in findings.services)
    return [sentence for sentence in told if sentence]


def _of_one_service(title: str, only: Headline) -> str:
    """What the only service of a model gives and costs, without comparing it."""
    load = "at the largest load that keeps the objectives" if only.at_capacity else "at the offered load"
    words = f"{title} on {only.name}, {load}:"
    words += f" half of its users see {number(_speed(only))} tokens/s or more" if _speed(only) > 0 else ""
    words += f", for {_price(only)} per million tokens" if _is_priced(only) else ""
    return f"{words}."


def _of_one_model(title: str, group: list[Headline]) -> list[str]:
    """Who is fastest and who cheapest among the services of one model."""
    quick = [each for each in group if _speed(each) > 0]
    priced = [each for each in group if _is_priced(each)]
    found = []
    if quick:
        quick.sort(key=_speed, reverse=True)
        speed = number(_speed(quick[0]))
        equal = [each for each in quick if number(_speed(each)) == speed]
        words = f"{title} is {_first(equal, 'fastest')}: half of its users see {speed} tokens/s or more"
        if 1 == len(equal) < len(quick):
            ratio = _speed(quick[0]) / _speed(quick[1])
            words += f", {_times(ratio, 'as many')} as on the next, {quick[1].name}"
            if quick[0].at_capacity or quick[1].at_capacity:
                words += ", each at the largest load that it holds"
        found.append(words + ".")
    if priced:
        priced.sort(key=_mid_price)
        equal = [each for each in priced if usd(_mid_price(each)) == usd(_mid_price(priced[0]))]
        words = f"{title} is {_first(equal, 'cheapest')}: {_price(priced[0])} per million tokens"
        if 1 == len(equal) < len(priced):
            ratio = _mid_price(priced[1]) / _mid_price(priced[0])
            words += f"; on the next, {priced[1].name}, it costs {_times(ratio, 'as much')}"
            low, high = priced[1].economics.blended_usd_per_mtok.low, priced[0].economics.blended_usd_per_mtok.high
            if low <= high:
                words += ", but the ranges of their prices overlap"
        found.append(words + ".")
    return found


def holds(findings: Findings, each: ServiceResult) -> str:
    """What a service holds at its objectives, in one sentence."""
    name = each.summary.service
    capacity = findings.capacities.get(name)
    if capacity is None:
        return f"{name}: no capacity was looked for; the figures are those of the offered load."
    if capacity.summary is None:
        return f"{name}: no load keeps the objectives. {capacity.note}".strip()
    summary, economics = capacity.summary, capacity.economics
    digits = digits_within(capacity.low, capacity.high)
    bought = " and ".join(f"{pool.systems} × {pool.system.title}" for pool in each.service.pools)
    load = f"{number(capacity.low)} users at a time" if capacity.unit == "users" else ""
    words = (
        f"{name} ({bought}) holds {load + ', ' if load else ''}{about(summary.rpm, digits)} requests a minute: "
        f"{about(summary.itpm, digits)} input and {about(summary.otpm, digits)} output tokens a minute"
    )
    if economics is not None and economics.hourly.total.high > 0:
        words += f", at {usd_band(economics.blended_usd_per_mtok)} per million tokens"
    return words + ". " + stops(capacity, each.service.objectives)


def stops(capacity: Capacity, objectives: Sequence[Objective]) -> str:
    """Why a service holds no more."""
    if not isfinite(capacity.high):
        return "No load was found that it does not hold."
    missed = [promise(each) for each in objectives if each.name in capacity.binding_objective.split()]
    first = f"these break first: {'; '.join(missed)}" if missed else capacity.binding_objective or "the queue grows"
    resource = RESOURCE_WORDS.get(capacity.binding_resource.lower(), capacity.binding_resource)
    return f"Beyond that {first}{f'; what binds is {resource}' if resource else ''}."


def promise(objective: Objective) -> str:
    """An objective in words.

    >>> from infermodel.metrics.objectives import objective
    >>> promise(objective("ttft_p99", 2.0)), promise(objective("output_speed_p10", 50.0))
    ('99 % with a time to the first token of at most 2.00 s', '90 % with an output speed of at least 50.0 tokens/s')
    """
    if objective.metric == "attainment":
        return f"{share(objective.limit)} of the requests within every limit"
    if objective.metric == "output_speed":
        return f"{100 - objective.percent:g} % with an output speed of at least {number(objective.limit)} tokens/s"
    words = OBJECTIVE_WORDS[objective.metric]
    if isnan(objective.percent):
        return f"a mean {words} of at most {seconds(objective.limit)}"
    return f"{objective.percent:g} % with a {words} of at most {seconds(objective.limit)}"


def promises(findings: Findings) -> list[str]:
    """Every distinct set of objectives, in words, with whom it binds where that is not everyone."""
    sets: dict[tuple[Objective, ...], list[str]] = {}
    for each in findings.services:
        sets.setdefault(tuple(each.service.objectives), []).append(each.summary.service)
    lines = []
    for objectives, names in sets.items():
        words = "; ".join(promise(objective) for objective in objectives) or "no objective"
        lines.append(words if len(sets) == 1 else f"{', '.join(names)}: {words}")
    return lines


def warnings(findings: Findings) -> list[str]:
    """What a reader must know before the figures are used."""
    lines = list(findings.result.scenario.notes)
    for each in findings.services:
        summary = each.summary
        if summary.overloaded:
            lines.append(
                f"{summary.service} is overloaded at the offered load: its queue grows, so mean latencies are withheld."
            )
        if summary.rejected:
            lines.append(f"{summary.service} rejects {rejections(summary, each)}.")
        if summary.unfinished:
            some = f"{summary.unfinished} of {summary.arrived} requests"
            longer = window_too_short(each.record, findings.result.window.seconds)
            lines.append(
                f"{summary.service}: {some} have not finished when the run ends, so mean latencies are withheld; "
                f"{longer or 'a longer run tells whether they ever do'}."
            )
        if summary.rate_way == BUSY_SPAN:
            lines.append(
                f"{summary.service}: the rates at the offered load are what clients got over the time with work, "
                "not what was offered."
            )
        if not summary.price_holds and each.economics.hourly.total.high > 0:
            lines.append(f"{summary.service}: the price at the offered load does not hold; {summary.price_reason}.")
        if summary.rate_warning:
            lines.append(f"{summary.service}: {summary.rate_warning}.")
        if summary.tail_warning:
            lines.append(f"{summary.service}: {summary.tail_warning}.")
        if summary.warning:
            lines.append(f"{summary.service}: no confidence intervals; {summary.warning}.")
        capacity = findings.capacities.get(summary.service)
        if capacity is not None and capacity.note:
            lines.append(f"{summary.service}: {capacity.note}")
    return list(dict.fromkeys(lines))


def load_words(findings: Findings) -> str:
    """The measured window in one line."""
    window = findings.result.window
    return (
        f"window: {seconds(window.start_s)} to {seconds(window.end_s)} of the run; seed {findings.result.scenario.seed}"
    )


def _first(equal: Sequence[Headline], best: str) -> str:
    """On which services something is best, to the digits that are shown."""
    if len(equal) == 1:
        return f"{best} on {equal[0].name}"
    return f"equally {best.removesuffix('est')} on {', '.join(each.name for each in equal[:-1])} and {equal[-1].name}"


def _times(ratio: float, words: str) -> str:
    """A ratio of at least 1 in words.

    >>> _times(2.61, "as many"), _times(1.02, "as much")
    ('2.6 times as many', 'about as much')
    """
    return f"about {words}" if ratio < 1.05 else f"{number(ratio, 2)} times {words}"


def _speed(each: Headline) -> float:
    speed = each.summary.output_speed_p50_tok_s
    return speed if isfinite(speed) else 0.0


def _mid_price(each: Headline) -> float:
    return each.economics.blended_usd_per_mtok.mid


def _is_priced(each: Headline) -> bool:
    return each.economics.hourly.total.mid > 0 and isfinite(_mid_price(each)) and each.price_holds


def _price(each: Headline) -> str:
    band = each.economics.blended_usd_per_mtok
    return usd(band.mid) + ("" if band.is_exact else f" ({usd(band.low)} to {usd(band.high)})")
