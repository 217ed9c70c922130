"""Questions about how much there is room for: requests, contexts, models, tokens a day."""

from __future__ import annotations

from math import floor, log2

from infermodel import catalog
from infermodel.claims.evidence import Arguments, Evidence, rebuilt, speed_tok_s
from infermodel.claims.memory import fewest_devices, usable_ends
from infermodel.claims.speed import CONTEXT
from infermodel.claims.verdict import Answer
from infermodel.cost.step import DoesNotFit, StepModel
from infermodel.hardware import System
from infermodel.workload.quotas import RateLimit, most_tokens

DAY_S = 86400.0


def requests_at_once(evidence: Evidence, arguments: Arguments) -> Answer:
    """Requests of each of `contexts` that fit into the KV memory of a replica of each of `services`."""
    cases = {
        f"{int(context):,} tokens on {found.service.name}": _at_once(found.service.decode_pool.step_model, int(context))
        for found in evidence.services(arguments)
        for context in arguments["contexts"]
    }
    reason = "room for " + ", ".join(f"{count:,} requests of {case}" for case, count in cases.items())
    return Answer.from_worst_to_best(
        {case: float(count) for case, count in cases.items()}, reason, "requests are short, such as {case}"
    )


def _at_once(model: StepModel, context: int) -> int:
    return int(model.kv_memory.sequences(context))


def longest_context(evidence: Evidence, arguments: Arguments) -> Answer:
    """Tokens of context that fit into the KV memory of a replica of each of `services`: the longest single request."""
    cases = {
        found.service.name: float(found.service.decode_pool.step_model.kv_memory.fits_alone)
        for found in evidence.services(arguments)
    }
    reason = "all KV memory of a replica holds " + ", ".join(f"{n:,.0f} tokens on {name}" for name, n in cases.items())
    return Answer.from_worst_to_best(cases, reason, "a replica has the memory of {case}")


def context_limit(evidence: Evidence, arguments: Arguments) -> Answer:
    """Tokens of the longest context, a power of two, of which so many `requests` fit on a replica of a `service`."""
    service, requests = evidence.service(arguments).service, int(arguments["requests"])

    def limit(on: System) -> tuple[float, int]:
        try:
            room = rebuilt(service, on, devices=service.decode_pool.devices_per_replica).kv_memory.tokens
        except DoesNotFit:
            return 0.0, 0
        return (2.0 ** floor(log2(room / requests)) if room >= requests else 0.0), room

    (most, _), (usual, room), (least, _) = (limit(each) for each in usable_ends(service.decode_pool.system))
    reason = f"the longest power of two of which {requests} requests fit into {room:,} tokens of KV memory"
    return Answer(usual, least, most, reason, "more of the memory can be used")


def largest_model(evidence: Evidence, arguments: Arguments) -> Answer:
    """Parameters of the catalog's largest model that fits on any number of a `system`'s devices at a `precision`."""
    system, number = catalog.load_system(str(arguments["system"])), str(arguments.get("precision", "bf16"))
    context = int(arguments.get("context", 8192))
    models = sorted(map(catalog.load_model, catalog.names("models")), key=lambda model: -model.parameters)
    found = []
    for on in usable_ends(system):
        held = ((model, fewest_devices(model, on, number, context)) for model in models)
        found.append(next(((model, count) for model, count in held if count is not None), None))
    sizes = [float(each[0].parameters) if each else 0.0 for each in found]
    reason = f"no model of the catalog fits in {number}"
    if found[1]:
        model, count = found[1]
        reason = f"{model.title}, {model.parameters / 1e9:,.0f}e9 parameters in {number}, on {count} {system.title}"
    return Answer(sizes[1], sizes[2], sizes[0], reason, "enough of the memory can be used")


def tokens_per_day(evidence: Evidence, arguments: Arguments) -> Answer:
    """Tokens a day that so many `systems` serve at capacity, all of them as one or another of `services`."""
    systems, sought = int(arguments["systems"]), float(arguments["tokens"])
    cases, said = {}, []
    for found in evidence.services(arguments):
        capacity = evidence.capacity({"service": found.service.name})
        of_one = sum(pool.systems for pool in found.service.pools)
        per_system = 0.0 if capacity.summary is None else capacity.summary.tpm * 1440 / of_one
        cases[found.service.name] = per_system * systems
        needed = f"{sought / per_system:,.0f} systems" if per_system else "no number of systems"
        said.append(f"{needed} for {sought:.0e} tokens a day of {found.service.name}")
    reason = f"{', '.join(said)}; {arguments['source']}: {systems}"
    return Answer.from_worst_to_best(cases, reason, "enough of the systems serve {case}")


def quota(evidence: Evidence, arguments: Arguments) -> Answer:
    """Tokens that `limits` let one key have in a `duration`, in seconds, a day unless given."""
    limits, duration_s = rate_limits(arguments), float(arguments.get("duration", DAY_S))
    most = most_tokens(limits, duration_s)
    each = ", ".join(f"{most_tokens([limit], duration_s):,.0f} by the {limit.period_s:g} s limit" for limit in limits)
    return Answer.exactly(most, f"{each}; the least binds")


def sustained_rate(evidence: Evidence, arguments: Arguments) -> Answer:
    """Tokens/s that `limits` let a key have all day, and at most in one minute; beside it a stream of `service`."""
    limits = rate_limits(arguments)
    day = most_tokens(limits, DAY_S)
    burst = most_tokens(limits, 60.0)
    stream = speed_tok_s(evidence.service(arguments).service.decode_pool.step_model, CONTEXT)
    minutes = day / burst
    reason = (
        f"{burst:,.0f} in one minute, {day / 1440:,.0f} a minute over a day; the day's {day:,.0f} are gone after"
        f" {minutes:.1f} minutes; one user's stream alone makes {60 * stream:,.0f} a minute"
    )
    bounds = {"one stream": stream}
    return Answer(
        day / DAY_S, day / DAY_S, burst / 60, reason, f"a key sends for {minutes:.1f} minutes of a day", bounds
    )


def rate_limits(arguments: Arguments) -> list[RateLimit]:
    """`limits` as a list of {period, requests, tokens}, seconds and counts."""
    return [
        RateLimit(float(each["period"]), float(each["requests"]), float(each["tokens"])) for each in arguments["limits"]
    ]
