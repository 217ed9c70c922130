"""Fleet, precision and limits of the schema to a deployment, a step model and replicas on systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from infermodel.architecture import ModelArchitecture
from infermodel.catalog import load_model
from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.defaults import with_defaults
from infermodel.cost.deployment import Deployment
from infermodel.cost.deployment import Precision as CostPrecision
from infermodel.cost.drafts import Drafter, eagle3, mtp
from infermodel.cost.speculative import Speculation, speculative_model
from infermodel.cost.step import DoesNotFit, StepModel
from infermodel.engine import Engine
from infermodel.hardware import System
from infermodel.scenario.document import KeyPath
from infermodel.scenario.schema import speculation as schema
from infermodel.scenario.schema.fleet import MOST_REPLICAS, Fleet, Limits, Outage, Precision
from infermodel.scenario.schema.scenario import Service
from infermodel.simulation import spec
from infermodel.simulation.pool.router import SHARED_QUEUE
from infermodel.simulation.spec import limits_of

ENGINES: Mapping[str, tuple[str, str]] = {
    "gpu": ("batch", "vllm"),
    "wafer": ("dataflow", "cerebras"),
    "lpu": ("dataflow", "groq"),
}
"""Family of a device: family of the engines that run on it, and the engine where none is named."""

PARALLEL = ("tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel")


class FleetError(ValueError):
    """A fleet that cannot be built.

    Attributes:
        path: of the key, below the service.
        suggestion: what to write instead.
    """

    def __init__(self, path: KeyPath, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.path, self.suggestion = path, suggestion


class ContextDoesNotFit(FleetError):
    """Not one sequence of the served context fits the memory.

    Attributes:
        longest: tokens of the longest that does.
    """

    def __init__(self, path: KeyPath, message: str, longest: int) -> None:
        super().__init__(path, message, f"write limits: {{max_context: {longest}}} or less, the longest that fits")
        self.longest = longest


@dataclass(frozen=True)
class PlacedFleet:
    """Replicas on systems; see `ResolvedService` for the words."""

    deployment: Deployment
    limits: spec.Limits
    step_model: StepModel
    devices_per_replica: int
    replicas: int
    systems_per_replica: int
    groups: int
    speculation: Speculation | None = None


def default_engine(on: System) -> str:
    """The engine of a service that names none."""
    return ENGINES[on.device.family][1]


def resolve_fleet(service: Service, architecture: ModelArchitecture, on: System, engine: Engine) -> PlacedFleet:
    """Lay the service's replicas out.

    Raises:
        FleetError: the engine does not run on these devices, the model does not fit, or more replicas are asked for
            than the systems hold.
    """
    fleet = service.fleet
    _check_family(fleet, on, engine)
    said = service.limits
    layout = Deployment(
        tensor_parallel=fleet.tensor_parallel,
        pipeline_parallel=fleet.pipeline_parallel,
        expert_parallel=fleet.expert_parallel,
        data_parallel=fleet.data_parallel,
        devices=fleet.devices_per_replica or 0,
        precision=resolve_precision(service.precision, architecture),
        max_context=resolve_context(said, architecture),
    )
    deployment = with_defaults(
        layout,
        architecture,
        on.device,
        engine,
        max_sequences=said.max_sequences,
        max_batched_tokens=said.max_batched_tokens,
        memory_utilisation=said.memory_utilisation,
    )
    limits = limits_of(deployment, engine, prefix_caching=service.prefix_caching)
    try:
        model = step_model(architecture, on, deployment, engine)
        if isinstance(model, Ring) and fleet.devices_per_replica is None:
            deployment = replace(deployment, devices=_all_devices(fleet.systems, on.devices, model.devices))
            model = step_model(architecture, on, deployment, engine)
    except DoesNotFit as error:
        raise FleetError(("fleet",), str(error)) from None
    except ValueError as error:  # no peak for this precision
        raise FleetError(("precision",), str(error)) from None
    _check_context(said, deployment, model, engine)
    if model.kv_memory.ranks > 1 and service.router == SHARED_QUEUE:
        message = f"each of the {model.kv_memory.ranks} ranks of data_parallel has a queue of its own"
        raise FleetError(("router",), message, "did you mean 'least_outstanding'?")
    devices = model.devices
    speculation = resolve_speculation(service.speculation, architecture) if service.speculation else None
    if speculation is not None:
        try:
            model = speculative_model(architecture, on, deployment, engine, speculation)
        except DoesNotFit as error:
            raise FleetError(("speculation",), str(error)) from None
    return replace(_place(fleet, on, deployment, limits, model, devices), speculation=speculation)


def resolve_speculation(asked: schema.Speculation, architecture: ModelArchitecture) -> Speculation:
    """What drafts, looked up or built, and an acceptance for each draft.

    Raises:
        FleetError: the model has no layers that draft, or a draft cannot be so small.
    """
    try:
        draft, by = _draft(asked, architecture)
    except DoesNotFit as error:
        raise FleetError(("speculation", "draft"), str(error)) from None
    known, sampled = asked.acceptance, asked.mode == "sampled"
    if not isinstance(known, schema.AcceptanceRange):
        return Speculation(schema.of_each(known, asked.tokens), draft, sampled, by)
    mid, low, high = (schema.of_each(each, asked.tokens) for each in (known.mid, known.low, known.high))
    return Speculation(mid, draft, sampled, by, low, high)


def _draft(asked: schema.Speculation, architecture: ModelArchitecture) -> tuple[ModelArchitecture | None, Drafter]:
    if asked.draft == schema.NGRAM:
        return None, "model"
    if asked.draft == schema.MTP:
        return mtp(architecture), "mtp"
    if asked.draft == schema.EAGLE3:
        return eagle3(architecture, asked.parameters), "eagle3"
    return load_model(asked.draft), "model"


def _all_devices(systems: int, each: int, fewest: int) -> int:
    """Devices of a replica when as many replicas as fit share out all devices: what is bought is not left idle.

    >>> _all_devices(9, 64, 352), _all_devices(1, 64, 22), _all_devices(4, 1, 1), _all_devices(2, 1, 4)
    (576, 32, 1, 4)
    """
    spanned = -(-fewest // each)
    if spanned > systems:
        return fewest  # refused when it is placed
    if spanned > 1:
        return systems // (systems // spanned) * each
    return each // (each // fewest)


def _gpus(fleet: Fleet) -> int:
    return fleet.tensor_parallel * fleet.pipeline_parallel * fleet.data_parallel


def _check_family(fleet: Fleet, on: System, engine: Engine) -> None:
    family, usual = ENGINES[on.device.family]
    if engine.family != family:
        raise FleetError(("engine",), f"'{engine.name}' does not run on {on.device.title}", f"did you mean '{usual}'?")
    if on.device.family == "gpu" and fleet.devices_per_replica not in (None, _gpus(fleet)):
        hint = f"write tensor_parallel: {fleet.devices_per_replica}"
        raise FleetError(("fleet", "devices_per_replica"), "is for wafers and chips of a pipeline, not for GPUs", hint)
    for key in PARALLEL:
        if on.device.family != "gpu" and getattr(fleet, key) > 1:
            raise FleetError(
                ("fleet", key), f"is for GPUs; {on.device.title} is a pipeline of layers", "use devices_per_replica"
            )


def resolve_context(limits: Limits, architecture: ModelArchitecture) -> int:
    """The longest request that is served, the model's where none is given.

    Raises:
        FleetError: a longer one than the model reads.
    """
    context = limits.max_context or architecture.max_context
    if context > architecture.max_context:
        said = f"{architecture.title} reads at most {architecture.max_context} tokens, not {context}"
        raise FleetError(("limits", "max_context"), said)
    return context


def _check_context(limits: Limits, deployment: Deployment, model: StepModel, engine: Engine) -> None:
    """Refuse to serve a context of which not one sequence fits, where the engine would not start either.

    Raises:
        ContextDoesNotFit: it does not fit; names the longest that does.
    """
    longest = model.kv_memory.longest
    if not engine.context_must_fit or deployment.max_context <= longest:
        return
    whose = "the" if limits.max_context else "the model's"
    said = (
        f"one sequence of {whose} max_context of {deployment.max_context} tokens does not fit the memory for keys and"
        f" values; {engine.title} would not start"
    )
    at = ("limits", "max_context") if limits.max_context else ("fleet",)
    raise ContextDoesNotFit(at, said, longest)


def resolve_precision(precision: Precision, architecture: ModelArchitecture) -> CostPrecision:
    """Number formats; 8-bit weights are multiplied in 8 bits, all others in bf16, unless said otherwise.

    Raises:
        FleetError: neither the scenario nor the model's file says in what weights are kept.
    """
    weights = precision.weights or architecture.default_precision
    if not weights:
        said = f"the config of {architecture.title} does not say in which format its weights are kept"
        raise FleetError(("precision",), said, "write precision: {weights: bf16}, or what they are kept in")
    compute = precision.compute or (weights if weights in ("fp8", "int8") else "bf16")
    return CostPrecision(weights, precision.kv_cache or "bf16", compute)


def _place(
    fleet: Fleet, on: System, deployment: Deployment, limits: spec.Limits, model: StepModel, devices: int
) -> PlacedFleet:
    """Replicas on systems: several in one, or one over several whole systems."""
    spanned = -(-devices // on.devices)
    held = fleet.systems // spanned if spanned > 1 else fleet.systems * (on.devices // devices)
    if held == 0:
        said = f"a replica takes {devices} devices, which is {spanned} {on.title}; the fleet has {fleet.systems}"
        raise FleetError(("fleet",), said, f"write systems: {spanned}")
    replicas = held if fleet.replicas is None else fleet.replicas
    if replicas > MOST_REPLICAS:
        said = f"{replicas} replicas are more than {MOST_REPLICAS}, the most that can be simulated"
        raise FleetError(("fleet", "systems"), said, "model a part of the fleet with its share of the traffic")
    if replicas > held:
        each = f"a replica takes {devices} of {fleet.systems * on.devices} devices"
        raise FleetError(("fleet", "replicas"), f"{replicas} replicas do not fit: {each}", f"at most {held}")
    return PlacedFleet(deployment, limits, model, devices, replicas, spanned, fleet.systems // spanned)


def resolve_outages(outages: Sequence[Outage], fleet: Fleet, placed: PlacedFleet) -> tuple[spec.Outage, ...]:
    """Outages of groups of systems, those that overlap made one.

    Raises:
        FleetError: an outage of a system that the fleet has not.
    """
    for i, outage in enumerate(outages):
        if outage.system >= fleet.systems:
            said = f"the fleet has {fleet.systems} systems, counted from 0"
            raise FleetError(("outages", i, "system"), said, f"at most {fleet.systems - 1}")
    merged: list[spec.Outage] = []
    spans = ((o.system // placed.systems_per_replica, o.at, o.at + o.length) for o in outages)
    for group, start, end in sorted(span for span in spans if span[0] < placed.groups):
        last = merged[-1] if merged else None
        if last is not None and last.system == group and start <= last.at_s + last.for_s:
            merged[-1] = spec.Outage(group, last.at_s, max(end, last.at_s + last.for_s) - last.at_s)
        else:
            merged.append(spec.Outage(group, start, end - start))
    return tuple(sorted(merged, key=lambda outage: (outage.at_s, outage.system)))
