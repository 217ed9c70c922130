"""Model architectures from their files: a list of layers, each entry saying how often it comes.

An entry is `{count, attention, recurrence, feed_forward}`, or `{repeat, of: [entries]}` for layers that alternate. YAML
anchors keep what layers share in one place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from infermodel.architecture import (
    PRECISION_BYTES,
    Attention,
    CompressedAttention,
    DenseFeedForward,
    ExpertFeedForward,
    FeedForward,
    GroupedAttention,
    ImageEncoder,
    Indexer,
    LatentAttention,
    Layer,
    LinearAttention,
    Mamba,
    Mamba2,
    ModelArchitecture,
    Recurrence,
    ShortConvolution,
    Tower,
)
from infermodel.architecture.images import Filled, Fixed, ImageRule, Padded, Resized, Tiles
from infermodel.architecture.recurrence import Decay
from infermodel.catalog.documents import CatalogError
from infermodel.catalog.quantities import check_keys, quantity
from infermodel.hardware import Quantity

_ATTENTION: Mapping[str, type[Attention]] = {
    "grouped": GroupedAttention,
    "latent": LatentAttention,
    "compressed": CompressedAttention,
}
_RECURRENCE: Mapping[str, type[Recurrence]] = {
    "linear": LinearAttention,
    "mamba2": Mamba2,
    "mamba": Mamba,
    "convolution": ShortConvolution,
}
_FEED_FORWARD: Mapping[str, type[FeedForward]] = {"dense": DenseFeedForward, "experts": ExpertFeedForward}
_RULES: Mapping[str, type[ImageRule]] = {
    "resized": Resized,
    "padded": Padded,
    "filled": Filled,
    "fixed": Fixed,
    "tiles": Tiles,
}
_WORDS: Mapping[str, tuple[str, ...]] = {"decay": get_args(Decay)}
"""Fields that are one of some words."""


def _part(entry: object, kinds: Mapping[str, type[Any]], where: str) -> Any:
    """A part of a layer: `kind` picks the dataclass, the other keys are its fields."""
    if not isinstance(entry, Mapping) or entry.get("kind") not in kinds:
        raise CatalogError(f"{where}: a mapping whose kind is one of {', '.join(kinds)}")
    return _built(kinds[entry["kind"]], {key: value for key, value in entry.items() if key != "kind"}, where)


def _built(build: type[Any], entry: object, where: str) -> Any:
    """A dataclass of whole numbers, truth values, words, an indexer and a rule for images."""
    fields = dataclasses.fields(build)
    content = check_keys(entry, [field.name for field in fields], where)
    required = {field.name for field in fields if field.default is dataclasses.MISSING}
    if not required <= set(content):
        raise CatalogError(f"{where}: {', '.join(sorted(required - set(content)))} missing")
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key == "indexer":
            values[key] = _built(Indexer, value, f"{where}.indexer")
        elif key == "rule":
            values[key] = _part(value, _RULES, f"{where}.rule")
        elif key in _WORDS:
            if value not in _WORDS[key]:
                raise CatalogError(f"{where}: {key}: {value!r} is none of {', '.join(_WORDS[key])}")
            values[key] = value
        elif value is not None and not isinstance(value, int):
            raise CatalogError(f"{where}: {key}: {value!r} is neither a whole number nor true or false")
        else:
            values[str(key)] = value
    return build(**values)


def _whole(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CatalogError(f"{where}: {value!r} is not a positive whole number")
    return value


def _layers(entries: object, where: str) -> Iterator[Layer]:
    if not isinstance(entries, list):
        raise CatalogError(f"{where}: expected a list of layers")
    for index, entry in enumerate(entries):
        place = f"{where}[{index}]"
        content = check_keys(entry, ("count", "repeat", "of", *_LAYER), place)
        if "repeat" in content:
            yield from list(_layers(content.get("of"), f"{place}.of")) * _whole(content["repeat"], f"{place}.repeat")
        else:
            yield from [_layer(content, place)] * _whole(content.get("count", 1), f"{place}.count")


_PARTS: Mapping[str, Mapping[str, type[Any]]] = {
    "attention": _ATTENTION,
    "recurrence": _RECURRENCE,
    "feed_forward": _FEED_FORWARD,
}
_LAYER = (*_PARTS, "norms", "extra", "joined")


def _layer(content: Mapping[str, Any], where: str) -> Layer:
    """One layer; what it lacks is left out, but something it has."""
    parts: dict[str, Any] = {
        key: _part(content[key], kinds, f"{where}.{key}") for key, kinds in _PARTS.items() if key in content
    }
    if not parts:
        raise CatalogError(f"{where}: none of {', '.join(_PARTS)}")
    for key in ("norms", "extra", "joined"):
        if key in content:
            parts[key] = _whole(content[key], f"{where}.{key}")
    return Layer(**parts)


def _formats(entry: object, where: str) -> tuple[tuple[str, str], ...]:
    """Formats by what they are of; what is not named is in 16 bits."""
    known = ("attention", "recurrence", "dense", "shared", "experts", "router")
    said = check_keys(entry, known, where)
    for part, name in said.items():
        if name not in PRECISION_BYTES:
            raise CatalogError(f"{where}.{part}: {name!r} is none of {', '.join(PRECISION_BYTES)}")
    return tuple(said.items())


def _images(entry: object, where: str) -> tuple[ImageEncoder | None, Quantity | None]:
    """The encoder of images, and whose word its rule is: tokens that it makes of 1,024 x 1,024 pixels."""
    if entry is None:
        return None, None
    content = check_keys(entry, ("encoder", "rule", "kind", "source", "date", "note"), where)
    said = {key: content[key] for key in ("kind", "source", "date", "note") if key in content}
    encoder = content.get("encoder")
    if not isinstance(encoder, Mapping):
        raise CatalogError(f"{where}: encoder: expected a mapping")
    built: ImageEncoder = _built(ImageEncoder, {**encoder, "rule": content.get("rule")}, f"{where}.encoder")
    tokens = built.seen(1024, 1024).tokens
    return built, quantity({"value": tokens, **said}, "count", where)


def architecture(name: str, content: Mapping[str, Any], where: str) -> ModelArchitecture:
    """A model from its file. `shape` says where all the dimensions come from.

    Raises:
        CatalogError: the file misses something or holds something unknown.
    """
    dimensions = ("hidden", "vocabulary", "max_context")
    check_keys(
        content,
        (
            *(
                "extends",
                "title",
                "repository",
                "also",
                "shape",
                "layers",
                "drafts",
                "tied_embeddings",
                "towers",
                "images",
                "extra",
            ),
            *("default_precision", "formats", "published_bytes", "state_number_bytes", "published_parameters"),
            "fp8_in_blocks",
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
    for key, dimension in (("published_parameters", "count"), ("published_bytes", "bytes")):
        if key in content:
            provenance[key] = quantity(content[key], dimension, f"{where}: {key}")
    layers = tuple(_layers(content["layers"], f"{where}: layers"))
    provenance["layers"] = quantity({"value": len(layers), **shape}, "count", f"{where}: layers")
    published, stored = provenance.get("published_parameters"), provenance.get("published_bytes")
    images, seen = _images(content.get("images"), f"{where}: images")
    if seen is not None:
        provenance["tokens_of_an_image"] = seen
    towers = check_keys(content.get("towers", {}), ("vision", "sound"), f"{where}: towers")
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
        towers=tuple(Tower(name, _whole(size, f"{where}: towers.{name}")) for name, size in towers.items()),
        images=images,
        extra_parameters=int(content.get("extra", 0)),
        stored_bytes=None if stored is None else stored.value,
        formats=_formats(content.get("formats", {}), f"{where}: formats"),
        fp8_in_blocks=bool(content.get("fp8_in_blocks", False)),
        state_number_bytes=float(content.get("state_number_bytes", 2)),
        drafts=tuple(_layers(content["drafts"], f"{where}: drafts")) if "drafts" in content else (),
        repository=str(content.get("repository", "")),
    )
