"""What the load of a service asks for, from its traffic."""

from __future__ import annotations

from math import nan

import numpy as np

from infermodel.metrics.rates import Offered
from infermodel.metrics.steady import Window
from infermodel.scenario.resolved import ResolvedService
from infermodel.simulation.clients.users import PAUSE_AFTER_REJECTION_S
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Arrivals, Profile
from infermodel.workload.bodies import Prefix, SystemPrompts
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, TraceTraffic


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
        pause, prompt, output = traffic.think_time, mean_prompt(traffic), traffic.mean_output_tokens
        refused_s = pause.mean_at_least_s(PAUSE_AFTER_REJECTION_S)
        return Offered(nan, traffic.users, pause.mean_s, refused_s, prompt, output, joined_s=joined_s, ends=ends)
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
    """Mean of the prompts' law; NaN where they come again (they are only so many, and those were drawn once), and where
    some are longer for what they begin with.
    """
    return nan if isinstance(traffic.prefix, Prefix | SystemPrompts) else traffic.mean_prompt_tokens


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
