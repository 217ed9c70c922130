"""The annotations that the schema's fields share, each named for what it holds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from infermodel import catalog
from infermodel.architecture import PRECISION_BYTES
from infermodel.scenario.schema.values import Choice, Quantity, Text, Truth, Whole, refuse, told, weighed_alike
from infermodel.scenario.words import UNLIKE, name_meant

LONGEST_S = 10 * 365 * 86400.0
MOST_TOKENS = 10**9
MOST_REQUESTS = 10**8
"""Of a run: each keeps some 100 bytes until the end, so these are 10 GB."""
MOST_USERS = 10**6
"""Of a closed loop: each is an object that waits, some kilobytes with its request."""
MOST_CALLS = 10_000
"""Of a question: all are planned when it is asked."""
MOST_PROMPTS = 10**7
"""Distinct texts: the length of each is drawn before the first request."""
MOST_SYSTEM_TOKENS = 10**6
"""Of a conversation: each block of them has an id in every conversation."""
MOST_REPLICATIONS = 10_000
MOST_SYSTEMS = 1_000_000
WIDEST = 10.0
"""Standard deviation of a length over its mean: a larger one is a percentage without its sign."""
BURSTIEST = 100.0
"""Standard deviation of a gap over its mean: a burst has some cv squared requests at one moment."""


def _alike(weights: object) -> object:
    """The list as it is, where its weights can be compared."""
    if isinstance(weights, list):
        weighed_alike(((i,), weight) for i, weight in enumerate(weights))
    return weights


Seconds = Annotated[float, Quantity("time", "s", at_most=LONGEST_S)]
PositiveSeconds = Annotated[float, Quantity("time", "s", above=0.0, at_most=LONGEST_S)]
Rate = Annotated[float, Quantity("rate", "/s", above=0.0, at_most=1e9)]
PositiveShare = Annotated[float, Quantity("share", above=0.0, at_most=1.0)]
Share = Annotated[float, Quantity("share", at_most=1.0)]
Ratio = Annotated[float, Quantity("count", above=0.0, at_most=1e6)]
Spread = Annotated[float, Quantity("count", above=0.0, at_most=WIDEST)]
Weight = Annotated[float, Quantity("count", at_most=1e12)]
Weights = Annotated[tuple[Weight, ...], BeforeValidator(_alike)]
Count = Annotated[int, Whole()]
RequestCount = Annotated[int, Whole(at_most=MOST_REQUESTS)]
CallCount = Annotated[int, Whole(at_most=MOST_CALLS)]
Replications = Annotated[int, Whole(at_most=MOST_REPLICATIONS)]
Burstiness = Annotated[float, Quantity("count", above=0.0, at_most=BURSTIEST)]
Index = Annotated[int, Whole(at_least=0)]
Seed = Annotated[int, Whole(at_least=0, at_most=2**63 - 1)]
Degree = Annotated[int, Whole(at_most=100_000)]
Systems = Annotated[int, Whole(at_most=MOST_SYSTEMS)]
Tokens = Annotated[int, Whole(tokens=True, at_most=MOST_TOKENS)]
Words = Annotated[str, Text()]
Name = Annotated[str, Text(longest=120)]
Flag = Annotated[bool, Truth()]
PrecisionName = Annotated[str, Choice("precision", tuple(PRECISION_BYTES))]


class EngineChoice(Choice):
    """An engine of the catalog, or one with a version that has no entry of its own: `vllm-0.27.1`."""

    def read(self, value: Any) -> str:
        """The name as it is written."""
        try:
            catalog.load_engine_named(str(value))
        except catalog.CatalogError:
            return super().read(value)
        return str(value)


class SystemChoice(Choice):
    """A system of the catalog; who names a device is told what it is sold in."""

    def read(self, value: Any) -> str:
        """The name as the catalog spells it."""
        if isinstance(value, list):
            refuse("expected the name of one system, got a list", UNLIKE)
        return super().read(value)

    def suggestion(self, unknown: str) -> str:
        """What people call systems otherwise, those that hold the device, why none does, or the nearest name."""
        if name := name_meant(self.noun, unknown):
            return told(name)
        return catalog.hint("systems", unknown) or super().suggestion(unknown)


class ModelChoice(Choice):
    """A model of the catalog, by its name or by a repository of its weights on Hugging Face."""

    def read(self, value: Any) -> str:
        """The name as the catalog spells it."""
        if not isinstance(value, str) or "/" not in value:
            return super().read(value)
        try:
            return catalog.load_model(value).repository
        except catalog.CatalogError as error:
            message, _, suggestion = str(error).partition("; ")
            refuse(message, suggestion)

    def suggestion(self, unknown: str) -> str:
        """The nearest name, or how a model is given that the catalog has not."""
        if unknown.endswith(".json") or unknown.startswith((".", "~")):
            return f"write {{config: {unknown}}}"
        others = "'infermodel catalog models' lists those known; of another give {config: config.json}"
        return super().suggestion(unknown) or others


MODEL = ModelChoice("model", lambda: catalog.names("models"))
SYSTEM = SystemChoice("system", lambda: catalog.names("systems"))
ENGINE = EngineChoice("engine", lambda: catalog.names("engines"))
