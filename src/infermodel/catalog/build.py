"""Devices, systems and engines from their files.

In a file a figure carries its unit; a field of the dataclass is the same word with the SI unit as its suffix.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, get_args

from infermodel.catalog.documents import CatalogError
from infermodel.catalog.quantities import check_keys, note_of, quantities, quantity, table, whole
from infermodel.engine import (
    CONSTANTS,
    Admission,
    Engine,
    Findable,
    FirstToken,
    FrontEndOf,
    MemoryShare,
    OnDevices,
    Overlap,
    Preempted,
    RankRouting,
    Reserved,
    Rule,
)
from infermodel.hardware import Device, GpuDevice, Link, LpuDevice, Quantity, System, WaferDevice
from infermodel.units import parse

# field of the dataclass: key in the file, dimension
_Fields = Mapping[str, tuple[str, str | None]]

_MEMORY: _Fields = {
    "memory_capacity_bytes": ("memory_capacity", "bytes"),
    "memory_bandwidth": ("memory_bandwidth", "bandwidth"),
}
_GPU: _Fields = {
    **_MEMORY,
    "multiprocessors": ("multiprocessors", "count"),
    "power_idle_w": ("power_idle", "power"),
    "power_max_w": ("power_max", "power"),
}
_DATAFLOW: _Fields = {
    **_MEMORY,
    "memory_usable_share": ("memory_usable_share", "share"),
    "prompt_tokens_per_slot": ("prompt_tokens_per_slot", "count"),
    "prefill_share": ("prefill_share", "share"),
    "power_share_on": ("power_share_on", "share"),
}
_WAFER: _Fields = {
    **_DATAFLOW,
    "cores": ("cores", "count"),
    "clock_hz": ("clock", "frequency"),
    "effective_clock_hz": ("effective_clock", "frequency"),
    "region_share": ("region_share", "share"),
    "cycles_fixed": ("cycles_fixed", "count"),
    "cycles_per_side": ("cycles_per_side", "count"),
    "cycles_per_mac": ("cycles_per_mac", "count"),
    "mac_width_ratio": ("mac_width_ratio", "count"),
    "attention_mac_ratio": ("attention_mac_ratio", "count"),
    "moe_cycles": ("moe_cycles", "count"),
}
_LPU: _Fields = {
    **_DATAFLOW,
    "weight_install_rate": ("weight_install_rate", "bandwidth"),
    "layer_fixed_s": ("layer_fixed", "time"),
    "moe_fixed_s": ("moe_fixed", "time"),
}
_SYSTEM: _Fields = {
    "devices": ("devices", "count"),
    "power_max_w": ("power_max", "power"),
    "power_idle_w": ("power_idle", "power"),
    "rack_units": ("rack_units", "count"),
}
_ENGINE: _Fields = {
    "host_step_s": ("host_step", "time"),
    "host_sequence_s": ("host_sequence", "time"),
    "ingress_s": ("ingress", "time"),
    "egress_s": ("egress", "time"),
    "max_sequences": ("max_sequences", "count"),
    "max_batched_tokens": ("max_batched_tokens", "count"),
    "kv_block_tokens": ("kv_block_tokens", "count"),
    "memory_utilisation": ("memory_utilisation", "share"),
    "memory_reserve_bytes": ("memory_reserve", "bytes"),
}
_YES_NO = (True, False)
_RULES: Mapping[str, tuple[bool | str, ...]] = {
    "chunked_prefill": _YES_NO,
    "mixes_prompts": _YES_NO,
    "schedules_ahead": _YES_NO,
    "admission": get_args(Admission),
    "preempted": get_args(Preempted),
    "prefix_caching": _YES_NO,
    "blocks_findable": get_args(Findable),
    "caches_answers": _YES_NO,
    "front_end": get_args(FrontEndOf),
    "rank_router": get_args(RankRouting),
    "ranks_share_limits": _YES_NO,
    "memory_share": get_args(MemoryShare),
    "context_must_fit": _YES_NO,
    "answers_in_step": _YES_NO,
    "handover_reserved": get_args(Reserved),
    "handover_overlap": get_args(Overlap),
    "handover_first_token": get_args(FirstToken),
    "handover_rank_router": get_args(RankRouting),
}
"""Habits of an engine: field of the dataclass and key in the file, and what it may be."""
_COUNTED_RULES = ("long_prompt_tokens", "receive_interval", "ranks_wait_steps", "handover_kept_free_tokens")
"""Habits that are whole numbers."""
_FREE_RULES = ("since", "graph_sizes", *_COUNTED_RULES)
_ENGINE_LISTS = ("extends", "on_devices", *_FREE_RULES)
_COUNTS = frozenset(
    {"multiprocessors", "cores", "devices", "max_sequences", "max_batched_tokens", "kv_block_tokens"}
)  # fields that are whole numbers

_FAMILIES: Mapping[str, tuple[Callable[..., Device], _Fields]] = {
    "gpu": (GpuDevice, _GPU),
    "wafer": (WaferDevice, _WAFER),
    "lpu": (LpuDevice, _LPU),
}


def _figures(content: Mapping[str, Any], fields: _Fields, where: str) -> tuple[dict[str, Any], dict[str, Quantity]]:
    """Values by field, and the same with their provenance."""
    by_key = quantities(content, dict(fields.values()), where)
    provenance = {field: by_key[key] for field, (key, _) in fields.items()}
    values = {
        field: whole(figure, f"{where}: {fields[field][0]}") if field in _COUNTS else figure.value
        for field, figure in provenance.items()
    }
    return values, provenance


def _named(prefix: str, figures: Mapping[str, Quantity]) -> dict[str, Quantity]:
    return {f"{prefix}.{name}": figure for name, figure in figures.items()}


def _title(content: Mapping[str, Any], where: str) -> str:
    if "title" not in content:
        raise CatalogError(f"{where}: title missing")
    return str(content["title"])


def device(name: str, content: Mapping[str, Any], where: str) -> Device:
    """A GPU, wafer or LPU, as the file's `family` says.

    Raises:
        CatalogError: the file misses something or holds something unknown.
    """
    family = str(content.get("family"))
    if family not in _FAMILIES:
        raise CatalogError(f"{where}: family {family!r} is none of {', '.join(_FAMILIES)}")
    build, fields = _FAMILIES[family]
    keys = [key for key, _ in fields.values()]
    check_keys(content, ("title", "family", "peak_flops", *keys, *(("constants",) if family == "gpu" else ())), where)
    values, provenance = _figures(content, fields, where)
    peaks = table(content.get("peak_flops"), "flops_rate", f"{where}: peak_flops")
    values["peak_flops"] = {precision: peak.value for precision, peak in peaks.items()}
    provenance |= _named("peak_flops", peaks)
    if family == "gpu":
        constants = table(content.get("constants") or {}, None, f"{where}: constants")
        values["constants"] = {constant: figure.value for constant, figure in constants.items()}
        provenance |= _named("constants", constants)
    return build(name=name, title=_title(content, where), provenance=provenance, **values)


def _link(entry: object, where: str) -> tuple[Link, dict[str, Quantity]]:
    content = check_keys(entry, ("bandwidth", "latency"), where)
    figures = quantities(content, {"bandwidth": "bandwidth", "latency": "time"}, where)
    return Link(figures["bandwidth"].value, figures["latency"].value), figures


def system(name: str, content: Mapping[str, Any], where: str, load_device: Callable[[str], Device]) -> System:
    """What one buys, its device loaded by `load_device`.

    Raises:
        CatalogError: the file or the device's misses something or holds something unknown.
    """
    keys = [key for key, _ in _SYSTEM.values()]
    check_keys(content, ("title", "device", "link", "network", *keys), where)
    values, provenance = _figures(content, _SYSTEM, where)
    for wire in ("link", "network"):
        values[wire], figures = _link(content.get(wire), f"{where}: {wire}")
        provenance |= _named(wire, figures)
    return System(
        name=name,
        title=_title(content, where),
        device=load_device(str(content.get("device"))),
        provenance=provenance,
        **values,
    )


def engine(name: str, content: Mapping[str, Any], where: str) -> Engine:
    """A serving engine or dataflow runtime.

    Raises:
        CatalogError: the file misses something or holds something unknown.
    """
    keys = [key for key, _ in _ENGINE.values()]
    check_keys(content, ("title", "family", "constants", *_ENGINE_LISTS, *_RULES, *keys), where)
    family = content.get("family")
    if family not in ("batch", "dataflow"):
        raise CatalogError(f"{where}: family {family!r} is none of batch, dataflow")
    rules = {name: _rule(content[name], f"{where}: {name}") for name in (*_RULES, *_FREE_RULES) if name in content}
    habits: dict[str, Any] = {habit: rule.value for habit, rule in rules.items()}
    since, sizes = habits.pop("since", "0"), habits.pop("graph_sizes", [])
    for habit in _COUNTED_RULES:
        if type(habits.get(habit, 0)) is not int or habits.get(habit, 0) < 0:
            raise CatalogError(f"{where}: {habit}: {habits[habit]!r} is no whole number")
    for habit, value in habits.items():
        if habit not in _COUNTED_RULES and not any(
            type(word) is type(value) and word == value for word in _RULES[habit]
        ):
            written = ", ".join(str(word).lower() for word in _RULES[habit])
            raise CatalogError(f"{where}: {habit}: {value!r} is none of {written}")
    if not (isinstance(since, str) and re.fullmatch(r"\d+(\.\d+)*", since)):
        raise CatalogError(f"{where}: since: {since!r} is no version, such as '0.33'")
    values, provenance = _figures(content, _ENGINE, where)
    constants = table(content.get("constants") or {}, None, f"{where}: constants")
    return Engine(
        name=name,
        title=_title(content, where),
        family=family,
        constants={constant: figure.value for constant, figure in constants.items()},
        provenance=provenance | _named("constants", constants),
        rules=rules,
        graph_sizes=_sizes(sizes, f"{where}: graph_sizes"),
        on_devices=tuple(_on_devices(each, f"{where}: on_devices") for each in content.get("on_devices") or ()),
        since=tuple(map(int, since.split("."))),
        extends=str(content.get("extends", "")),
        **habits,
        **values,
    )


def _sizes(entry: object, where: str) -> tuple[tuple[int, int], ...]:
    """Pairs of a first size and a step, ascending."""
    pairs = [tuple(pair) if isinstance(pair, list) else () for pair in entry] if isinstance(entry, list) else [()]
    if any(len(pair) != 2 or any(type(number) is not int or number < 1 for number in pair) for pair in pairs):
        raise CatalogError(f"{where}: expected pairs of a first size and a step, found {entry!r}")
    if pairs != sorted(pairs):
        raise CatalogError(f"{where}: the sizes do not ascend")
    return tuple((first, step) for first, step in pairs)


def _on_devices(entry: object, where: str) -> OnDevices:
    """Figures of some devices: a device's memory and name, and fields and constants of an engine."""
    dimensions = {key: (field, dimension) for field, (key, dimension) in _ENGINE.items()}
    content = check_keys(entry, ("memory_from", "memory_below", "named", "constants", *dimensions), where)
    bounds = {key: parse(content[key], "bytes") for key in ("memory_from", "memory_below") if key in content}
    figures = {
        field: quantity(content[key], dimension, f"{where}: {key}")
        for key, (field, dimension) in dimensions.items()
        if key in content
    }
    constants = table(content.get("constants") or {}, None, f"{where}: constants")
    return OnDevices(
        figures={**figures, **{CONSTANTS + name: figure for name, figure in constants.items()}},
        at_least_bytes=bounds.get("memory_from", 0.0),
        below_bytes=bounds.get("memory_below", inf),
        named=tuple(map(str, content.get("named", ("",)))),
    )


def _rule(entry: object, where: str) -> Rule:
    """A habit with its source."""
    content = check_keys(entry, ("value", "source", "date", "note", "inherited"), where)
    if "value" not in content or not content.get("source"):
        raise CatalogError(f"{where}: a rule has a value and a source")
    return Rule(content["value"], str(content["source"]), str(content.get("date", "")), note_of(content))
