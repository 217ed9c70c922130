"""What a plan may buy: systems, or two pools of them, and the layouts to try."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import gcd
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from infermodel.scenario.document import KeyPath
from infermodel.scenario.errors import named
from infermodel.scenario.schema.fleet import PoolLink, one_of_each
from infermodel.scenario.schema.money import Price
from infermodel.scenario.schema.scenario import Service
from infermodel.scenario.schema.several import Several
from infermodel.scenario.schema.types import ENGINE, SYSTEM, Name, PrecisionName, Systems, Tokens
from infermodel.scenario.schema.values import Block, Choice, Kind, Whole, refusal, refuse, refuse_below, tree
from infermodel.search.override_text import override_text

PARALLEL = ("devices_per_replica", "tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel")
LIMITS = ("max_sequences", "max_batched_tokens")
FORMATS = ("weights", "kv_cache", "compute")


def _kind(annotated: Any) -> Kind:
    (kind,) = annotated.__metadata__
    assert isinstance(kind, Kind)
    return kind


Degrees = Annotated[tuple[int, ...], Several(Whole(at_most=100_000))]
Sizes = Annotated[tuple[int, ...], Several(_kind(Systems))]
TokenLimits = Annotated[tuple[int, ...], Several(_kind(Tokens))]
FormatNames = Annotated[tuple[str, ...], Several(_kind(PrecisionName))]


class Ratio(Kind):
    """Two whole numbers with a colon between them, in lowest terms."""

    def read(self, value: Any) -> str:
        """The ratio as text: `4:2` is `2:1`."""
        numbers = parts_of(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,4}:[0-9]{1,4}", value) else (0,)
        if 0 in numbers:
            refuse(f"expected a ratio, got {named(value)}", "such as 1:2, one system that reads prompts to two")
        common = gcd(*numbers)
        return ":".join(str(number // common) for number in numbers)

    def unit(self) -> str:
        """For the reference table."""
        return "ratio, `1:2`"


def parts_of(ratio: str) -> tuple[int, ...]:
    """The numbers of a ratio.

    >>> parts_of("1:2")
    (1, 2)
    """
    return tuple(int(part) for part in ratio.split(":"))


class Size(NamedTuple):
    """Systems of a pool, and the replicas on them; None: as many as they hold."""

    systems: int
    replicas: int | None = None


class Formats(Block):
    """Number formats to try."""

    weights: FormatNames | None = Field(default=None, description="as the base has them if omitted")
    kv_cache: FormatNames | None = Field(default=None, description="as the base has them if omitted")
    compute: FormatNames | None = Field(default=None, description="as the base has them if omitted")


class Laid(Block):
    """Layouts to try: all combinations of what is listed."""

    engine: Annotated[str, ENGINE] | None = Field(default=None, description="the usual one of such devices if omitted")
    devices_per_replica: Degrees | None = Field(default=None, description="wafers or chips of a replica")
    tensor_parallel: Degrees | None = Field(default=None, description="GPUs that share each layer")
    pipeline_parallel: Degrees | None = Field(default=None, description="groups of GPUs that share out the layers")
    expert_parallel: Degrees | None = Field(default=None, description="GPUs that share out the experts")
    data_parallel: Degrees | None = Field(default=None, description="copies of the attention in a replica")
    max_sequences: Sizes | None = Field(default=None, description="requests of a replica; as the base if omitted")
    max_batched_tokens: TokenLimits | None = Field(default=None, description="of a step; as the base if omitted")
    precision: Formats = Field(default=Formats(), description="number formats")

    @property
    def listed(self) -> dict[str, tuple[Any, ...]]:
        """What is listed, by key."""
        found = {key: getattr(self, key) for key in (*PARALLEL, *LIMITS)}
        found |= {key: getattr(self.precision, key) for key in FORMATS}
        return {key: values for key, values in found.items() if values is not None}


def _priced(price: Price) -> None:
    if price.purchase is None and price.rental is None:
        refuse_below([(("price",), refusal("a plan compares dollars", "write purchase: or rental:"))])


class CandidatePool(Laid):
    """One of two pools of a candidate."""

    role: Annotated[Literal["prefill", "decode"], Choice("role", ("prefill", "decode"))] = Field(
        description="whether it reads prompts, or makes the tokens after the first"
    )
    system: Annotated[str, SYSTEM] = Field(description="what one buys")
    price: Price = Field(description="as in a scenario: purchase or rental")

    @model_validator(mode="after")
    def _has_a_price(self) -> Self:
        _priced(self.price)
        return self


class Candidate(Laid):
    """What could be bought or rented, and the layouts to try on it: all combinations of what is listed."""

    system: Annotated[str, SYSTEM] | None = Field(default=None, description="what one buys; required without `pools`")
    name: Name | None = Field(default=None, description="in tables; the names of its systems if omitted")
    price: Price | None = Field(
        default=None, description="as in a scenario: purchase or rental; required without `pools`"
    )
    pools: tuple[CandidatePool, ...] | None = Field(
        default=None, max_length=2, description="instead of `system`: one of role prefill, and one of role decode"
    )
    link: PoolLink | None = Field(default=None, description="between the pools")
    ratios: Annotated[tuple[str, ...], Several(Ratio())] | None = Field(
        default=None, description="systems that read prompts to systems that decode; 1:1 if omitted"
    )

    @property
    def title(self) -> str:
        """Name in tables."""
        return self.name or " and ".join(dict.fromkeys(self.systems))

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of what is bought, by pool, the one that reads prompts first."""
        if self.pools is None:
            assert self.system is not None  # one of the two is said
            return (self.system,)
        return tuple(pool.system for pool in self.by_role)

    @property
    def laid(self) -> tuple[tuple[KeyPath, str, Laid], ...]:
        """Where what is bought stands below it, the system, and its layouts."""
        if self.pools is None:
            return (((), self.systems[0], self),)
        return tuple((("pools", place), pool.system, pool) for place, pool in enumerate(self.pools))

    @property
    def by_role(self) -> tuple[CandidatePool, ...]:
        """Its pools, the one that reads prompts first; none where one does all."""
        return tuple(sorted(self.pools or (), key=lambda pool: pool.role != "prefill"))

    @model_validator(mode="after")
    def _system_or_pools(self) -> Self:
        if self.pools is None:
            if self.system is None:
                refuse("the key 'system' is missing", "such as system: dgx-h100")
            if self.price is None:
                refuse("the key 'price' is missing", "such as price: {purchase: dgx-h100}")
            _priced(self.price)
            for key in ("link", "ratios"):
                if getattr(self, key) is not None:
                    refuse_below([((key,), refusal("is for candidates with 'pools'"))])
            return self
        beside = sorted(self.model_fields_set - {"name", "pools", "link", "ratios"})
        if beside:
            refuse_below([((beside[0],), refusal(f"'{beside[0]}' stands beside 'pools'", "write it in each pool"))])
        one_of_each([pool.role for pool in self.pools])
        return self

    def settings(self) -> Iterator[dict[str, Any]]:
        """Each combination of what is listed; keys of pools begin with the role, and what is listed in the ratio of
        their systems.
        """
        given: dict[str, tuple[Any, ...]] = self.listed
        if self.pools is not None:
            given = {"ratio": self.ratios or ("1:1",)}
            given |= {f"{pool.role}_{key}": values for pool in self.by_role for key, values in pool.listed.items()}
        for values in product(*given.values()):
            yield dict(zip(given, values, strict=True))


def on_candidate(
    base: Service, candidate: Candidate, settings: Mapping[str, Any], sizes: Sequence[Size]
) -> tuple[str, ...]:
    """Changes to a scenario, as for `--set`, that put its first service on a candidate.

    Args:
        base: the service as it is.
        candidate: what is bought.
        settings: one of `Candidate.settings`.
        sizes: of its pools.
    """
    if candidate.pools is None:
        (size,), (system,) = sizes, candidate.systems
        fleet, engine, price = _fleet(system, settings, size), candidate.engine, candidate.price
        beside = [
            *(override_text(f"services.0.limits.{key}", settings[key]) for key in LIMITS if key in settings),
            *(override_text(f"services.0.precision.{key}", settings[key]) for key in FORMATS if key in settings),
        ]
    else:
        pools = zip(candidate.by_role, sizes, strict=True)
        fleet = {"pools": [_pool(base, pool, settings, size) for pool, size in pools]}
        if candidate.link is not None:
            fleet["link"] = tree(candidate.link)
        engine, price, beside = None, None, []
    whole = {"fleet": fleet, "engine": engine, "price": price and tree(price)}
    whole |= {"outages": None, "failures": None, "autoscaling": None}
    return (*(override_text(f"services.0.{key}", value) for key, value in whole.items()), *beside)


def _fleet(system: str, settings: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """A fleet of one pool, or a pool, as a tree."""
    replicas = {} if size.replicas is None else {"replicas": size.replicas}
    given = {key: settings[key] for key in PARALLEL if key in settings}
    return {"system": system, "systems": size.systems, **given, **replicas}


def _pool(base: Service, pool: CandidatePool, settings: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """A pool as a tree, with the limits and formats of the base but for those that it lists."""
    start = f"{pool.role}_"
    own = {key.removeprefix(start): value for key, value in settings.items() if key.startswith(start)}
    found = {"name": pool.role, "role": pool.role, **_fleet(pool.system, own, size), "price": tree(pool.price)}
    for key, block, parts in (("limits", base.limits, LIMITS), ("precision", base.precision, FORMATS)):
        said = {part: own[part] for part in parts if part in own}
        if said:
            found[key] = tree(block) | said
    return found if pool.engine is None else {**found, "engine": pool.engine}
