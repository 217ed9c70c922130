"""What the load of a service asks for, from its traffic; and whether the fleet keeps up, where a run is too short."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf, isfinite, nan

import numpy as np

from infermodel.metrics.latency import latencies
from infermodel.metrics.rates import SURE, Offered
from infermodel.metrics.steady import (
    FEWEST_REQUESTS,
    FEWEST_TURNOVERS,
    Window,
    fills_up,
    is_overloaded,
)
from infermodel.metrics.summary import NOT_ASKED, Longer
from infermodel.metrics.unfinished import answer_s
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.simulation import Horizon, ServiceSpec, simulate
from infermodel.simulation.clients.users import PAUSE_AFTER_REJECTION_S
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Arrivals, Profile
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, TraceTraffic

MOST_ASKED = 20_000
"""Requests of the longer run that says whether a fleet keeps up; where more would be needed, nobody can tell."""

LEAST_TURNOVERS = 4
"""Answers' times that it lasts at least: two in which the fleet fills, and two to look at."""

FEWEST_ASKED = 400
"""Requests that it has at least: in fewer a queue that grows by a tenth does not show."""


def offered_of(
    service: ResolvedService, record: ServiceRecord, window: Window, *, ends: bool, joined_s: float = 0.0
) -> Offered:
    """What the load asks for in the window.

    A law says its rate and its lengths. A log that is played whole has its requests over its span; one that is cut
    short, or whose requests follow answers, those of the window over theirs. Of questions the law gives the rate, and
    those asked the calls of each.

    Args:
        ends: whether nobody comes after the measured requests.
        joined_s: until when users of a closed loop come.
    """
    traffic, sessions = service.traffic, service.sessions
    if isinstance(traffic, ClosedTraffic):
        # Answers as long as drawn: the mean cycle is of these, so that what is odd about them cancels in the tokens.
        pause, prompt = traffic.think_time, mean_prompt(traffic)
        refused_s = pause.mean_at_least_s(PAUSE_AFTER_REJECTION_S)
        return Offered(nan, traffic.users, pause.mean_s, refused_s, prompt, joined_s=joined_s, ends=ends)
    if isinstance(traffic, TraceTraffic):
        whole = ends and traffic.requests.after is None and window.holds(record.requests.arrived_at).all()
        rate = traffic.mean_rate_per_s if whole else rate_of(record.requests.arrived_at, window)
        return Offered(rate, ends=ends)
    if sessions is not None:
        asked = record.questions
        calls = float(asked.calls.mean()) if asked is not None and len(asked.calls) else nan
        return Offered(calls * rate_in(sessions.arrivals, window), ends=ends)
    prompt, output = mean_prompt(traffic), traffic.mean_output_tokens
    return Offered(rate_in(traffic.arrivals, window), prompt_tokens=prompt, output_tokens=output, ends=ends)


def mean_prompt(traffic: OpenTraffic | ClosedTraffic) -> float:
    """Mean of the prompts' law; NaN where they come again: then they are only so many, and those were drawn once."""
    return nan if traffic.prefix else traffic.mean_prompt_tokens


def rate_in(arrivals: Arrivals, window: Window) -> float:
    """Mean requests a second that a law asks for in the window; NaN for a batch."""
    if isinstance(arrivals, Profile):
        expected = arrivals.expected_arrivals(window.end_s) - arrivals.expected_arrivals(window.start_s)
        return expected / window.seconds if expected else nan
    return arrivals.mean_rate_per_s


def rate_of(arrived_at: np.ndarray[tuple[int], np.dtype[np.float64]], window: Window) -> float:
    """Requests a second of those that came in the window, over the time from the first of them to the last; NaN where
    they have none. The first is no interval's end.

    >>> rate_of(np.array([0.0, 1.0, 2.0, 3.0]), Window(0.5, 10.0))
    1.0
    """
    times = arrived_at[window.holds(arrived_at)]
    span_s = float(times[-1] - times[0]) if len(times) else 0.0
    return (len(times) - 1) / span_s if span_s > 0 else nan


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
        return loop_stays(scenario, service.traffic, spec, record, window, number)
    return keeps_up(scenario, service, spec, record, window, number)


def loop_stays(
    scenario: ResolvedScenario,
    traffic: ClosedTraffic,
    spec: ServiceSpec,
    record: ServiceRecord,
    window: Window,
    number: int,
) -> Longer:
    """Whether users go on at the pace of a window of fewer than ten cycles each: answers of equal length may still be
    falling into step. A longer run of twelve cycles is asked for its last six.
    """
    takes_s = latencies(record.requests)["e2e_s"][window.holds(record.requests.arrived_at)]
    asked = ceil(1.2 * FEWEST_TURNOVERS) * traffic.users
    if len(takes_s) >= FEWEST_TURNOVERS * traffic.users or not len(takes_s) or not np.isfinite(takes_s).all():
        return NOT_ASKED
    if asked > MOST_ASKED:
        return NOT_ASKED
    (longer,) = simulate([spec], scenario.seed, Horizon(requests=asked), replication=number)
    later_s = latencies(longer.requests)["e2e_s"][asked // 2 : asked]
    if not np.isfinite(later_s).all():
        return NOT_ASKED
    pause_s = traffic.think_time.mean_s
    rpm, later = (60 * traffic.users / (float(each.mean()) + pause_s) for each in (takes_s, later_s))
    if abs(rpm - later) <= SURE * later:
        return NOT_ASKED
    return Longer(unsure=f"too short a run: {len(takes_s)} requests say {rpm:.4g} a minute, {asked} say {later:.4g}")


def keeps_up(
    scenario: ResolvedScenario,
    service: ResolvedService,
    spec: ServiceSpec,
    record: ServiceRecord,
    window: Window,
    number: int,
) -> Longer:
    """Whether the fleet keeps up with an open load whose own window is too short to see a queue grow.

    Short is a window of fewer than ten answers' times, or of fewer than a hundred requests. The longer run is of the
    same traffic (a log again and again), ten answers long, or four where that takes too many requests; it is asked for
    nothing but whether, in its second half, the queue grows or more and more requests are under way.
    """
    rate = offered_of(service, record, window, ends=True).rate_per_s
    times = record.requests.arrived_at[window.holds(record.requests.arrived_at)]
    if not isfinite(rate) or is_overloaded(record.requests, window):
        return NOT_ASKED
    if isinstance(service.traffic, TraceTraffic):  # after its last request a queue only shrinks
        window = Window(window.start_s, min(window.end_s, float(np.nextafter(times[-1], inf))))
        if is_overloaded(record.requests, window):
            return Longer(grows=True)
    takes_s = time_of_an_answer_s(record, window)
    if not isfinite(takes_s) or (window.seconds >= FEWEST_TURNOVERS * takes_s and len(times) >= FEWEST_REQUESTS):
        return NOT_ASKED
    lasts_s = min(max(FEWEST_TURNOVERS * takes_s, FEWEST_ASKED / rate), MOST_ASKED / rate)
    if lasts_s < LEAST_TURNOVERS * takes_s:
        return Longer(unsure="too short to tell whether the fleet keeps up: an answer takes longer than the run")
    if isinstance(service.traffic, TraceTraffic):
        again = ceil(lasts_s / service.traffic.window_s)
        spec = replace(spec, traffic=replace(service.traffic, repeat=again * service.traffic.repeat))
    (longer,) = simulate([spec], scenario.seed, Horizon(duration_s=lasts_s, drain_s=0.0), replication=number)
    second_half = Window(lasts_s / 2, lasts_s)
    return Longer(is_overloaded(longer.requests, second_half) or fills_up(longer.requests, second_half))


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
