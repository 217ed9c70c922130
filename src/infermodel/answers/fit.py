"""Where a model fits: the smallest fleet that holds it, its room for keys and values, users at contexts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from infermodel.answers.answer import Answer, Part, Rows
from infermodel.answers.scenario import Scenario
from infermodel.catalog import load_system
from infermodel.errors import InputError
from infermodel.scenario import ScenarioErrors
from infermodel.scenario.resolved import ResolvedService

MOST_SYSTEMS = 16
"""Over which one replica is cut at most: beyond them nobody runs one."""

CONTEXTS = (1024, 8192, 32768, 131072)


@dataclass(frozen=True)
class Layout:
    """One way to lay a model out on the fewest systems that hold it.

    Attributes:
        fleet: keys and values of a scenario's `fleet`.
        service: as it is resolved; None where the model does not fit.
        reason: why it does not.
    """

    fleet: Mapping[str, Any]
    service: ResolvedService | None
    reason: str = ""


@dataclass(frozen=True, repr=False, eq=False)
class FitAnswer(Answer):
    """The smallest fleet of a system that holds a model, in every layout.

    Attributes:
        layouts: those tried, the smallest replica first; none of smaller fleets than the last holds the model.
        contexts: tokens that the users are counted at.
    """

    model: str
    system: str
    layouts: Sequence[Layout]
    contexts: Sequence[int]

    main: ClassVar[str] = "fit"

    @property
    def title(self) -> str:
        """What was asked."""
        return f"{self.model} on {self.system}"

    @property
    def smallest(self) -> ResolvedService | None:
        """The layout of the fewest devices; None where nothing holds the model."""
        return next((each.service for each in self.layouts if each.service), None)

    @cached_property
    def rows(self) -> Mapping[str, Rows]:
        """`fit`: a row a layout, of the fleet as a whole but where it says replica."""
        return {"fit": [self._row(each) for each in self.layouts]}

    def _row(self, layout: Layout) -> dict[str, Any]:
        service = layout.service
        row: dict[str, Any] = {
            key: layout.fleet.get(key, 1) for key in ("systems", "tensor_parallel", "pipeline_parallel")
        }
        if service is None:
            return row | {"reason": layout.reason}
        pool, memory = service.pool, service.pool.step_model.kv_memory
        row |= {"devices_per_replica": pool.devices_per_replica, "replicas": pool.replicas}
        row |= {"weights_bytes": memory.weights_bytes, "kv_bytes_per_token": memory.bytes_per_token}
        row |= {"kv_tokens_per_replica": memory.tokens, "longest": memory.fits_alone}
        return row | {f"users_at_{context}": users(service, context) for context in self.contexts} | {"reason": ""}

    @property
    def parts(self) -> Sequence[Part]:
        """The smallest fleet in a sentence, and a line for each layout."""
        best = self.smallest
        if best is None:
            return [self.title, f"No fleet of up to {MOST_SYSTEMS} holds it.", self.layouts[-1].reason]
        pool, memory = best.pool, best.pool.step_model.kv_memory
        replicas = f"{pool.replicas} replicas" if pool.replicas > 1 else "one replica"
        devices = f"{pool.devices_per_replica} devices" if pool.devices_per_replica > 1 else "one device"
        said = (
            f"Smallest: {pool.systems} x {pool.system.title}, {replicas} of {devices}; a replica holds "
            f"{memory.weights_bytes / 1e9:,.1f} GB of weights and {memory.tokens:,} tokens of keys and values."
        )
        heads = ("systems", "tensor", "pipeline", "replicas", "weights", "KV room of a replica")
        at = tuple(f"users at {context:,}" for context in self.contexts)
        parts: list[Part] = [self.title, said]
        parts.append([(*heads, *at), *(self._line(row) for row in self.rows["fit"] if not row["reason"])])
        parts.append("Users are those whose contexts fit the memory at once; how quickly they are served, a run says.")
        refused = [each.reason for each in self.layouts if each.reason]
        return [*parts, f"Not on less: {refused[-1]}."] if refused else parts

    def _line(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        counts = (str(row[key]) for key in ("systems", "tensor_parallel", "pipeline_parallel", "replicas"))
        room = (f"{row['weights_bytes'] / 1e9:,.1f} GB", f"{row['kv_tokens_per_replica']:,} tokens")
        return (*counts, *room, *(f"{row[f'users_at_{context}']:,}" for context in self.contexts))


def users(service: ResolvedService, context: int) -> int:
    """Users of a context that the memory of all replicas holds at once; 0 where it is longer than any may be."""
    pool, memory = service.pool, service.pool.step_model.kv_memory
    longest = min(memory.fits_alone, pool.limits.max_context)
    return pool.replicas * int(memory.sequences(context)) if context <= longest else 0


def layouts(model: str, system: str, settings: Mapping[str, Any]) -> list[Layout]:
    """Layouts on ever more systems, up to the first number of them that holds the model in any.

    Args:
        model, system: names in the catalog, or of a model's folder or repository.
        settings: other keys of the service.

    Raises:
        InputError: a name is not known, or a setting is wrong.
    """
    tried: list[Layout] = []
    tried_on(model, {"system": system}, settings)  # names first
    family, devices = load_system(system).device.family, load_system(system).devices
    for systems in range(1, MOST_SYSTEMS + 1):
        tried += [tried_on(model, fleet, settings) for fleet in fleets(system, family, devices, systems)]
        if any(each.service for each in tried):
            break
    return tried


def fleets(system: str, family: str, devices: int, systems: int) -> Iterator[dict[str, Any]]:
    """Fleets of so many systems, each a single replica as wide as they are where there is more than one."""
    whole = {"system": system, "systems": systems}
    if family != "gpu":
        yield whole
    elif systems > 1:
        yield whole | {"tensor_parallel": devices, "pipeline_parallel": systems}
    else:
        for ways in (2**power for power in range(devices.bit_length())):
            if devices % ways == 0:
                yield whole | {"tensor_parallel": ways}


def tried_on(model: str, fleet: Mapping[str, Any], settings: Mapping[str, Any]) -> Layout:
    """The model on a fleet, or why it does not fit."""
    asked = {
        "title": "Where a model fits",
        "requests": 1,
        "traffic": {
            "arrivals": {"kind": "closed", "users": 1},
            "prompt_tokens": {"kind": "fixed", "tokens": 1},
            "output_tokens": {"kind": "fixed", "tokens": 1},
        },
        "services": [{"name": "fit", "model": model, "fleet": fleet, **settings}],
    }
    try:
        return Layout(fleet, Scenario.read(asked).resolved.services[0])
    except ScenarioErrors as errors:
        first = errors.errors[0]
        if first.path not in ("services.0.fleet", "services.0.limits.max_context"):
            said = first.message + (f"; {first.suggestion}" if first.suggestion else "")
            raise InputError(said) from None
        return Layout(fleet, None, first.message)
