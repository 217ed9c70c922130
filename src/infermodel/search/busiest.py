"""A profile of the day for a plan: fleets are sized at its busiest step, and priced over the whole of it."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from infermodel.scenario.resolved import ResolvedScenario
from infermodel.workload.traffic import OpenTraffic, profile_of

LONGEST_PEAK_S = 600.0
"""Of the busiest step that is played: at a constant rate more of it says the same."""

WARM_UP = 0.2
"""Of what is played."""


def at_busiest(scenario: ResolvedScenario) -> ResolvedScenario:
    """The scenario of one service at the rate of its profile's busiest step, as long as that step lasts, at most
    `LONGEST_PEAK_S`; as it is where its rate does not vary.
    """
    (service,) = scenario.services
    profile = profile_of(service.traffic)
    if profile is None:
        return scenario
    rate, lasts_s = profile.busiest_step(inf if scenario.duration_s is None else scenario.duration_s)
    assert isinstance(service.traffic, OpenTraffic)  # that has a profile
    peak = replace(service, traffic=replace(service.traffic, arrivals=profile.constant(rate)))
    duration_s = min(lasts_s, LONGEST_PEAK_S)
    return replace(scenario, services=(peak,), duration_s=duration_s, requests=None, warm_up_s=WARM_UP * duration_s)


def mean_per_busiest(scenario: ResolvedScenario) -> float:
    """Mean rate of a profile, over the run or over a day where the run says no duration, over its busiest one; 1 where
    the rate does not vary.
    """
    profile = profile_of(scenario.services[0].traffic)
    if profile is None:
        return 1.0
    until_s = scenario.duration_s or profile.repeat_s
    mean = profile.mean_rate_per_s if until_s is None else profile.expected_arrivals(until_s) / until_s
    return mean / profile.busiest_step(until_s or inf)[0]
