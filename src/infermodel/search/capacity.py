"""The largest load that a service sustains at its objectives, as a bracket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import inf, isfinite, nan
from time import monotonic

from infermodel.experiment.pricing import economics
from infermodel.experiment.processes import nobody, processes, tell
from infermodel.experiment.result import Capacity, CapacityPoint
from infermodel.experiment.run import replicate
from infermodel.metrics.objectives import MINIMA
from infermodel.metrics.summary import Summary
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.search.estimate import in_flight, rate_of_calls, zero_load_e2e_s
from infermodel.search.probe import COARSE, SPEEDS, Effort, Mapper, judge, steady, to_tell_apart, why_missed
from infermodel.workload.arrivals import Offline
from infermodel.workload.lengths import Fixed
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic
from infermodel.workload.typical_calls import typical_calls

MOST_LOADS = 40
FIRST_STEP = 1.19
"""From the guess; the steps after it are its square, at most 2."""

ALONE = 1e-3
"""Requests in flight at what counts as zero load."""

KV_MEMORY = "KV memory"

LIMITS_SHORT: Mapping[str, str] = {
    "seats": "seats (max_sequences)",
    "budget": "token budget (max_batched_tokens)",
    "blocks": KV_MEMORY,
}
"""What requests wait for, see `recorder.SHORT_OF`, in words."""

SHORT = 0.05
"""Share of the replicas' (and their ranks') time in which requests wait for something, from which on it binds."""

FRONT_END_FULL = 0.9
"""Use of the API servers beyond which requests queue for them rather than for the replicas."""

CURVE = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95)
"""Shares of the capacity at which a deep search looks at the latencies too."""


def find_capacities(
    scenario: ResolvedScenario,
    *,
    width: float,
    effort: Effort = COARSE,
    jobs: int = 1,
    on_found: Callable[[Capacity], None] = lambda _: None,
    on_load: Callable[[str], None] = nobody,
    until: float = inf,
) -> tuple[Capacity, ...]:
    """The capacity of every service that has objectives, each alone, in order.

    Args:
        scenario: resolved.
        width: of each bracket, relative; see `find_capacity`.
        effort: `COARSE` or `DEEP`, or between.
        jobs: processes; over services where there are several, else over replications. No result depends on it.
        on_found: called with each capacity, in order.
        on_load: told in words how far the search of a service is, after each load.
        until: of the monotonic clock: from then on no other load is tried, and brackets are what they are by then.
    """
    services = [service for service in scenario.services if service.objectives]
    if not services:
        return ()
    one = partial(find_capacity, scenario, width=width, effort=effort, until=until)
    found = []
    with processes(min(jobs, max(len(services), effort.replications)), on_load) as mapper:
        # Services take very different times: one after the other to whichever process is free.
        answers = mapper(one, services) if len(services) > 1 else (one(each, mapper=mapper) for each in services)
        for capacity in answers:
            on_found(capacity)
            found.append(capacity)
    return tuple(found)


def find_capacity(
    scenario: ResolvedScenario,
    service: ResolvedService,
    *,
    width: float = 0.02,
    effort: Effort = COARSE,
    mapper: Mapper = map,
    until: float = inf,
) -> Capacity:
    """Bracket the largest arrival rate (closed loops: number of users) that keeps every objective.

    Each load is simulated with the same random numbers, so that the requests are the same, closer or farther apart.
    From the cost engine's guess the load is raised or lowered by growing steps, at most doubled, and then bisected.
    Where the replications decide neither way the bracket ends on both sides of such loads, and the note says so.

    Args:
        scenario: for seed and prices.
        service: with its traffic and objectives. Of a daily profile the search keeps the law and drops the shape. Where
            requests are calls of questions, the rate is that of calls.
        width: the bracket's upper end is at most this far above its lower end, as a share of it.
        effort: replications and lengths of the runs.
        mapper: runs replications.
        until: see `find_capacities`; one load is tried whatever the time.
    """
    traffic = service.traffic
    if isinstance(traffic, OpenTraffic) and isinstance(traffic.arrivals, Offline):
        note = "an offline batch has no rate to search over"
        return Capacity(service.name, "requests/s", 0.0, inf, None, None, "", "", (), note=note)
    service, effort = as_calls(service), to_tell_apart(effort, width)
    closed = isinstance(traffic, ClosedTraffic)
    guess = 0.9 * rate_of_calls(service)
    if closed:
        guess = max(1.0, round(in_flight(service, guess)))
    nothing = 1.0 if closed else ALONE / zero_load_e2e_s(service)
    search = _Search(
        partial(judge, scenario, service, effort=effort, mapper=mapper), nothing, closed=closed, until=until
    )
    search.bracket(guess, FIRST_STEP)
    search.bisect(width)
    offered = load_of(service)
    if search.high <= offered < inf and search.goes_on():
        search.believe(own_run(scenario, service, offered))
        search.bracket(offered, FIRST_STEP)
        search.bisect(width)
    if effort.curve and search.low:
        for share in CURVE:
            if search.goes_on():
                search.look(share * search.low)
    return answer_of(service, search)


def load_of(service: ResolvedService) -> float:
    """The load that the scenario itself offers, in the unit of the search; NaN where it has no steady rate."""
    if isinstance(service.traffic, ClosedTraffic):
        return float(service.traffic.users)
    if steady(service.traffic) is not service.traffic:
        return nan
    if service.sessions is not None:
        return service.sessions.arrivals.mean_rate_per_s * typical_calls(service.sessions).calls
    return service.traffic.mean_rate_per_s


def own_run(scenario: ResolvedScenario, service: ResolvedService, load: float) -> CapacityPoint:
    """The scenario's own run of this service, as a load that the search has tried."""
    (summary,) = replicate(replace(scenario, services=(service,)), "leap", 0).summaries
    reason = why_missed(summary) or summary.tail_warning or summary.rate_warning
    return CapacityPoint(load, summary, not reason, reason, economics(service, summary))


def as_calls(service: ResolvedService) -> ResolvedService:
    """The service with the lengths of its questions' calls in place of the questions', for guesses."""
    if service.sessions is None:
        return service
    typical = typical_calls(service.sessions)
    prompt, output = Fixed(round(typical.prompt_tokens)), Fixed(max(1, round(typical.output_tokens)))
    return replace(service, traffic=OpenTraffic(service.sessions.arrivals, prompt, output))


class _Search:
    """The loads tried so far and what they say: sustained up to `low`, not sustained from `high` on.

    Attributes:
        nothing: the load at which requests do not meet.
        until: of the monotonic clock, when no other load is tried.
        cut_short: whether that kept a load from being tried.
        alone: what the service does there, once it has been looked at.
        believed: an offered load whose own run keeps every objective: what is missed below it is luck of shorter runs.
    """

    def __init__(
        self, judge_load: Callable[[float], CapacityPoint], nothing: float, *, closed: bool, until: float = inf
    ) -> None:
        self.judge_load, self.nothing, self.closed, self.until = judge_load, nothing, closed, until
        self.tried: dict[float, CapacityPoint] = {}
        self.low, self.high = 0.0, inf
        self.alone: CapacityPoint | None = None
        self.believed = 0.0
        self.cut_short = False

    def goes_on(self) -> bool:
        """Whether another load may be tried."""
        if len(self.tried) < MOST_LOADS and monotonic() < self.until:
            return True
        self.cut_short = self.cut_short or monotonic() >= self.until
        return False

    @property
    def undecided(self) -> list[float]:
        """Loads inside the bracket that the replications could not decide, ascending."""
        return sorted(x for x, p in self.tried.items() if p.sustained is None and self.low < x < self.high)

    def look(self, load: float) -> None:
        """Try a load (closed loops: the nearest whole number of users) and move the bracket's ends."""
        load = float(max(1, round(load))) if self.closed else load
        if load in self.tried:
            return
        self.tried[load] = self.judge_load(load)
        self.settle()
        tell(f"{self.tried[load].summary.service}: {self.so_far}")

    @property
    def so_far(self) -> str:
        """The bracket in words, while the search goes on."""
        unit, scale = ("users", 1) if self.closed else ("requests/min", 60)
        loads = "1 load" if len(self.tried) == 1 else f"{len(self.tried)} loads"
        held = [f"holds {scale * self.low:,.0f}"] if self.low else []
        missed = [f"not {scale * self.high:,.0f}"] if isfinite(self.high) else []
        return f"{loads} tried, {', '.join([*held, *missed])} {unit}"

    def settle(self) -> None:
        """Move the bracket's ends to what has been tried."""
        missed = (x for x, p in self.tried.items() if p.sustained is False and x > self.believed)
        self.high = min(missed, default=inf)
        self.low = max((x for x, p in self.tried.items() if p.sustained and x < self.high), default=0.0)

    def believe(self, own: CapacityPoint) -> None:
        """An offered load that meets its objectives in a run that is long enough never lies above the bracket."""
        if own.sustained:
            self.tried[own.load], self.believed = own, own.load
            self.settle()

    def bracket(self, guess: float, step: float) -> None:
        """From the guess go up until a load is not sustained, and down until one is, by growing steps."""
        self.look(guess)
        factor = step
        while self.high == inf and self.goes_on():
            self.look(max(max(self.tried) * factor, max(self.tried) + self.closed))
            factor = min(2.0, factor**2)
        factor = step
        while self.low == 0 and min(self.tried) > self.nothing and self.goes_on():
            load = min(min(self.tried) / factor, min(self.tried) - self.closed)
            if load < guess / 4 and self.alone is None:
                self.alone = self.judge_load(self.nothing)
                if self.alone.sustained is False:
                    return
            self.look(max(load, self.nothing))
            factor = min(2.0, factor**2)

    def bisect(self, width: float) -> None:
        """Halve the wider gap (in ratio) below or above the undecided loads until neither is wider than asked."""
        while self.low > 0 and self.high < inf:
            marks = [self.low, *self.undecided, self.high]
            below, above = max(((marks[0], marks[1]), (marks[-2], marks[-1])), key=lambda gap: gap[1] / gap[0])
            if above <= below * (1 + width) or (self.closed and above - below <= 1) or not self.goes_on():
                return
            middle = (below * above) ** 0.5
            self.look(min(above - 1, max(below + 1, round(middle))) if self.closed else middle)


def answer_of(service: ResolvedService, search: _Search) -> Capacity:
    """The bracket, what binds at its ends, and what a reader should know."""
    points = tuple(search.tried[load] for load in sorted(search.tried))
    at_low = search.tried[search.low] if search.low else None
    at_high = search.tried[search.high] if isfinite(search.high) else None
    return Capacity(
        service=service.name,
        unit="users" if search.closed else "requests/s",
        low=search.low,
        high=search.high,
        summary=at_low.summary if at_low else None,
        economics=at_low.economics if at_low else None,
        binding_objective=at_high.reason if at_high else "",
        binding_resource=binding_resource(at_low.summary, at_high.summary if at_high else None) if at_low else "",
        points=points,
        note=note_on(service, search),
    )


def note_on(service: ResolvedService, search: _Search) -> str:
    """What a reader should know of a bracket; empty where it speaks for itself."""
    notes = ["the time limit came first: the bracket so far"] if search.cut_short else []
    if not search.low and search.alone is None and search.cut_short:
        notes.append("no load tried was low enough")
    elif not search.low:
        alone = search.alone or search.tried[min(search.tried)]
        if alone.sustained is False:
            notes.append(f"no load meets the objectives: {unattainable(alone)}")
        else:
            notes.append("only loads at which requests hardly meet keep the objectives")
    if search.undecided:
        undecided = ", ".join(f"{load:.4g}" for load in search.undecided)
        runs = search.tried[search.undecided[0]].replications
        unit = "users" if search.closed else "requests/s"
        notes.append(f"{runs} replications decide neither way at {undecided} {unit}, so the bracket ends around it")
    if search.believed:
        below = [x for x, p in search.tried.items() if p.sustained is False and x < search.believed]
        unit = "users" if search.closed else "requests/s"
        missed = (
            f"though {min(below):.4g} miss {search.tried[min(below)].reason} in a run of the search" if below else ""
        )
        notes.append(
            f"the scenario's own run keeps its objectives at {search.believed:.4g} {unit}, {missed}".rstrip(", ")
        )
    if search.high == inf and not search.cut_short:
        notes.append("no load tried was too much")
    if service.sessions is not None:
        calls = typical_calls(service.sessions).calls
        notes.append(f"of calls, {calls:.4g} a question: {60 * search.low / calls:.4g} questions a minute")
    if steady(service.traffic) is not service.traffic:
        notes.append("of steady arrivals: the shape of the day is left out")
    if any(pool.outages for pool in service.pools):
        notes.append("with every system up: outages are left out")
    if any(pool.failures for pool in service.pools):
        notes.append("with every system up: failures are left out")
    if any(pool.scaling for pool in service.pools):
        notes.append("with every replica running: scaling is left out")
    if service.rate_limits is not None:
        notes.append("whatever keys may send: rate limits are left out")
    if any(service.tenant_objectives):
        notes.append("by the service's objectives: tenants may miss their own at this load")
    return "; ".join(notes)


def unattainable(alone: CapacityPoint) -> str:
    """Which promises a request breaks that meets no other, and what they would have to be."""
    said = []
    for each in alone.summary.verdicts:
        promise = each.objective
        if each.met:
            continue
        if not isfinite(each.value):
            said.append(f"{promise.name}: {alone.summary.rejected} of {alone.summary.arrived} requests are rejected")
            continue
        side = "at most" if promise.metric in MINIMA else "at least"
        said.append(
            f"alone on the fleet, {promise.name} is {each.value:.4g}; the limit of {promise.limit:.4g} would have to be"
            f" {side} that"
        )
    return "; ".join(said) or alone.reason


def binding_resource(summary: Summary, beyond: Summary | None = None) -> str:
    """What the service runs out of at this load: a front end, a limit, memory, or what its steps are bound by.

    Args:
        beyond: of the load that is too much; None: none is known. Where answers still run fast enough there, and
            requests wait for something, what they wait for most binds; not the token budget where arithmetic does.
    """
    if summary.front_end_use > FRONT_END_FULL:
        return "front end"
    shares = {
        bound: getattr(summary, f"bound_{bound}_share") for bound in ("compute", "memory", "network", "latency", "host")
    }
    bound = max(shares, key=lambda each: shares[each])
    if beyond is not None and not SPEEDS & {each.objective.metric for each in beyond.verdicts if not each.met}:
        short = {limit: getattr(beyond, f"short_of_{limit}_share") for limit in LIMITS_SHORT}
        limit = max(short, key=lambda each: short[each])
        if short[limit] > SHORT and not (limit == "budget" and bound == "compute"):
            return LIMITS_SHORT[limit]
    if summary.preemptions or summary.kv_use_peak > 0.95:
        return KV_MEMORY
    return bound
