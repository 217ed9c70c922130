"""What a question may be asked with, so that a slip is found before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from infermodel import catalog
from infermodel.architecture import PRECISION_BYTES
from infermodel.scenario.document import KeyPath
from infermodel.scenario.errors import did_you_mean, named


class Slip(NamedTuple):
    """What is wrong with an argument, at a path below it."""

    path: KeyPath
    message: str
    suggestion: str = ""


Check = Callable[[Any, Collection[str]], "list[Slip]"]
"""Of a value and the names of the scenario's services."""


@dataclass(frozen=True)
class Signature:
    """Arguments of a question by name, each with its check."""

    needs: Mapping[str, Check]
    may_have: Mapping[str, Check]

    def slips(self, arguments: Any, services: Collection[str]) -> list[Slip]:
        """All that is wrong with these arguments."""
        if not isinstance(arguments, dict):
            return [Slip((), f"expected {{{', '.join(self.needs)}}}, got {named(arguments)}")]
        known = {**self.needs, **self.may_have}
        found = [Slip((), f"the argument '{name}' is missing") for name in self.needs if name not in arguments]
        for name, value in arguments.items():
            if name not in known:
                found.append(Slip((name,), f"no argument named {named(name)}", did_you_mean(str(name), known)))
                continue
            found += [slip._replace(path=(name, *slip.path)) for slip in known[name](value, services)]
        return found


def number(value: Any, services: Collection[str]) -> list[Slip]:
    """A positive number."""
    sound = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
    return [] if sound else [Slip((), f"expected a number above 0, got {named(value)}")]


def text(value: Any, services: Collection[str]) -> list[Slip]:
    """Words."""
    return [] if isinstance(value, str) and value else [Slip((), f"expected text, got {named(value)}")]


def service(value: Any, services: Collection[str]) -> list[Slip]:
    """The name of a service of the scenario."""
    return (
        [] if value in services else [Slip((), f"no service named {named(value)}", did_you_mean(str(value), services))]
    )


def catalogued(word: str, kind: str, value: Any, services: Collection[str]) -> list[Slip]:
    """A name of the catalog."""
    known = catalog.names(kind)
    return [] if value in known else [Slip((), f"no {word} named {named(value)}", did_you_mean(str(value), known))]


def model(value: Any, services: Collection[str]) -> list[Slip]:
    """A model of the catalog, by its name or its repository."""
    return [] if value in catalog.repository_ids() else catalogued("model", "models", value, services)


system = partial(catalogued, "system", "systems")
device = partial(catalogued, "device", "devices")
price_list = partial(catalogued, "price", "prices")


def precision(value: Any, services: Collection[str]) -> list[Slip]:
    """A number format."""
    known = value in PRECISION_BYTES if isinstance(value, str) else False
    return [] if known else [Slip((), f"no precision named {named(value)}", did_you_mean(str(value), PRECISION_BYTES))]


def several(one: Check) -> Check:
    """A list of what `one` checks, at least one of them."""

    def check(value: Any, services: Collection[str]) -> list[Slip]:
        if not isinstance(value, list) or not value:
            return [Slip((), f"expected a list, got {named(value)}")]
        return [slip._replace(path=(i, *slip.path)) for i, each in enumerate(value) for slip in one(each, services)]

    return check


def one_or_several(one: Check) -> Check:
    """What `one` checks, or a list of it."""
    return lambda value, services: (several(one) if isinstance(value, list) else one)(value, services)


def rate_limit(value: Any, services: Collection[str]) -> list[Slip]:
    """Seconds of a period, and what it allows."""
    return Signature({"period": number, "requests": number, "tokens": number}, {}).slips(value, services)
