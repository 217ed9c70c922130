"""The questions that a claim may ask, by name; each answers in SI units from evidence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infermodel.claims import memory, price, scale, speed
from infermodel.claims.arguments import (
    Check,
    Signature,
    Slip,
    device,
    model,
    number,
    one_or_several,
    precision,
    price_list,
    rate_limit,
    service,
    several,
    system,
    text,
)
from infermodel.claims.evidence import Arguments, BadClaim, Evidence
from infermodel.claims.verdict import Answer
from infermodel.scenario.errors import did_you_mean, named


def ratio(evidence: Evidence, arguments: Arguments) -> Answer:
    """One answer `of` over another `to`."""
    above, below = (ask(evidence, arguments[side]) for side in ("of", "to"))
    reason = f"{above.value:.4g} over {below.value:.4g}: {above.reason}; {below.reason}"
    conditions = " and ".join(dict.fromkeys(filter(None, (above.condition, below.condition))))
    return Answer(above.value / below.value, above.low / below.high, above.high / below.low, reason, conditions)


def question(value: Any, services: Collection[str]) -> list[Slip]:
    """A question within a question."""
    if not isinstance(value, dict) or len(value) != 1:
        return [Slip((), f"expected one question, got {named(value)}")]
    return slips(value, services)


@dataclass(frozen=True)
class Question:
    """How a question is answered, and what it is asked with; those about capacity need the search for it."""

    answer: Callable[[Evidence, Arguments], Answer]
    needs: Mapping[str, Check]
    may_have: Mapping[str, Check] = field(default_factory=dict)
    at_capacity: bool = False


QUESTIONS: Mapping[str, Question] = {
    "speed": Question(speed.speed, {"service": service}, {"context": number}),
    "speed_in_use": Question(
        speed.speed_in_use, {"service": service}, {"context": number, "speed": number}, at_capacity=True
    ),
    "tensor_speedup": Question(
        speed.tensor_speedup, {"service": service}, {"context": number, "degrees": several(number)}
    ),
    "tokens_per_pass": Question(speed.tokens_per_pass, {"service": service, "speed": number}, {"context": number}),
    "hop_share": Question(speed.hop_share, {"service": service}, {"context": number}),
    "times_the_tokens": Question(
        speed.times_the_tokens, {"services": several(service), "tokens": number, "patience": number}
    ),
    "price": Question(price.price, {"service": service}, {"part": text}, at_capacity=True),
    "list_price_share": Question(price.list_price_share, {"model": model, "of": price_list, "to": several(price_list)}),
    "power_share": Question(
        price.power_share, {"system": system, "to": system}, {"services": several(service)}, at_capacity=True
    ),
    "weights": Question(memory.weights, {"model": model}, {"precision": precision}),
    "weight_bandwidth": Question(memory.weight_bandwidth, {"model": model, "speed": number}, {"precision": precision}),
    "device": Question(memory.device, {"device": device, "field": text}),
    "on_chip": Question(memory.on_chip, {"device": device, "cache_bytes": number, "bytes_each": number}),
    "greatest_bandwidth": Question(memory.greatest_bandwidth, {"systems": several(system)}, {"later": several(system)}),
    "memory_share": Question(memory.memory_share, {"system": system, "parameters": number}, {"precision": precision}),
    "devices_needed": Question(
        memory.devices_needed,
        {"model": model, "system": system},
        {"precision": one_or_several(precision), "context": number},
    ),
    "widest_precision": Question(
        memory.widest_precision, {"model": model, "system": system, "devices": number}, {"context": number}
    ),
    "requests_at_once": Question(scale.requests_at_once, {"services": several(service), "contexts": several(number)}),
    "longest_context": Question(scale.longest_context, {"services": several(service)}),
    "context_limit": Question(scale.context_limit, {"service": service, "requests": number}),
    "largest_model": Question(scale.largest_model, {"system": system}, {"precision": precision, "context": number}),
    "tokens_per_day": Question(
        scale.tokens_per_day,
        {"services": several(service), "systems": number, "tokens": number, "source": text},
        at_capacity=True,
    ),
    "quota": Question(scale.quota, {"limits": several(rate_limit)}, {"duration": number}),
    "sustained_rate": Question(scale.sustained_rate, {"service": service, "limits": several(rate_limit)}),
    "ratio": Question(ratio, {"of": question, "to": question}),
}


def ask(evidence: Evidence, asked: Arguments) -> Answer:
    """Answer `{name: {arguments}}`.

    Raises:
        BadClaim: no such question, or one of its arguments is missing or names nothing.
    """
    known = [name for name in asked if name in QUESTIONS]
    if len(known) != 1:
        raise BadClaim(f"an answer names one of {', '.join(QUESTIONS)}, got {', '.join(map(str, asked)) or 'nothing'}")
    try:
        return QUESTIONS[known[0]].answer(evidence, asked[known[0]] or {})
    except KeyError as missing:
        raise BadClaim(f"{known[0]} needs {missing}") from None


def slips(asked: Mapping[str, Any], services: Collection[str]) -> list[Slip]:
    """All that is wrong with `{name: {arguments}}`; keys that are no questions are reported too."""
    found = []
    for name, arguments in asked.items():
        if name not in QUESTIONS:
            found.append(Slip((name,), f"no question named {named(name)}", did_you_mean(str(name), QUESTIONS)))
            continue
        known = QUESTIONS[name]
        signature = Signature(known.needs, known.may_have)
        found += [slip._replace(path=(name, *slip.path)) for slip in signature.slips(arguments, services)]
    if len(asked) > 1 and not found:
        found.append(Slip((), f"asks {len(asked)} questions at once", "leave one, or take their ratio"))
    return found


def at_capacity(asked: Mapping[str, Any]) -> Iterator[str]:
    """Names of the services whose capacity a question needs."""
    for name, arguments in asked.items():
        known = QUESTIONS.get(name)
        if known is None:
            continue
        if name == "ratio":
            for side in ("of", "to"):
                yield from at_capacity(arguments[side])
        elif known.at_capacity:
            yield from [arguments["service"]] if "service" in arguments else arguments.get("services", ())
