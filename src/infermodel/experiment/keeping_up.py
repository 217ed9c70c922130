"""Whether a service keeps up with its load, where its run is too short to see it: what a longer run says."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf, isfinite, isnan

import numpy as np

from infermodel.experiment.offered import offered_of
from infermodel.metrics.latency import latencies
from infermodel.metrics.rates import SURE, mean_answer, mean_cycle_s, share_answered
from infermodel.metrics.steady import (
    FEWEST_REQUESTS,
    FEWEST_TURNOVERS,
    Presence,
    Window,
    is_overloaded,
    presence,
    waiting_samples,
)
from infermodel.metrics.summary import NOT_ASKED, Longer
from infermodel.metrics.throughput import balance
from infermodel.metrics.unfinished import answer_s
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.simulation import Horizon, ServiceSpec, simulate
from infermodel.tables import ServiceRecord
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, TraceTraffic, profile_of

MOST_ASKED = 20_000
"""Requests of the longest run that says whether a fleet keeps up; where more would be needed, nobody can tell."""

TIMES, FEWEST_ASKED = 10, 3_000
"""The longest has so many times the requests of the run, and no fewer than these."""

STEP, FEWEST_AT_FIRST, FURTHER = 4, 400, 2.5
"""The first has so many times the requests of the run, and no fewer than these; the next so many times as many."""

LEAST_TURNOVERS = 4
"""Answers' times that one lasts at least: two in which the fleet fills, and two to look at."""

BELIEVED = 3_000
"""Requests of a window whose queue is believed to grow where it seems to."""

KEPT, LOST = 0.02, 0.04
"""Shares of the arrivals: a load of which more than the first, surely and twice, stays under way is too much; one of
which surely less than the second does, and less waits, is not."""

TOO_LONG = "too short to tell whether the fleet keeps up: an answer takes longer than the run"


def longer_run(
    scenario: ResolvedScenario,
    service: ResolvedService,
    spec: ServiceSpec,
    record: ServiceRecord,
    window: Window,
    number: int,
) -> Longer:
    """What a longer run says of one that is too short: of an open load whether the fleet keeps up, of a closed loop
    whether its rate stays.
    """
    if isinstance(service.traffic, ClosedTraffic):
        return loop_stays(scenario, service, service.traffic, spec, record, window, number)
    return keeps_up(scenario, service, spec, record, window, number)


def loop_stays(
    scenario: ResolvedScenario,
    service: ResolvedService,
    traffic: ClosedTraffic,
    spec: ServiceSpec,
    record: ServiceRecord,
    window: Window,
    number: int,
) -> Longer:
    """Whether users go on at the pace of a window of fewer than ten cycles each: answers of equal length may still be
    falling into step, and of a wide law the longest are not there yet. A longer run of twelve cycles is asked for its
    last eight; where it says otherwise, the rate is what it says.
    """
    asked = ceil(1.2 * FEWEST_TURNOVERS) * traffic.users
    counts = balance(record.requests, window)
    if counts.arrived >= FEWEST_TURNOVERS * traffic.users or asked > MOST_ASKED:
        return NOT_ASKED
    offered = offered_of(service, record, window, ends=False)
    own_s = mean_answer(record.requests, window.holds(record.requests.arrived_at), offered).mean
    if isnan(own_s):
        return NOT_ASKED
    (longer,) = simulate([spec], scenario.seed, Horizon(requests=asked), replication=number)
    order = np.arange(len(longer.requests))
    later_s = mean_answer(longer.requests, (order >= asked // 3) & (order < asked), offered).mean
    answered = share_answered(counts)
    rpm, later = (
        60 * traffic.users * answered / mean_cycle_s(offered, answered, each_s) for each_s in (own_s, later_s)
    )
    if not abs(rpm - later) > SURE * later:
        return NOT_ASKED
    said = f"{counts.arrived} requests say {rpm:.4g} a minute; told is what {asked} say, {later:.4g}"
    return Longer(answer_s=later_s, unsure=f"too short a run: {said}")


def keeps_up(
    scenario: ResolvedScenario,
    service: ResolvedService,
    spec: ServiceSpec,
    record: ServiceRecord,
    window: Window,
    number: int,
) -> Longer:
    """Whether the fleet keeps up with an open load whose own window is too short to tell.

    Short is a window of fewer than ten answers' times or a hundred requests; of steady arrivals also one in which more
    than 4 % of them may have stayed under way. Longer runs of the same traffic (a log again and again), up to ten times
    as long, are asked for their second halves, until one shows that the fleet keeps up, two in a row that it does not,
    since near saturation it fills for much longer than an answer takes, or the longest decides.
    """
    rate = offered_of(service, record, window, ends=True).rate_per_s
    if not isfinite(rate):
        return NOT_ASKED
    traffic, requests = service.traffic, record.requests
    times = requests.arrived_at[window.holds(requests.arrived_at)]
    if isinstance(traffic, TraceTraffic):  # after its last request a queue only shrinks
        window = Window(window.start_s, min(window.end_s, float(np.nextafter(times[-1], inf))))
        if is_overloaded(requests, window):
            return Longer(grows=True)
    takes_s = time_of_an_answer_s(record, window)
    if not isfinite(takes_s):
        return NOT_ASKED
    steady = isinstance(traffic, OpenTraffic) and profile_of(traffic) is None
    seen = presence(requests, window, takes_s)
    short = window.seconds < FEWEST_TURNOVERS * takes_s or len(times) < FEWEST_REQUESTS
    if not short and (stays(seen) or not steady):
        return NOT_ASKED
    least = LEAST_TURNOVERS * rate * takes_s
    most = min(MOST_ASKED, ceil(max(FEWEST_ASKED, TIMES * len(times), least)))
    if is_overloaded(requests, window) and (len(times) >= BELIEVED or least > MOST_ASKED):
        return NOT_ASKED
    if least > MOST_ASKED:
        return Longer(unsure=TOO_LONG)
    played, grew = min(most, ceil(max(FEWEST_AT_FIRST, STEP * len(times), least))), False
    while True:
        longer, half = longer_record(scenario, service, spec, played / rate, number)
        seen = presence(longer.requests, half, takes_s)
        stand = float(waiting_samples(longer.requests, half).mean()) > LOST * played
        if stays(seen) and not stand and played >= LEAST_TURNOVERS * rate * seen.takes_s:
            return Longer(grows=False)
        grows = seen.growth - 3 * seen.noise > KEPT
        if grows and grew:
            return Longer(grows=True)
        if played == most:
            return Longer(grows=stand or seen.growth > max(LOST, 3 * seen.noise))
        grew, played = grows, min(most, ceil(FURTHER * played))


def stays(seen: Presence) -> bool:
    """Whether what comes in surely goes out."""
    return seen.growth + 2 * seen.noise < LOST


def longer_record(
    scenario: ResolvedScenario, service: ResolvedService, spec: ServiceSpec, lasts_s: float, number: int
) -> tuple[ServiceRecord, Window]:
    """A run of so many seconds, and its second half."""
    if isinstance(service.traffic, TraceTraffic):
        again = ceil(lasts_s / service.traffic.window_s)
        spec = replace(spec, traffic=replace(service.traffic, repeat=again * service.traffic.repeat))
    (longer,) = simulate([spec], scenario.seed, Horizon(duration_s=lasts_s, drain_s=0.0), replication=number)
    return longer, Window(lasts_s / 2, lasts_s)


def time_of_an_answer_s(record: ServiceRecord, window: Window) -> float:
    """Mean time to the end of a request of the window, or of a whole question; of those that have not ended by the end
    of the run, at least what their tokens take. Infinite where nobody can tell.
    """
    if record.questions is not None:
        times_s = (record.questions.answered_at - record.questions.arrived_at)[
            window.holds(record.questions.arrived_at)
        ]
    else:
        times_s = latencies(record.requests)["e2e_s"][window.holds(record.requests.arrived_at)]
    ended = np.isfinite(times_s)
    mean_s = float(times_s[ended].mean()) if ended.any() else 0.0
    return max(mean_s, 0.0 if ended.all() else answer_s(record)) or inf
