"""Services of several pools: what each pool sees of its service, and the link between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from infermodel.architecture import ModelArchitecture
from infermodel.engine import Engine
from infermodel.hardware import GpuDevice
from infermodel.scenario.document import Document, KeyPath
from infermodel.scenario.resolve_fleet import FleetError
from infermodel.scenario.resolved import ResolvedPool
from infermodel.scenario.schema import first_router as schema
from infermodel.scenario.schema.fleet import Fleet, Pool, PoolLink
from infermodel.scenario.schema.scenario import Service
from infermodel.simulation.handover import ByPromptLength, ByTenant, FirstRule, Lightest, LinkSpec, check_way
from infermodel.workload.quotas import RateLimits

Place = Callable[[KeyPath], KeyPath]
"""From the path of a key below a service of one pool to where it stands in the document."""

OF_POOL = (
    "engine", "engine_settings", "precision", "limits", "queue", "router", "signals_every", "outages", "failures",
    "autoscaling", "price",
)  # fmt: skip
"""Keys of a service that a pool may have otherwise."""


def views(service: Service) -> list[tuple[KeyPath, Service]]:
    """The service as each of its pools sees it, as if that were all its fleet, and the pool's place below it. The pool
    that reads prompts comes first. Drafts are of pools that decode.
    """
    if service.fleet.pools is None:
        return [((), service)]
    return [(("fleet", "pools", place), view(service, pool)) for place, pool in service.fleet.by_role]


def view(service: Service, pool: Pool) -> Service:
    """The service as a pool sees it."""
    fields = {name: getattr(pool, name) for name in Fleet.model_fields if name not in ("pools", "link", "first_router")}
    fleet = Fleet.model_construct(**fields, pools=(pool,))
    said = {key: getattr(pool, key) for key in OF_POOL if getattr(pool, key) is not None}
    if pool.role == "prefill":
        said["speculation"] = None
    return service.model_copy(update={"fleet": fleet, **said})


def place_of(document: Document, service: KeyPath, below: KeyPath, key: KeyPath) -> KeyPath:
    """Where a key of a view stands: in its pool, if it is the fleet's or the pool says so itself, or in the service."""
    if not below:
        return (*service, *key)
    of_fleet = key[:1] == ("fleet",)
    own = (*service, *below, *(key[1:] if of_fleet else key))
    return own if of_fleet or not key or document.holds((*service, *below, key[0])) else (*service, *key)


def resolve_link(service: Service, pools: Sequence[ResolvedPool], architecture: ModelArchitecture) -> LinkSpec | None:
    """The link between a prefilling and a decoding pool; None where each pool does all of a request. What is not said
    is as the decoding pool's engine does.

    Raises:
        FleetError: the pools keep keys and values in different formats, habits that are said contradict each other, or
            requests cannot go this way.
    """
    if len(pools) > 1 and service.outages:
        raise FleetError(("pools",), "outages of the service name no pool", "write outages in each pool")
    if pools[0].role == "both":
        return None
    prefill, decode = pools
    formats = [pool.deployment.precision.kv_cache for pool in pools]
    if formats[0] != formats[1]:
        said = f"one pool keeps keys and values in {formats[0]}, the other in {formats[1]}"
        raise FleetError(("pools",), said, "write the same precision: {kv_cache: ...} for both")
    link = service.fleet.link or PoolLink()
    try:
        spec = link_of(link, (cards(prefill, link), cards(decode, link)), decode.engine, architecture)
    except ValueError as error:
        raise FleetError(("link",), str(error)) from None
    try:
        check_way(service.name, pools, spec)
    except ValueError as error:
        raise FleetError((), str(error)) from None
    return spec


def resolve_first_router(service: Service, limits: RateLimits | None) -> FirstRule | None:
    """How a first router chooses among pools of role both; None: each in turn, or there is no choice.

    Raises:
        FleetError: tenants that it names are not those of `rate_limits`.
    """
    rule = service.fleet.first_router
    if isinstance(rule, schema.ByPromptLength):
        return ByPromptLength(rule.bounds)
    if isinstance(rule, schema.Lightest):
        return Lightest()
    if not isinstance(rule, schema.ByTenant):
        return None
    tenants = () if limits is None else limits.tenants
    known, names = [tenant.name for tenant in tenants], [pool.name for _, pool in service.fleet.by_role]
    if set(known) != set(rule.pools):
        said = f"names the tenants {', '.join(rule.pools)}, and rate_limits {', '.join(known) or 'none'}"
        raise FleetError(("first_router", "pools"), said, "name each tenant of rate_limits once")
    return ByTenant(tuple(names.index(rule.pools[each.name]) for each in tenants for _ in range(each.keys)))


def link_of(
    said: PoolLink, ends_bytes_per_s: tuple[float, float], engine: Engine, architecture: ModelArchitecture
) -> LinkSpec:
    """The link between pools whose replicas send and receive so many bytes/s; what is not said is as the engine does.

    Raises:
        ValueError: habits that are said contradict each other.
    """
    sent, received = ends_bytes_per_s
    return LinkSpec(
        out_bytes_per_s=sent,
        in_bytes_per_s=received,
        shared_bytes_per_s=said.shared_bandwidth or inf,
        latency_s=said.latency,
        hop_s=said.hop,
        reserved=said.reserved or engine.handover_reserved,
        overlap=said.overlap or engine.handover_overlap,
        layers=len(architecture.layers),
        first_token=said.first_token or engine.handover_first_token,
        kept_free_tokens=engine.handover_kept_free_tokens,
    )


def cards(pool: ResolvedPool, link: PoolLink) -> float:
    """Bytes/s of the network cards of a replica: one a GPU, one a system of wafers or chips."""
    system, devices = pool.system, pool.devices_per_replica
    count = devices if isinstance(system.device, GpuDevice) else max(1.0, devices / system.devices)
    return count * (link.bandwidth or system.network.bandwidth)
