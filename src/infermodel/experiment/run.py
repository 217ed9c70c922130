"""resolve -> simulate -> summarise -> price: the one way from a scenario to its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, nan

from infermodel.experiment.beside import fixed_scenarios, fleet_row
from infermodel.experiment.keeping_up import longer_run
from infermodel.experiment.offered import offered_of, rate_in
from infermodel.experiment.pricing import economics
from infermodel.experiment.processes import processes
from infermodel.experiment.result import Result, ServiceResult
from infermodel.metrics.fleets import FleetSummary
from infermodel.metrics.handover import handover_summary
from infermodel.metrics.laws import CheckedLaw, check_laws, parts_sum_to
from infermodel.metrics.questions import QuestionSummary, question_summary
from infermodel.metrics.rates import OWN_RATE
from infermodel.metrics.replications import combine
from infermodel.metrics.steady import Window, common_window, whole_run
from infermodel.metrics.summary import NOT_ASKED, Summary, summarise
from infermodel.metrics.tenants import TenantSummary, tenant_summaries
from infermodel.scenario.resolved import ResolvedPool, ResolvedScenario, ResolvedService
from infermodel.simulation import Horizon, PoolSpec, ServiceSpec, Stepping, simulate
from infermodel.simulation.clients.joining import joining_s
from infermodel.simulation.spec import front_end_of
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Offline
from infermodel.workload.traffic import OpenTraffic, TraceTraffic, Traffic, profile_of


def run(
    scenario: ResolvedScenario,
    *,
    replications: int = 1,
    jobs: int = 1,
    stepping: Stepping = "leap",
    on_progress: Callable[[], None] = lambda: None,
) -> Result:
    """Simulate every service of a scenario on one clock and derive its answers.

    Args:
        scenario: resolved.
        replications: independent repetitions; summaries are their means, records those of the first.
        jobs: processes for them; the result does not depend on it.
        stepping: `leap`, or stop at `every` step (identical results, slower).
        on_progress: called after each replication.

    Raises:
        BrokenLaw: the simulation contradicts itself; a bug, never a result.
    """
    one = partial(replicate, scenario, stepping)
    with processes(min(jobs, replications)) as mapped:
        repeated = list(_each(mapped(one, range(replications)), on_progress))
    results = []
    for index, service in enumerate(scenario.services):
        summary = combine([each.summaries[index] for each in repeated])
        record, priced = repeated[0].records[index], economics(service, summary)
        own = own_window(service, record, repeated[0].window)
        tenants, questions = tenants_of(service, record, own, summary), questions_of(service, record, own, summary)
        between = handover_summary(record, own)
        fleets = fleets_of(scenario, service, record, repeated[0].summaries[index], own)
        results.append(ServiceResult(service, record, summary, priced, tenants, questions, between, fleets))
    laws = [law for each in repeated for law in each.laws]
    for each in results:
        parts = {name: part.mid for name, part in each.economics.hourly.parts.items()}
        laws.append(parts_sum_to(each.economics.hourly.total.mid, parts, each.service.name))
        split = each.economics.split
        if split is not None:
            shares = {"input": split.input_usd.mid, "cached": split.cached_usd.mid, "output": split.output_usd.mid}
            laws.append(parts_sum_to(each.economics.hourly.total.mid, shares, each.service.name))
    return Result(scenario, repeated[0].window, tuple(results), tuple(laws))


def _each(replications: Iterable[Replication], on_progress: Callable[[], None]) -> Iterator[Replication]:
    for replication in replications:
        on_progress()
        yield replication


@dataclass(frozen=True)
class Replication:
    """One repetition: records (of the first one only, they are large), their summaries, the laws that held."""

    window: Window
    records: tuple[ServiceRecord, ...]
    summaries: tuple[Summary, ...]
    laws: tuple[CheckedLaw, ...]


def replicate(scenario: ResolvedScenario, stepping: Stepping, number: int, *, ask_longer: bool = True) -> Replication:
    """One repetition, whose random numbers are its own.

    Args:
        scenario: resolved.
        stepping: as in `run`.
        number: of the repetition.
        ask_longer: whether a longer run says if the fleet keeps up, where this one is too short to see it.
    """
    horizon = Horizon(
        duration_s=inf if scenario.duration_s is None else scenario.duration_s,
        requests=inf if scenario.requests is None else scenario.requests,
    )
    specs = [spec_of(service) for service in scenario.services]
    records = simulate(specs, scenario.seed, horizon, replication=number, stepping=stepping)
    laws = tuple(law for record in records for law in check_laws(record))
    joined_s = [joining_s(spec) for spec in specs]
    window, ends = measured_window(scenario, records, max(joined_s)), is_measured_whole(scenario)
    summaries = []
    for service, spec, record, joined in zip(scenario.services, specs, records, joined_s, strict=True):
        own = own_window(service, record, window)
        summaries.append(
            summarise(
                record,
                own,
                service.objectives,
                systems=[pool.systems for pool in service.pools],
                offered=offered_of(service, record, own, ends=ends, joined_s=joined),
                longer=longer_run(scenario, service, spec, record, own, number) if ask_longer else NOT_ASKED,
            )
        )
    return Replication(window, records if number == 0 else (), tuple(summaries), laws)


def summary_of(alone: ResolvedScenario, number: int) -> Summary:
    """One replication of a service that runs alone, whatever a longer run would say."""
    (summary,) = replicate(alone, "leap", number, ask_longer=False).summaries
    return summary


def spec_of(service: ResolvedService) -> ServiceSpec:
    """What the simulation needs of a service."""
    first, last = service.prefill_pool.engine, service.decode_pool.engine
    return ServiceSpec(
        name=service.name,
        traffic=service.sessions or service.traffic,
        pools=tuple(map(pool_spec_of, service.pools)),
        ingress_s=first.ingress_s,
        tokenise_s=first.tokenise_s,
        egress_s=last.egress_s,
        rate_limits=service.rate_limits,
        link=service.link,
        first_router=service.first_router,
    )


def pool_spec_of(pool: ResolvedPool) -> PoolSpec:
    """What the simulation needs of a pool."""
    return PoolSpec(
        step_model=pool.step_model,
        limits=pool.limits,
        replicas=pool.replicas,
        systems=pool.groups,
        queue=pool.queue,
        router=pool.router,
        outages=pool.outages,
        speculation=pool.speculation,
        front_end=front_end_of(
            pool.engine, pool.deployment, processes=pool.api_servers, tokens_a_chunk=pool.stream_interval
        ),
        rank_router=pool.engine.rank_router,
        role=pool.role,
        name=pool.name,
        signals_every_s=pool.signals_every_s,
        failures=pool.failures,
        scaling=pool.scaling,
    )


def measured_window(scenario: ResolvedScenario, records: Sequence[ServiceRecord], joined_s: float = 0.0) -> Window:
    """One window for all services; see `is_measured_whole` for when that is the whole run.

    Args:
        scenario, records: of the run.
        joined_s: until when users of closed loops come; nothing before it is measured unless the scenario says how
            long its warm-up is, or the run is over by then.
    """
    whole = max((whole_run(record) for record in records), key=lambda window: window.end_s)
    if is_measured_whole(scenario):
        return whole
    end_s = last_arrival_s(scenario, records)
    if scenario.duration_s is None and any(record.requests.arrived_at[0] == end_s for record in records):
        return Window(0.0, min(next_arrival_s(records, end_s), whole.end_s))
    never_steady = all(is_finite(each.traffic) or profile_of(each.traffic) for each in scenario.services)
    start_s = 0.0 if scenario.warm_up_s is None and never_steady else scenario.warm_up_s
    try:
        return common_window(records, end_s, start_s=start_s, least_s=least_start_s(scenario, records, joined_s))
    except ValueError:  # shorter than a bin of the timeline: nothing to cut
        return Window(0.0, end_s)


def least_start_s(scenario: ResolvedScenario, records: Sequence[ServiceRecord], joined_s: float) -> float:
    """Before which nothing is measured, whatever MSER-5 says: the users have come, and the requests of a warm-up."""
    if not scenario.warm_up_requests:
        return joined_s if scenario.warm_up_s is None else 0.0
    number = scenario.warm_up_requests
    firsts = [times[number] for times in (record.requests.arrived_at for record in records) if number < len(times)]
    return max([joined_s, *map(float, firsts)])


def next_arrival_s(records: Sequence[ServiceRecord], moment_s: float) -> float:
    """When the first request after `moment_s` comes, infinity where none does: what all came at that moment is measured
    like an offline batch, to its last answer, but a window must not hold those who come meanwhile.
    """
    later = [times[times > moment_s] for times in (record.requests.arrived_at for record in records)]
    return min((float(times[0]) for times in later if len(times)), default=inf)


def is_measured_whole(scenario: ResolvedScenario) -> bool:
    """Whether everything that is sent counts, its last answer included.

    Offline batches, and traces that no duration or number of requests cuts short, are measured whole unless a warm-up
    is asked for; of a trace that is cut short, what arrives after the cut keeps the fleet busy and is not measured.
    """
    cut_short = scenario.duration_s is not None or scenario.requests is not None
    ends_by_itself = is_offline if cut_short else is_finite
    return scenario.warm_up_s is None and all(ends_by_itself(service.traffic) for service in scenario.services)


def own_window(service: ResolvedService, record: ServiceRecord, common: Window) -> Window:
    """The common window; of an offline batch its own makespan, or a fast service's rate would be the slowest one's."""
    return whole_run(record) if is_offline(service.traffic) else common


def fleets_of(
    scenario: ResolvedScenario, service: ResolvedService, record: ServiceRecord, summary: Summary, window: Window
) -> tuple[FleetSummary, ...]:
    """What a fleet did whose systems fail or whose replicas start and stop, and the fixed fleets that are played beside
    it, in the first replication; nothing of other fleets.
    """
    if record.states is None:
        return ()
    scales = any(pool.scaling is not None for pool in service.pools)
    found = [fleet_row(service, record, summary, window, "scaled" if scales else "fixed")]
    for fixed in fixed_scenarios(scenario, service, window):
        played = replicate(fixed, "leap", 0, ask_longer=False)
        found.append(fleet_row(fixed.services[0], played.records[0], played.summaries[0], played.window, "fixed"))
    return tuple(found)


def tenants_of(
    service: ResolvedService, record: ServiceRecord, window: Window, summary: Summary
) -> tuple[TenantSummary, ...]:
    """What the keys of a service got in its own window; nothing where it has no rate limits."""
    rpm = summary.rpm if summary.rate_way == OWN_RATE else nan
    return tenant_summaries(record, window, service.tenant_objectives, rpm)


def questions_of(
    service: ResolvedService, record: ServiceRecord, window: Window, summary: Summary
) -> QuestionSummary | None:
    """What the questions of a service came to in its own window; None where its requests are no calls of any."""
    keeps_up = service.sessions is not None and summary.rate_way == OWN_RATE
    asked_per_s = rate_in(service.sessions.arrivals, window) if service.sessions is not None and keeps_up else nan
    return question_summary(record, window, asked_per_s)


def is_offline(traffic: Traffic) -> bool:
    """Whether all requests are there at the start."""
    return isinstance(traffic, OpenTraffic) and isinstance(traffic.arrivals, Offline)


def is_finite(traffic: Traffic) -> bool:
    """Whether the traffic ends by itself."""
    return isinstance(traffic, TraceTraffic) or is_offline(traffic)


def last_arrival_s(scenario: ResolvedScenario, records: Sequence[ServiceRecord]) -> float:
    """When the measured arrivals end."""
    if scenario.duration_s is not None:
        return scenario.duration_s
    return min(float(record.requests.arrived_at[: scenario.requests][-1]) for record in records)
