"""Traffic of the schema to traffic of the workload."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from infermodel import catalog
from infermodel.architecture import ModelArchitecture
from infermodel.formats.hf.images import READERS
from infermodel.formats.own_log import Names
from infermodel.scenario.errors import named
from infermodel.scenario.schema import lengths as laws
from infermodel.scenario.schema import session
from infermodel.scenario.schema import traffic as schema
from infermodel.scenario.schema.types import LONGEST_S, MOST_REQUESTS
from infermodel.workload import arrivals, lengths, sessions, trace
from infermodel.workload.bodies import CachedShare, Prefix, Priorities, Shared, SystemPrompts
from infermodel.workload.images import Images
from infermodel.workload.quotas import RateLimits, key_names
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, ThinkTime, TraceTraffic, Traffic

Logs = dict[tuple[str, str | Names], trace.Log]
"""Traces read so far, by file and format or columns."""

MOST_TEXT = 200_000_000
"""Tokens of the prompts and answers of all calls of a question: each block of them has an id, some 500 MB in all."""


def resolve_traffic(traffic: schema.Traffic, folder: Path, logs: Logs) -> Traffic:
    """The traffic that a scenario asks for.

    Args:
        folder: of the scenario, where trace files are looked for first.
        logs: traces read so far; what is read here is added.

    Raises:
        TraceNotFound: no such trace file.
        FormatError: the trace is broken.
        ValueError: the trace's window is empty.
    """
    asked = traffic.arrivals
    prompt = resolve_lengths(traffic.prompt_tokens)
    output = resolve_lengths(traffic.output_tokens)
    if isinstance(asked, schema.Trace):
        key = _read_as(asked)
        if key not in logs:
            logs[key] = trace.load(*key, folder)
        return TraceTraffic(
            logs[key].requests, asked.rate_scale, asked.start, asked.end, asked.repeat, prompt=prompt, output=output
        )
    assert prompt is not None  # the schema asks for lengths where there is no trace
    assert output is not None
    prefix = resolve_prefix(traffic.prefix) if traffic.prefix else None
    priorities = Priorities(traffic.priorities.levels, traffic.priorities.shares) if traffic.priorities else None
    if isinstance(asked, schema.Closed):
        pause = ThinkTime(asked.think_time, asked.think_time_law)
        return ClosedTraffic(asked.users, prompt, output, pause, prefix, priorities, start=asked.start)
    return OpenTraffic(resolve_arrivals(asked), prompt, output, prefix, priorities)


def resolve_prefix(asked: schema.Prefix) -> Shared:
    """What prompts have in common."""
    if asked.cached is not None:
        return CachedShare(asked.cached)
    if asked.system_prompts is not None:
        assert asked.tokens is not None  # the schema asks for it
        return SystemPrompts(asked.system_prompts, asked.tokens, 1.0 if asked.share is None else asked.share)
    assert asked.distinct_prompts is not None  # one of the three is said
    return Prefix(asked.distinct_prompts, asked.order)


def _names(columns: schema.LogColumns | None) -> Names:
    assert columns is not None  # the schema asks for it where there is no format
    return Names(**{role: name or "" for role, name in columns.model_dump().items()})


def _read_as(asked: schema.Trace) -> tuple[str, str | Names]:
    return asked.file, asked.format or _names(asked.columns)


def with_keys(traffic: Traffic, asked: schema.Traffic, limits: RateLimits | None, logs: Logs) -> Traffic:
    """The traffic of a service with quotas, requests of a log that names their keys with these.

    Raises:
        ValueError: the log has a key that no tenant has.
    """
    if not isinstance(traffic, TraceTraffic) or not isinstance(asked.arrivals, schema.Trace) or limits is None:
        return traffic
    keys = logs[_read_as(asked.arrivals)].keys
    if keys is None:
        return traffic
    numbers = {name: i for i, name in enumerate(key_names(limits.tenants))}
    strange = sorted({*keys} - numbers.keys())
    if strange:
        told = ", ".join(named(each) if each else "none at all" for each in strange[:5])
        more = f" and {len(strange) - 5:,} more" if len(strange) > 5 else ""
        there = ", ".join([*numbers][:10]) + (" ..." if len(numbers) > 10 else "")
        raise ValueError(f"the log has keys that no tenant has: {told}{more}; those of the tenants are {there}")
    own = replace(traffic.requests, key=np.array([numbers[key] for key in keys], dtype=np.int64))
    return replace(traffic, requests=own)


def with_images(
    traffic: Traffic, asked: schema.Traffic, architecture: ModelArchitecture, families: Iterable[str]
) -> Traffic:
    """The traffic of a service, with images in its prompts as its model sees them, where any are asked for.

    Args:
        families: of the devices that the service runs on.

    Raises:
        ValueError: nobody says how the model sees images, or how long its encoder takes on such devices.
    """
    images = asked.images
    if images is None or isinstance(traffic, TraceTraffic):
        return traffic
    if strange := next((family for family in families if family != "gpu"), ""):
        raise ValueError(f"how long a {strange} takes to encode an image was never published; serve images on GPUs")
    encoder = architecture.images
    if encoder is None:
        if architecture.tower_parameters:
            known = ", ".join(sorted(READERS))
            raise ValueError(f"how {architecture.title} cuts images is not known; that of {known} is")
        seeing = ", ".join(name for name in catalog.names("models") if catalog.load_model(name).images)
        raise ValueError(f"{architecture.title} takes no images; models of the catalog that do: {seeing}")
    width, height = images.size
    held = Images(images.per_request, width * height, encoder.seen(width, height), images.share or 1.0)
    return replace(traffic, images=held)


def check_length(traffic: Traffic, requests: int | None) -> None:
    """Refuse what lasts so long that steps are lost in the rounding of late times.

    Args:
        traffic: that a service gets.
        requests: that end the run; None where a duration or the traffic itself does.

    Raises:
        ValueError: the run would last more than ten years of its own time.
    """
    lasts_s, suggestion = 0.0, ""
    if isinstance(traffic, TraceTraffic):
        lasts_s, suggestion = (
            traffic.window_s * traffic.repeat,
            "; start it later with 'from' or end it with 'to'",
        )
    elif isinstance(traffic, ClosedTraffic):
        lasts_s = (requests or 0) / traffic.users * traffic.think_time.mean_s
    elif traffic.mean_rate_per_s > 0:
        lasts_s = (requests or 0) / traffic.mean_rate_per_s
    if lasts_s > LONGEST_S:
        years = lasts_s / (365 * 86400)
        raise ValueError(f"would last {years:.3g} years of simulated time, more than ten{suggestion}")


def check_count(traffic: Traffic, duration_s: float | None, calls: int = 1) -> None:
    """Refuse what has more requests than a machine's memory.

    Args:
        traffic: that a service gets.
        duration_s: that ends the run; None where a number of requests or the traffic itself does.
        calls: of each question; 1 where requests stand alone.

    Raises:
        ValueError: the run would have more than `MOST_REQUESTS`.
    """
    sent, suggestion = 0.0, ""
    if isinstance(traffic, TraceTraffic):
        sent, suggestion = float(traffic.total_requests), "; repeat it less often"
    elif isinstance(traffic, OpenTraffic) and isinstance(traffic.arrivals, arrivals.Offline):
        sent = float(traffic.arrivals.requests * calls)
    elif isinstance(traffic, OpenTraffic) and duration_s is not None:
        law = traffic.arrivals
        many = law.expected_arrivals if isinstance(law, arrivals.Profile) else lambda until: law.mean_rate_per_s * until
        sent, suggestion = many(duration_s) * calls, "; lower the rate or 'duration'"
    if sent > MOST_REQUESTS:
        raise ValueError(f"would send {sent:.3g} requests, more than {MOST_REQUESTS // 10**6} million{suggestion}")


def check_question(asked: schema.Traffic) -> int:
    """How many calls a question takes; 1 where requests stand alone.

    Raises:
        ValueError: all its calls together read and write so much that the text of a few questions fills the memory.
    """
    asker = resolve_sessions(asked, 1)
    if asker is None:
        return 1
    generator = np.random.default_rng(0)
    plan = asker.pattern.plan(int(asker.question.draw(generator, 1)[0]), generator)
    text = sum(call.prompt_tokens + call.output_tokens for call in plan)
    if text > MOST_TEXT:
        said = f"its calls read and write {text:.3g} tokens, more than {MOST_TEXT // 10**6} million"
        raise ValueError(f"{said}; fewer calls, or shorter ones")
    return len(plan)


def resolve_sessions(asked: schema.Traffic, block_tokens: int) -> sessions.SessionTraffic | None:
    """How questions are worked on; None where requests stand alone.

    Args:
        asked: of the scenario.
        block_tokens: of the engine's KV blocks.
    """
    if asked.session is None or isinstance(asked.arrivals, schema.Trace | schema.Closed):
        return None
    question, output = resolve_lengths(asked.prompt_tokens), resolve_lengths(asked.output_tokens)
    assert question is not None  # the schema asks for lengths where there is no trace
    assert output is not None
    pattern: sessions.Pattern
    system_tokens = 0
    match asked.session:
        case session.Chain():
            added = resolve_lengths(asked.session.added)
            calls = lengths.Fixed(asked.session.calls)
            pattern = sessions.Chain(calls, output, added, ThinkTime(asked.session.wait))
        case session.Conversation():
            talk = asked.session
            law = lengths.Geometric if talk.turns_law == "geometric" else lengths.Fixed
            pause, system_tokens = ThinkTime(talk.think_time, talk.think_time_law), talk.system_tokens or 0
            pattern = sessions.Chain(law(talk.turns), output, resolve_lengths(talk.user_tokens), pause)
        case session.BestOf():
            pattern = sessions.BestOf(asked.session.answers, output, resolve_lengths(asked.session.verdict))
        case session.TreeSearch():
            pattern = sessions.TreeSearch(asked.session.depth, asked.session.width, asked.session.keep, output)
    arriving = resolve_arrivals(asked.arrivals)
    return sessions.SessionTraffic(arriving, question, pattern, system_tokens, block_tokens=block_tokens)


def resolve_arrivals(
    asked: schema.Constant | schema.Poisson | schema.Gamma | schema.Profile | schema.Offline,
) -> arrivals.Arrivals:
    """The law of arrivals that a scenario asks for."""
    match asked:
        case schema.Constant():
            return arrivals.Constant(asked.rate)
        case schema.Poisson():
            return arrivals.Poisson(asked.rate)
        case schema.Gamma():
            return arrivals.Gamma(asked.rate, asked.cv)
        case schema.Profile():
            starts, rates = zip(*asked.rates, strict=True)
            return arrivals.Profile(starts, rates, asked.repeat, asked.cv)
        case schema.Offline():
            return arrivals.Offline(asked.requests)


def resolve_lengths(asked: laws.Lengths | None) -> lengths.Lengths | None:
    """The law of lengths that a scenario asks for; None where they are the trace's."""
    match asked:
        case laws.Fixed():
            return lengths.Fixed(asked.tokens)
        case laws.Uniform():
            return lengths.Uniform(asked.low, asked.high)
        case laws.Lognormal():
            return lengths.Lognormal(asked.mean, asked.cv, asked.least, asked.greatest)
        case laws.Table():
            return lengths.Table(asked.tokens, asked.weights)
        case _:
            return None
