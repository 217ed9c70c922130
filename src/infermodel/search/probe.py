"""One load of a capacity search: simulated until it is clear whether the service sustains it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, isfinite, isnan
from typing import Any

from infermodel.experiment.pricing import economics
from infermodel.experiment.result import CapacityPoint
from infermodel.experiment.run import spec_of, summary_of
from infermodel.hardware import GpuDevice
from infermodel.metrics.confidence import of_independent
from infermodel.metrics.objectives import PER_REQUEST, Objective, Verdict
from infermodel.metrics.replications import combine
from infermodel.metrics.summary import Summary
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.search.estimate import in_flight
from infermodel.simulation.clients.joining import cycle_s
from infermodel.workload.arrivals import Gamma, Profile
from infermodel.workload.bodies import Prefix, SystemPrompts
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, TraceTraffic, Traffic
from infermodel.workload.typical_calls import typical_calls

Mapper = Callable[[Callable[[int], Summary], Iterable[int]], Iterable[Summary]]
"""`map`, or one over processes."""

WARM_UP = 1.25
"""Requests simulated for each one measured: the start, while the fleet fills, is cut."""

SCREENED = 5
"""A run is looked at after a fifth of its requests, and given up where it is hopeless by then; not where that is too
early for requests to have finished."""

MOST_REQUESTS = 200_000

WINDOWS_FOR_MEMORY = ((4_000, 2.0), (16_000, 1.5))
"""Requests of a window at a load at which some wait for memory and an objective is within this factor of its limit;
the second where one run decides alone. What a line for memory was is forgotten after hundreds or thousands of requests
only: windows of 320 and 1,600 say a p95 of TTFT a quarter and a sixth too low, and in windows of 4,000 it still is off
by 17 to 38 % (one standard deviation), in windows of 16,000 by 7 to 22 % (`docs/capacity.md`)."""

SPEEDS = frozenset({"tpot", "itl", "output_speed"})
"""Metrics of requests that run."""

GROWING, STEADY = 0.01, 0.05
"""Shares of the arrivals: a queue that keeps more than the first, significantly, grows; one that surely keeps less than
the second does not. In between, nobody knows."""


@dataclass(frozen=True)
class Effort:
    """How much simulation a load is worth.

    Attributes:
        replications: at most so many; fewer where they decide.
        beyond: a percentile p is measured in a window of `beyond / (1 - p)` finished requests.
        turnovers: and the window holds so many times the requests that the fleet holds at once.
        fewest: requests of any window.
        curve: whether to try light loads too, for the shape of the latency curve.
    """

    replications: int
    beyond: float
    turnovers: float
    fewest: int = 400
    curve: bool = False


COARSE = Effort(replications=1, beyond=10, turnovers=5, fewest=1600)
DEEP = Effort(replications=16, beyond=20, turnovers=10, curve=True)

NARROWEST = 0.05
"""Of a single run no narrower bracket is told apart: that is for replications."""


def to_tell_apart(effort: Effort, width: float) -> Effort:
    """Windows long enough for a single run to notice a queue that grows by the bracket's width: of N requests it keeps
    `N x width`, which must exceed two standard deviations of their count, `2 sqrt(N)`, and half as much for safety.
    """
    if effort.replications > 1:
        return effort
    return replace(effort, fewest=max(effort.fewest, ceil((3 / max(width, NARROWEST)) ** 2)))


def judge(
    scenario: ResolvedScenario, service: ResolvedService, load: float, effort: Effort, mapper: Mapper = map
) -> CapacityPoint:
    """Simulate one load with more and more replications until 95 % confidence says whether it is sustained.

    Looks are taken after a quarter, a half and all of the replications. To keep the error of all looks and objectives
    together at 5 %, it is divided among them (Bonferroni).
    """
    needed = requests_needed(service, load, effort)
    if needed // SCREENED >= max(effort.fewest / 2, 2.5 * held(service, load)):
        first = summary_of(at_load(scenario, service, load, needed // SCREENED), 0)
        if hopeless(first, service.objectives, needed):
            return CapacityPoint(load, first, False, why_missed(first), economics(service, first))
    one = partial(summary_of, at_load(scenario, service, load, needed))
    summaries = list(mapper(one, range(1)))
    for window, near in WINDOWS_FOR_MEMORY[: 1 if effort.replications > 1 else 2]:
        longer = int(window * WARM_UP * burstiness(service))
        if longer > needed and lines_for_memory(summaries[0], service, near):
            one, needed = partial(summary_of, at_load(scenario, service, load, longer)), longer
            summaries = list(mapper(one, range(1)))
    most = effort.replications
    looks = sorted({min(most, max(3, ceil(most * part))) for part in (0.25, 0.5, 1)})
    level = 1 - 0.05 / (len(looks) * max(1, len(service.objectives)))
    for look in looks:
        summaries += mapper(one, range(len(summaries), look))
        sustained, reason = verdict(summaries, level)
        if sustained is not None:
            break
    summary = combine(summaries)
    if sustained and not isinstance(service.traffic, ClosedTraffic):
        summary = at_the_rate(summary, load)
    if sustained:
        summary = replace(summary, price_holds=True, price_reason="")
    return CapacityPoint(load, summary, sustained, reason, economics(service, summary), len(summaries))


def at_the_rate(summary: Summary, rate_per_s: float) -> Summary:
    """The summary of a sustained load with the throughput of that load: what comes in goes out.

    What finishes inside a window of a run is a biased and noisy count of it: windows hold the noise of their arrivals,
    and while the fleet still fills, less finishes than arrives. Requests that are rejected stay out.
    """
    rpm = 60 * rate_per_s * summary.finished / summary.arrived if summary.arrived else 0.0
    itpm, otpm = rpm * summary.prompt_tokens_mean, rpm * summary.output_tokens_mean
    rates: dict[str, Any] = {"rpm": rpm, "itpm": itpm, "otpm": otpm, "tpm": itpm + otpm}
    for what, count in (("system", summary.systems), ("replica", summary.replicas)):
        rates |= {f"{name}_per_{what}": rates[name] / count for name in ("rpm", "tpm", "otpm")}
    intervals = {name: each for name, each in summary.intervals.items() if name not in rates}
    rates["offered_rpm"] = 60 * rate_per_s
    return replace(summary, **rates, intervals=intervals)


def at_load(scenario: ResolvedScenario, service: ResolvedService, load: float, requests: int) -> ResolvedScenario:
    """The service alone, without outages and rate limits, at another load: so many requests after full caches.

    The first fifth is cut whatever MSER-5 would say: while the fleet fills, less finishes than arrives, and a rate at
    capacity that counts those seconds is too low. In closed loops so is the time over which users come, and a
    warm-up that the scenario asks for. So is all that comes before caches are full: or prompts that were never
    seen would bound light loads, whose runs are short, and not heavy ones.
    """
    traffic, sessions = steady(service.traffic), service.sessions
    cold = to_fill_caches(service)
    if isinstance(traffic, ClosedTraffic):
        return users_at_load(scenario, replace(service, traffic=traffic.with_users(int(load))), cold, requests)
    loaded: Traffic = traffic.at_rate(load)
    if isinstance(loaded, TraceTraffic) and loaded.requests.after is not None:  # they take as long at any rate
        loaded = replace(loaded, repeat=ceil((cold + requests) / loaded.requests_of_a_window) + 1)
    filling_s = (cold + requests * (1 - 1 / WARM_UP)) / load
    if sessions is not None and isinstance(loaded, OpenTraffic):
        calls = typical_calls(sessions).calls
        sessions = replace(sessions, arrivals=loaded.arrivals.at_rate(load / calls))
    alone = replace(without_outages(service), traffic=loaded, sessions=sessions, rate_limits=None)
    return replace(scenario, services=(alone,), duration_s=None, requests=cold + requests, warm_up_s=filling_s)


def without_outages(service: ResolvedService) -> ResolvedService:
    """The service with every system up and every replica running."""
    return service.with_pools(lambda pool: pool.steady)


def users_at_load(scenario: ResolvedScenario, service: ResolvedService, cold: int, requests: int) -> ResolvedScenario:
    """The same of a closed loop, whose users set the pace: what is cut is counted in requests, and the warm-up that the
    scenario asks for comes on top of what is measured.
    """
    alone = replace(without_outages(service), rate_limits=None)
    asked_s, traffic, more = scenario.warm_up_s or 0.0, service.traffic, 0
    if asked_s and isinstance(traffic, ClosedTraffic):
        more = min(MOST_REQUESTS, ceil(asked_s * traffic.users / cycle_s(spec_of(alone), traffic)))
    return replace(
        scenario,
        services=(alone,),
        duration_s=None,
        requests=cold + requests + more,
        warm_up_s=asked_s,
        warm_up_requests=cold + int(requests * (1 - 1 / WARM_UP)),
    )


def to_fill_caches(service: ResolvedService) -> int:
    """Requests after which each replica has seen nearly all prompts that come again, or has no room for more.

    Which replica gets a prompt is as good as random: after four requests for each prompt on each replica, 98 % of them
    have been there (1 - e^-4).
    """
    traffic = service.traffic
    if not service.finds_prompts or isinstance(traffic, TraceTraffic):
        return 0
    if isinstance(traffic.prefix, SystemPrompts):
        texts, share = traffic.prefix.count, traffic.prefix.share
    elif isinstance(traffic.prefix, Prefix):
        texts, share = traffic.prefix.distinct_prompts, 1.0
    else:
        return 0
    pool, memory = service.prefill_pool, service.prefill_pool.step_model.kv_memory
    room = ceil(memory.of_rank.sequences(traffic.mean_prompt_tokens))
    return min(MOST_REQUESTS // 2, ceil(4 * pool.replicas * memory.ranks * min(texts, room) / share))


def steady(traffic: Traffic) -> Traffic:
    """The traffic at a constant rate: a profile of the day has a peak, not a rate that it sustains."""
    if isinstance(traffic, OpenTraffic) and isinstance(traffic.arrivals, Profile):
        return replace(traffic, arrivals=traffic.arrivals.constant(1.0))
    return traffic


def lines_for_memory(summary: Summary, service: ResolvedService, near: float) -> bool:
    """Whether lines for the memory of GPUs decide an objective on waits that is within this factor of its limit, at an
    open load: requests wait for it at least half as much of the time as may miss.

    Pipelines of layers have not been looked at: nothing says how long windows must be there.
    """
    if isinstance(service.traffic, ClosedTraffic) or not isinstance(service.decode_pool.system.device, GpuDevice):
        return False
    waits = [each for each in summary.verdicts if each.objective.metric not in SPEEDS]
    return any(
        summary.short_of_blocks_share > tail_share(each.objective) / 2 and is_within(each, near) for each in waits
    )


def is_within(verdict: Verdict, near: float) -> bool:
    """Whether a value is within this factor of its limit; of attainment the share that misses.

    >>> slow = Objective("ttft_p95", "ttft", 95.0, 2.0)
    >>> is_within(Verdict(slow, 2.9, False), 1.5), is_within(Verdict(slow, 3.1, False), 1.5)
    (True, False)
    """
    value, limit = verdict.value, verdict.objective.limit
    if verdict.objective.metric == "attainment":
        value, limit = 1 - value, 1 - limit
    return limit / near < value < limit * near


def requests_needed(service: ResolvedService, load: float, effort: Effort) -> int:
    """Requests of a run at this load, those included that come while the fleet fills, but not its caches."""
    tail = min((tail_share(each) for each in service.objectives), default=0.1)
    measured = max(effort.fewest, effort.beyond / max(tail, 1e-4), effort.turnovers * held(service, load))
    return int(min(MOST_REQUESTS, measured * WARM_UP * burstiness(service)))


def burstiness(service: ResolvedService) -> float:
    """How many times more requests than of Poisson arrivals a run needs to see as much: with gaps' coefficient of
    variation c, (c^2 + 1) / 2 where that is more than 1, as waits and their variance grow (Kingman).
    """
    match steady(service.traffic):
        case OpenTraffic(arrivals=Gamma(cv=cv)):
            return max(1.0, (cv**2 + 1) / 2)
    return 1.0


def held(service: ResolvedService, load: float) -> float:
    """Requests that come while one is worked on, or a whole question, at this load, by the cost engine: those that the
    fleet holds at once, and calls that come while others wait for tools or for each other.
    """
    if isinstance(service.traffic, ClosedTraffic):
        return load
    if isinstance(service.traffic, TraceTraffic):
        calls, waits_s = service.traffic.in_a_row
        return calls * in_flight(service, load) + load * waits_s
    if service.sessions is None:
        return in_flight(service, load)
    typical = typical_calls(service.sessions)
    return typical.in_a_row * in_flight(service, load) + load * typical.waits_s


def tail_share(objective: Objective) -> float:
    """Share of the requests that may miss the limit.

    >>> round(tail_share(Objective("ttft_p99", "ttft", 99.0, 1.0)), 9)
    0.01
    """
    if objective.metric == "attainment":
        return 1 - objective.limit
    percent = 50.0 if isnan(objective.percent) else objective.percent
    return min(percent, 100 - percent) / 100


def hopeless(summary: Summary, objectives: Sequence[Objective], total: int) -> bool:
    """Whether the first part of a run has missed so often that the whole run misses an objective, whatever follows:
    more than twice as many requests as the objectives together allow in the whole run; or a tenth of the arrivals wait.
    """
    if summary.overloaded and summary.waiting_growth > 0.1 * summary.arrived:
        return True
    allowing = [each for each in objectives if each.metric in PER_REQUEST and not isnan(each.percent)]
    if not allowing:
        return False
    return summary.arrived * (1 - summary.attainment) > 2 * total * sum(map(tail_share, allowing))


def verdict(summaries: Sequence[Summary], level: float) -> tuple[bool | None, str]:
    """Whether a load is sustained (None: neither way), and what is missed or undecided.

    One run is taken at its word. Of several, each objective's value has a t interval over the replications: all of it
    must keep the limit, or all of it miss it. The queue grows where its growth is significantly above zero.
    """
    first = summaries[0]
    if len(summaries) == 1:
        reason = why_missed(first)
        return not reason, reason
    if all(each.unfinished for each in summaries):
        return False, "requests never finish"
    growth = of_independent([each.waiting_growth for each in summaries], level)
    arrived = sum(each.arrived for each in summaries) / len(summaries)
    if growth.low > 0 and growth.mean > GROWING * arrived:
        return False, "the queue grows"
    unsure = [] if growth.high < STEADY * arrived else ["growth of the queue"]
    for position, each in enumerate(first.verdicts):
        promise, values = each.objective, [summary.verdicts[position].value for summary in summaries]
        if all(map(isfinite, values)):
            interval = of_independent(values, level)
            kept = [promise.is_met_by(interval.low), promise.is_met_by(interval.high)]
        else:
            kept = [promise.is_met_by(value) for value in values]
        if not any(kept):
            return False, promise.name
        if not all(kept):
            unsure.append(promise.name)
    if unsure:
        return None, ", ".join(unsure)
    return True, ""


def why_missed(summary: Summary) -> str:
    """What one run misses; empty where it sustains the load."""
    if summary.overloaded:
        return "the queue grows"
    if summary.unfinished:
        return "requests never finish"
    if summary.arrived and summary.rejected == summary.arrived:
        return "every request is rejected"
    return summary.missed_objectives
