"""From a scenario of the schema to objects that run: names looked up, defaults filled in, the impossible refused."""

from __future__ import annotations

from collections.abc import Callable
from errno import EDQUOT, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS
from functools import partial
from pathlib import Path
from typing import TypeVar

from infermodel import catalog
from infermodel.architecture import ModelArchitecture
from infermodel.catalog import CatalogError
from infermodel.catalog.versions import version_of
from infermodel.engine import Engine
from infermodel.formats.checkpoint import read_checkpoint
from infermodel.formats.text import FormatError
from infermodel.hardware import System
from infermodel.scenario.canonical import canonical_tree, digest
from infermodel.scenario.document import Document, KeyPath
from infermodel.scenario.errors import ScenarioError, ScenarioErrors
from infermodel.scenario.resolve_engine import as_started
from infermodel.scenario.resolve_fleet import (
    ContextDoesNotFit,
    FleetError,
    PlacedFleet,
    default_engine,
    resolve_fleet,
    resolve_outages,
)
from infermodel.scenario.resolve_pools import Place, place_of, resolve_first_router, resolve_link, views
from infermodel.scenario.resolve_prices import PriceError, merged_prices, resolve_prices
from infermodel.scenario.resolve_rate_limits import promised_to_tenants, resolve_rate_limits
from infermodel.scenario.resolve_traffic import (
    Logs,
    check_count,
    check_length,
    check_question,
    resolve_sessions,
    resolve_traffic,
    with_images,
    with_keys,
)
from infermodel.scenario.resolve_upkeep import check_fixed, resolve_failures, resolve_scaling, serving
from infermodel.scenario.resolved import ResolvedPool, ResolvedScenario, ResolvedService
from infermodel.scenario.schema import traffic as schema
from infermodel.scenario.schema.fleet import ModelConfig
from infermodel.scenario.schema.scenario import Capacity, Scenario, Service
from infermodel.scenario.too_long import longer_than, told_before
from infermodel.scenario.unheeded import unheeded
from infermodel.workload.trace import TraceNotFound
from infermodel.workload.traffic import Traffic

T = TypeVar("T")

FAULTS = frozenset({EIO, ENOSPC, EDQUOT, EROFS, ENOMEM, EMFILE, ENFILE})
"""Errors of a machine, not of a scenario: nobody who reads them as an answer of a sweep should keep it."""


def resolve(scenario: Scenario) -> ResolvedScenario:
    """Look everything up and fit everything in.

    Raises:
        ScenarioErrors: all that cannot be had: a model that does not fit, a trace that is not there or broken, a price
            of something else.
    """
    finder = _Finder(scenario)
    services = [finder.service(i, service) for i, service in enumerate(scenario.services)]
    if finder.errors:
        raise ScenarioErrors(finder.errors)
    found = tuple(service for service in services if service is not None)
    content = canonical_tree(scenario, found, finder.folder)
    return ResolvedScenario(
        title=scenario.title,
        description=scenario.description,
        seed=scenario.seed,
        duration_s=scenario.duration,
        requests=scenario.requests,
        warm_up_s=None if isinstance(scenario.warm_up, str) else scenario.warm_up,
        services=found,
        claims=scenario.claims,
        capacity_width=scenario.capacity.width if isinstance(scenario.capacity, Capacity) else None,
        digest=digest(content, found),
        source=Path(finder.document.file),
        notes=(
            *dict.fromkeys(finder.engine_notes),
            *dict.fromkeys(note for log in finder.logs.values() for note in log.notes),
            *(note for service in found for note in told_of_images(service)),
            *dict.fromkeys(note for service in found for note in unheeded(service, scenario.duration)),
            *(note for service in found for note in told_before(service, scenario.seed, scenario.requests)),
        ),
        tree=content,
    )


def told_of_images(service: ResolvedService) -> list[str]:
    """What the service's model makes of an image, where its prompts hold any."""
    images, encoder = service.images, service.architecture.images
    if images is None or encoder is None:
        return []
    seen, pixel_s = images.seen, service.pools[0].engine.front_end_pixel_s
    return [
        f"{service.name}: an image is {seen.tokens:,} tokens of a prompt, and {seen.pieces * seen.patches:,} patches to"
        f" the encoder, {encoder.flops(seen) / 1e12:,.1f} TFLOP; an API server reads it in"
        f" {1e3 * pixel_s * images.pixels:,.0f} ms, one after the other (front_end: {{api_servers}})"
    ]


def version_note(asked: str, engine: Engine) -> str:
    """What is taken for a version that the catalog has no entry for."""
    version = version_of(asked)
    outside = "which is newer, " if version < engine.since else ""
    newest = catalog.load_engine_version(asked.rpartition("-")[0], "")
    if engine.since == newest.since and version[: len(newest.since)] > newest.since:
        outside = "the newest that the catalog describes, "
    return f"{asked} is played as {engine.name} ({engine.title}), {outside}with the constants and rules of that"


class _Finder:
    """Looks up the parts of a scenario, each trace and shared traffic once; keeps what was not found."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.document: Document = scenario.document
        self.folder = Path(self.document.file).parent
        self.errors: list[ScenarioError] = []
        self.logs: Logs = {}
        self.engine_notes: list[str] = []
        self._traffic: dict[KeyPath, Traffic | None] = {}

    def attempt(self, path: KeyPath, find: Callable[[], T], place: Place | None = None) -> T | None:
        """What `find` finds; what it misses becomes an error at (or below) the path.

        Args:
            path: of what is looked for.
            find: looks it up.
            place: of the key that an error names, where not below the path.
        """
        try:
            return find()
        except FormatError as broken:
            shown = str(broken).partition("\n")[2]
            named = ".".join(map(str, path))
            self.errors.append(
                ScenarioError(str(broken.path), broken.line, broken.column, named, broken.problem, "", shown)
            )
        except (FleetError, PriceError) as error:
            at = place(error.path) if place else (*path, *error.path)
            if isinstance(error, PriceError) and not self.document.holds(at):
                at = error.path  # the scenario's price, not the service's
            self.errors.append(self.document.error(at, str(error), error.suggestion))
        except (CatalogError, TraceNotFound, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in FAULTS:
                raise
            message, _, suggestion = str(error).partition("; ")
            self.errors.append(self.document.error(path, message, suggestion))
        return None

    def service(self, i: int, service: Service) -> ResolvedService | None:
        """One service; None where a part of it cannot be had."""
        here: KeyPath = ("services", i)
        architecture = self.attempt((*here, "model"), lambda: self.architecture(service.model))
        at_traffic: KeyPath = (*here, "traffic") if service.traffic else ("traffic",)
        traffic = self.traffic(at_traffic)
        found = [
            self.pool(partial(place_of, self.document, here, below), view, architecture, traffic)
            for below, view in views(service)
        ]
        pools = tuple(pool for pool in found if pool is not None)
        if architecture is None or len(pools) < len(found) or traffic is None:
            return None
        link = self.attempt((*here, "fleet"), lambda: resolve_link(service, pools, architecture))
        asked = service.traffic or self.scenario.traffic
        assert asked is not None  # the schema asks for traffic in one of the two places
        limits = resolve_rate_limits(service.rate_limits) if service.rate_limits else None
        traffic = self.attempt((*here, "rate_limits"), partial(with_keys, traffic, asked, limits, self.logs))
        if traffic is not None and asked.images is not None:
            families = [pool.system.device.family for pool in pools]
            at = (*at_traffic, "images")
            traffic = self.attempt(at, partial(with_images, traffic, asked, architecture, families))
        self.attempt((*here, "fleet"), partial(check_fixed, pools))
        first = self.attempt((*here, "fleet"), lambda: (resolve_first_router(service, limits),))
        if traffic is None or first is None or (link is None and pools[0].role != "both"):
            return None
        promised = self.scenario.objectives if service.objectives is None else service.objectives
        return ResolvedService(
            name=service.name,
            architecture=architecture,
            pools=pools,
            traffic=traffic,
            own_traffic=service.traffic is not None,
            objectives=promised,
            sessions=resolve_sessions(asked, pools[0].deployment.kv_block_tokens),
            rate_limits=limits,
            tenant_objectives=promised_to_tenants(service.rate_limits, promised),
            link=link,
            first_router=first[0],
        )

    def pool(
        self, place: Place, service: Service, architecture: ModelArchitecture | None, traffic: Traffic | None
    ) -> ResolvedPool | None:
        """A pool of a service; None where a part of it cannot be had.

        Args:
            place: of a key of the view.
            service: as the pool sees it, see `views`.
            architecture: of its model.
            traffic: to it.
        """
        fleet, asked_system = service.fleet, service.fleet.system
        assert asked_system is not None  # the schema asks for it in one of the two places
        system = self.attempt(place(("fleet", "system")), lambda: catalog.load_system(asked_system))
        if system is None or architecture is None:
            return None
        here, name = place(()), service.engine or default_engine(system)
        engine = self.attempt(place(("engine",)), lambda: catalog.load_engine_named(name).on(system.device))
        if engine is not None:
            engine = self.attempt(here, partial(as_started, engine, service.engine_settings), place)
        if engine is not None:
            engine = engine.streaming(service.front_end.stream_interval)
        merged = merged_prices(self.scenario.prices, service.prices)
        prices = self.attempt(here, lambda: resolve_prices(merged, service, system, architecture.name), place)
        if engine is None:
            return None
        if engine.name != name:
            self.engine_notes.append(version_note(name, engine))
        placed = self.attempt(here, lambda: self.placed(service, architecture, system, engine, traffic), place)
        if placed is None:
            return None
        outages = self.attempt(here, partial(resolve_outages, service.outages, fleet, placed), place)
        failures = self.attempt(here, partial(resolve_failures, service, placed), place)
        scaled = self.attempt(here, partial(resolve_scaling, service, placed), place)
        if prices is None or outages is None or scaled is None:
            return None
        placed, scaling, fixed = scaled
        pool = next((each for _, each in fleet.by_role), None)
        return ResolvedPool(
            system=system,
            systems=fleet.systems,
            replicas=placed.replicas,
            devices_per_replica=placed.devices_per_replica,
            groups=placed.groups,
            deployment=placed.deployment,
            engine=engine.that_reads if pool and pool.role == "prefill" else engine,
            limits=placed.limits,
            queue=service.queue,
            router=service.router,
            prices=prices,
            outages=outages,
            step_model=placed.step_model,
            speculation=placed.speculation,
            api_servers=service.front_end.api_servers,
            stream_interval=service.front_end.stream_interval,
            role=pool.role if pool else "both",
            name=pool.name if pool else "",
            signals_every_s=service.signals_every or 0.0,
            failures=failures,
            scaling=scaling,
            fixed=fixed,
        )

    def placed(
        self, service: Service, architecture: ModelArchitecture, system: System, engine: Engine, traffic: Traffic | None
    ) -> PlacedFleet:
        """The service's fleet; where its context does not fit, it is told how many of its requests would not either."""
        try:
            return resolve_fleet(serving(service), architecture, system, engine)
        except ContextDoesNotFit as error:
            asked = service.traffic or self.scenario.traffic
            if traffic is None or asked is None or asked.session is not None:
                raise
            longer = longer_than(error.longest, traffic, self.scenario.seed, self.scenario.requests)
            if not longer:
                raise
            raise ContextDoesNotFit(error.path, f"{error}, and {longer} than what fits", error.longest) from None

    def architecture(self, model: str | ModelConfig) -> ModelArchitecture:
        """The model of the catalog or of a file, looked for beside the scenario and from here."""
        if isinstance(model, str):
            return catalog.load_model(model)
        beside = self.folder / model.config
        return read_checkpoint(beside if beside.exists() else Path(model.config))

    def traffic(self, path: KeyPath) -> Traffic | None:
        """The traffic at a path, the scenario's own only once, so that services share it."""
        if path not in self._traffic:
            asked = self.scenario.traffic if path == ("traffic",) else self.scenario.services[int(path[1])].traffic
            assert asked is not None  # the schema asks for traffic in one of the two places
            at = (*path, "arrivals", "file") if getattr(asked.arrivals, "file", "") else (*path, "arrivals")
            calls = self.attempt((*path, "session"), lambda: check_question(asked))
            self._traffic[path] = self.attempt(at, lambda: self.ending(asked, calls)) if calls else None
        return self._traffic[path]

    def ending(self, asked: schema.Traffic, calls: int) -> Traffic:
        """The traffic that is asked for, where it comes to an end; `calls` of each question."""
        found = resolve_traffic(asked, self.folder, self.logs)
        check_length(found, self.scenario.requests)
        check_count(found, self.scenario.duration, calls)
        return found
