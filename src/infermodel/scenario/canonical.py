"""A resolved scenario as one canonical tree, its digest, and YAML that loads to the same digest."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infermodel.scenario.document import dump
from infermodel.scenario.resolve_prices import merged_prices
from infermodel.scenario.resolved import ResolvedPool, ResolvedScenario, ResolvedService
from infermodel.scenario.schema.scenario import Scenario
from infermodel.scenario.schema.values import tree


def to_yaml(scenario: ResolvedScenario) -> str:
    """The scenario with every default written out, in SI units; loads again to the same digest."""
    return dump(plain(scenario.tree))


def canonical_tree(scenario: Scenario, services: Sequence[ResolvedService], folder: Path) -> dict[str, Any]:
    """The scenario's tree in SI with the defaults of each service filled in.

    Files that lie beside the scenario are named from the current folder, since the tree may be written elsewhere.
    """
    content = tree(scenario)
    for block, key in _named_files(content):
        if (folder / block[key]).exists():
            block[key] = (folder / block[key]).as_posix()
    for block, asked, resolved in zip(content["services"], scenario.services, services, strict=True):
        if asked.fleet.pools is None:
            fill_in(block, block["fleet"], resolved.pool)
        else:
            places = [place for place, _ in asked.fleet.by_role]
            for place, pool in zip(places, resolved.pools, strict=True):
                fill_in(block["fleet"]["pools"][place], block["fleet"]["pools"][place], pool)
        block["prices"] = tree(merged_prices(scenario.prices, asked.prices))
    return tree(Scenario.model_validate(plain(content)))  # in the schema's order of keys


def fill_in(block: dict[str, Any], layout: dict[str, Any], pool: ResolvedPool) -> None:
    """Write the defaults of a pool into the block that may say them, and into the one of its layout."""
    deployment, limits = pool.deployment, pool.limits
    block["engine"] = pool.engine.name
    layout["replicas"] = pool.replicas
    if pool.system.device.family != "gpu":
        layout["devices_per_replica"] = pool.devices_per_replica
    precision = deployment.precision
    block["precision"] = {key: getattr(precision, key) for key in ("weights", "kv_cache", "compute")}
    block["limits"] = {key: getattr(limits, key) for key in ("max_sequences", "max_batched_tokens", "max_context")}
    block["limits"]["memory_utilisation"] = deployment.memory_utilisation


def digest(content: Mapping[str, Any], services: Sequence[ResolvedService]) -> str:
    """SHA-256 over the tree and over what its names stand for: hardware, models, engines, prices, traces.

    Where figures come from (provenance, titles of the catalog) does not count; the figures do.
    """
    behind = [
        {
            "architecture": plain(service.architecture),
            **behind_pool(service.pools[0]),
            "traffic": plain(service.traffic),
            **(
                {"pools": [*map(behind_pool, service.pools)], "link": plain(service.link)}
                if len(service.pools) > 1
                else {}
            ),
        }
        for service in services
    ]
    unnamed = copy.deepcopy(dict(content))
    for block, key in _named_files(unnamed):
        del block[key]  # what the file holds is in `behind`
    text = json.dumps([plain(unnamed), behind], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def behind_pool(pool: ResolvedPool) -> dict[str, Any]:
    """What the names of a pool stand for."""
    return {
        "system": plain(pool.system),
        "engine": plain(pool.engine),
        "prices": plain(pool.prices),
        "draft": plain(pool.speculation.draft) if pool.speculation else None,
    }


def _named_files(content: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Blocks that name a file, and the key that does."""
    for block in (content, *content["services"]):
        if "file" in block.get("traffic", {}).get("arrivals", {}):
            yield block["traffic"]["arrivals"], "file"
        if isinstance(block.get("model"), dict):
            yield block["model"], "config"


UNCOUNTED = (
    "provenance", "title", "rules", "repository",
    "handover_reserved", "handover_overlap", "handover_first_token", "handover_rank_router",
    "handover_kept_free_tokens",
)  # fmt: skip
"""Where figures come from, which says nothing of what is played; and habits that count with a link, where there is one.
"""


def _default(part: Any, field: Field[Any]) -> bool:
    """Whether a field is as it comes: one that dataclasses gain later leaves the digests of before alone."""
    value = getattr(part, field.name)
    return field.default is not MISSING and type(value) is type(field.default) and bool(value == field.default)


def plain(part: Any) -> Any:
    """Dict, list and scalars of anything that a scenario is made of; arrays become the hash of their bytes.

    >>> plain({"a": (1, 2.0)})
    {'a': [1, 2.0]}
    """
    if isinstance(part, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest()
    if is_dataclass(part):
        kept = {
            f.name: getattr(part, f.name) for f in fields(part) if f.name not in UNCOUNTED and not _default(part, f)
        }
        return {"": type(part).__name__} | {name: plain(value) for name, value in kept.items()}
    if isinstance(part, Mapping):
        return {str(key): plain(value) for key, value in part.items()}
    if isinstance(part, tuple | list):
        return [plain(value) for value in part]
    return part
