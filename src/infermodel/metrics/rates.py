"""What a service delivers a minute, told so that no length of the run moves it.

What finishes inside a window is a poor count of it: while the fleet still fills, less finishes than arrives, and
windows hold the noise of their arrivals. So below saturation an open load is delivered at its own rate, what comes in
goes out; a closed loop at users over their mean cycle (Little's law); and where the queue grows, at the tokens that
clients got over the time in which there was work.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isnan, nan

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.confidence import Interval, in_batches, of_independent, of_intercept
from infermodel.metrics.latency import latencies
from infermodel.metrics.steady import Window
from infermodel.metrics.throughput import Balance, Throughput, bin_edges, overlap, throughput
from infermodel.tables import FINISHED, REJECTED, RequestTable, ServiceRecord

OWN_RATE, CYCLE, BUSY_SPAN, WINDOW = "own rate", "users over cycle", "busy span", "window"
"""How a rate was told: the load's; by Little's law; tokens over the time with work; what finished in the window."""


SURE = 0.03
"""A rate of a closed loop that may be off by more than this share says so."""

BATCHES = 10
"""Of consecutive answers, whose means are taken for independent: enough to tell how much they differ, and in a run of
ten cycles each as long as an answer waits for others."""

FEWEST_IN_BATCH = 4
"""Answers; where there are fewer, each stands for itself."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What a load asks for, in the measured window.

    Attributes:
        rate_per_s: requests a second of an open load; NaN where nobody sets a rate: batches and closed loops.
        users: of a closed loop; 0: none.
        pause_s: mean pause of a user between an answer and the next request.
        refused_s: mean pause of a user after a refusal.
        prompt_tokens, output_tokens: mean of the laws that lengths are drawn from; NaN: as the run's requests are.
        joined_s: until when users of a closed loop come.
        ends: whether the requests end, all being measured: nobody comes after them.
    """

    rate_per_s: float = nan
    users: int = 0
    pause_s: float = 0.0
    refused_s: float = 0.0
    prompt_tokens: float = nan
    output_tokens: float = nan
    joined_s: float = 0.0
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """Rates a minute and how they were told.

    Attributes:
        offered_rpm: requests that the load asks for.
        served: of those, what clients get.
        way: `OWN_RATE`, `CYCLE`, `BUSY_SPAN` or `WINDOW`.
        warning: why the run is too short for these rates; empty where it is not.
    """

    offered_rpm: float
    served: Throughput
    way: str
    warning: str = ""


def told(
    record: ServiceRecord,
    window: Window,
    counts: Balance,
    offered: Offered,
    *,
    keeps_up: bool,
    answer_s: float = nan,
) -> Told:
    """The rates of a service.

    Args:
        record, window: of the run.
        counts: how the requests of the window ended.
        offered: what the load asks for.
        keeps_up: whether what comes in goes out, sooner or later.
        answer_s: mean time of an answer of a closed loop's users, where the window is too short to say; NaN: it is not.
    """
    requests = record.requests
    if offered.users and counts.finished:
        return of_users(requests, window, counts, offered, answer_s)
    arrived_rpm = counts.arrived * 60 / window.seconds
    rate_rpm = 60 * offered.rate_per_s if isfinite(offered.rate_per_s) else arrived_rpm
    if keeps_up and counts.arrived and isfinite(offered.rate_per_s):
        accepted = 1 - counts.rejected / counts.arrived
        served = with_tokens(requests, window, counts, offered, rate_rpm * accepted)
        return Told(rate_rpm, served, OWN_RATE)
    if not keeps_up and not offered.ends and isfinite(offered.rate_per_s):
        return Told(rate_rpm, of_busy_span(record, window.start_s), BUSY_SPAN)
    return Told(rate_rpm, throughput(requests, window), WINDOW)


def of_users(requests: RequestTable, window: Window, counts: Balance, offered: Offered, answer_s: float = nan) -> Told:
    """A closed loop's rates by Little's law: users / (mean time of an answer + mean pause).

    A rejected request takes no time but the pause after it. Where users still come, with less than a cycle of each, and
    where answers differ so much that their mean may be off, the run is too short, and says so.
    """
    answers = mean_answer(requests, window.holds(requests.arrived_at), offered)
    answer_s = answers.mean if isnan(answer_s) else answer_s
    ended, answered = counts.finished + counts.rejected, share_answered(counts)
    cycle_s = mean_cycle_s(offered, answered, answer_s)
    rpm = 60 * offered.users / cycle_s
    served = with_tokens(requests, window, counts, offered, rpm * answered)
    short = ""
    if ended < offered.users:
        asked = f"{counts.arrived} requests of {offered.users:,} users"
        short = f"too short a run: {asked} are not a whole cycle of each"
    elif window.start_s < offered.joined_s:
        short = f"users still come until {offered.joined_s:,.3g} s and the window starts at {window.start_s:,.3g} s"
    elif answers.half_width * answered > SURE * cycle_s:
        off = 100 * answers.half_width * answered / cycle_s
        short = f"too short a run: from {counts.arrived} requests the mean cycle may be off by {off:.2g} %"
    return Told(rpm, served, CYCLE, short)


def share_answered(counts: Balance) -> float:
    """Of the requests that have ended: the others were rejected."""
    return counts.finished / (counts.finished + counts.rejected)


def mean_cycle_s(offered: Offered, answered: float, answer_s: float) -> float:
    """From one request of a user until the next, on average, seconds.

    Args:
        offered: with the pauses of users.
        answered: share of their requests.
        answer_s: mean time of an answer.
    """
    return answered * (answer_s + offered.pause_s) + (1 - answered) * offered.refused_s


def mean_answer(requests: RequestTable, among: NDArray[np.bool_], offered: Offered) -> Interval:
    """Mean time of the answers among those requests, seconds, at the mean lengths that the load's laws ask for.

    A few hundred draws from a wide law are not as long on average as it says, and a mean cycle would be off by as much.
    So lengths are control variates (Lavenberg and Welch, 1981): the time of an answer is regressed on prompt's and
    output's tokens less the laws' means, and read where both are zero. Its interval is of what they do not explain.
    Answers wait for their neighbours' tokens as for their own, so that single ones say too little and seem to say it
    surely: means of consecutive batches are what is regressed. Who is rejected may be the long ones, so answers are
    then as long as those that finished.
    """
    e2e_s = latencies(requests)["e2e_s"][among]
    known = np.isfinite(e2e_s)
    count = int(known.sum())
    if not count:
        return of_independent([])
    batches = BATCHES if count >= FEWEST_IN_BATCH * BATCHES else count
    answers_s = in_batches(e2e_s[known], batches)
    if (requests.status[among] == REJECTED).any():
        return of_independent(answers_s)
    of_laws = (
        (requests.prompt_tokens, offered.prompt_tokens),
        (requests.output_tokens, offered.output_tokens),
    )
    lengths = [(tokens[among][known].astype(np.float64), law) for tokens, law in of_laws if isfinite(law)]
    beyond = [in_batches(tokens - law, batches) for tokens, law in lengths]
    varied = [each for each in beyond if np.ptp(each) > 0]
    return of_intercept(answers_s, varied) if varied else of_independent(answers_s)


def with_tokens(requests: RequestTable, window: Window, counts: Balance, offered: Offered, rpm: float) -> Throughput:
    """Tokens that go with so many requests a minute: as long as the laws say on average, or, where a law does not say
    or some requests are rejected, as those that finished were.
    """
    done = window.holds(requests.arrived_at) & (requests.status == FINISHED)
    if not done.any():  # of questions or logs whose answers all outlast the run
        done = window.holds(requests.arrived_at)
    measured = (float(requests.prompt_tokens[done].mean()), float(requests.output_tokens[done].mean()))
    asked = (offered.prompt_tokens, offered.output_tokens)
    prompt, output = (
        law if isfinite(law) and not counts.rejected else mean for law, mean in zip(asked, measured, strict=True)
    )
    return Throughput(rpm, rpm * prompt, rpm * output, rpm * prompt + rpm * output)


def of_busy_span(record: ServiceRecord, start_s: float) -> Throughput:
    """What clients got from `start_s` until the last arrival, while there was always work: prompts of requests that
    came to their first token, all tokens that steps made, and as many requests as have these tokens.
    """
    requests = record.requests
    span = Window(start_s, float(np.nextafter(min(record.ended_at, requests.arrived_at[-1]), np.inf)))
    begun, accepted = span.holds(requests.first_token_at), requests.status != REJECTED
    made = float(overlap(bin_edges(record), span) @ record.timeline.columns["output_tokens"])
    tpm = (float(requests.prompt_tokens[begun].sum()) + made) * 60 / span.seconds
    prompt, output = (float(each[accepted].sum()) for each in (requests.prompt_tokens, requests.output_tokens))
    part = tpm / (prompt + output) if accepted.any() else 0.0
    return Throughput(part * float(accepted.sum()), part * prompt, part * output, tpm)
