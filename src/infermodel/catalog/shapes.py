"""Model architectures from their files: a list of layers, each entry saying how often it comes.

An entry is `{count, attention, feed_forward}`, or `{repeat, of: [entries]}` for layers that alternate. YAML anchors
keep what layers share in one place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from infermodel.architecture import (
    PRECISION_BYTES,
    Attention,
    DenseFeedForward,
    ExpertFeedForward,
    FeedForward,
    GroupedAttention,
    LatentAttention,
    Layer,
    ModelArchitecture,
)
from infermodel.catalog.documents import CatalogError
from infermodel.catalog.quantities import check_keys, quantity
from infermodel.hardware import Quantity

_ATTENTION: Mapping[str, type[Attention]] = {"grouped": GroupedAttention, "latent": LatentAttention}
_FEED_FORWARD: Mapping[str, type[FeedForward]] = {"dense": DenseFeedForward, "experts": ExpertFeedForward}


def _part(entry: object, kinds: Mapping[str, type[Any]], where: str) -> Any:
    """An attention or a feed-forward network: `kind` picks the dataclass, the other keys are its fields."""
    if not isinstance(entry, Mapping) or entry.get("kind") not in kinds:
        raise CatalogError(f"{where}: a mapping whose kind is one of {', '.join(kinds)}")
    build = kinds[entry["kind"]]
    fields = dataclasses.fields(build)
    check_keys(entry, ("kind", *(field.name for field in fields)), where)
    required = {field.name for field in fields if field.default is dataclasses.MISSING}
    if not required <= set(entry):
        raise CatalogError(f"{where}: {', '.join(sorted(required - set(entry)))} missing")
    for key, value in entry.items():
        if key != "kind" and value is not None and not isinstance(value, int):
            raise CatalogError(f"{where}: {key}: {value!r} is neither a whole number nor true or false")
    return build(**{str(key): value for key, value in entry.items() if key != "kind"})


def _whole(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CatalogError(f"{where}: {value!r} is not a positive whole number")
    return value


def _layers(entries: object, where: str) -> Iterator[Layer]:
    if not isinstance(entries, list):
        raise CatalogError(f"{where}: expected a list of layers")
    for index, entry in enumerate(entries):
        place = f"{where}[{index}]"
        content = check_keys(entry, ("count", "attention", "feed_forward", "repeat", "of"), place)
        if "repeat" in content:
            yield from list(_layers(content.get("of"), f"{place}.of")) * _whole(content["repeat"], f"{place}.repeat")
        else:
            attention = _part(content.get("attention"), _ATTENTION, f"{place}.attention")
            feed_forward = _part(content.get("feed_forward"), _FEED_FORWARD, f"{place}.feed_forward")
            yield from [Layer(attention, feed_forward)] * _whole(content.get("count", 1), f"{place}.count")


def architecture(name: str, content: Mapping[str, Any], where: str) -> ModelArchitecture:
    """A model from its file. `shape` says where all the dimensions come from.

    Raises:
        CatalogError: the file misses something or holds something unknown.
    """
    dimensions = ("hidden", "vocabulary", "max_context")
    check_keys(
        content,
        (
            *("title", "repository", "also", "shape", "layers", "tied_embeddings"),
            *("default_precision", "published_parameters"),
            *dimensions,
        ),
        where,
    )
    missing = [key for key in ("title", "shape", "layers", *dimensions) if key not in content]
    if missing:
        raise CatalogError(f"{where}: {', '.join(missing)} missing")
    shape = check_keys(content["shape"], ("kind", "source", "date", "note"), f"{where}: shape")
    precision = content.get("default_precision", "bf16")
    if precision not in PRECISION_BYTES:
        raise CatalogError(f"{where}: default_precision {precision!r} is none of {', '.join(PRECISION_BYTES)}")
    provenance: dict[str, Quantity] = {
        key: quantity({"value": content[key], **shape}, "count", f"{where}: {key}") for key in dimensions
    }
    if "published_parameters" in content:
        provenance["published_parameters"] = quantity(
            content["published_parameters"], "count", f"{where}: published_parameters"
        )
    layers = tuple(_layers(content["layers"], f"{where}: layers"))
    provenance["layers"] = quantity({"value": len(layers), **shape}, "count", f"{where}: layers")
    published = provenance.get("published_parameters")
    return ModelArchitecture(
        name=name,
        title=str(content["title"]),
        hidden=_whole(content["hidden"], f"{where}: hidden"),
        vocabulary=_whole(content["vocabulary"], f"{where}: vocabulary"),
        layers=layers,
        tied_embeddings=bool(content.get("tied_embeddings", False)),
        max_context=_whole(content["max_context"], f"{where}: max_context"),
        published_parameters=None if published is None else published.value,
        default_precision=str(precision),
        provenance=provenance,
        repository=str(content.get("repository", "")),
    )
