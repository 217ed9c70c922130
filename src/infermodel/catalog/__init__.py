"""What is known of devices, systems, models, engines and prices, every figure with its source.

`load_system("cs-3")` reads one YAML file and the one of its device; a second call reads none.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from infermodel.architecture import ModelArchitecture
from infermodel.catalog import asked, build, prices, repositories, shapes, versions
from infermodel.catalog.documents import CatalogError, names, read
from infermodel.catalog.prices import Price, TokenPrice
from infermodel.catalog.repositories import repository_ids
from infermodel.engine import Engine
from infermodel.hardware import Device, System

__all__ = [
    "CatalogError",
    "Price",
    "TokenPrice",
    "hint",
    "load_device",
    "load_engine",
    "load_engine_named",
    "load_engine_version",
    "load_model",
    "load_price",
    "load_system",
    "names",
    "prices_in",
    "prices_of",
    "repository_ids",
    "systems_with",
]


@cache
def load_device(name: str) -> Device:
    """A device by name, such as `h100-sxm`.

    Raises:
        CatalogError: there is no such device (with the nearest name), or its file is broken. So for all loads.
    """
    return build.device(name, read("devices", name), f"devices/{name}.yaml")


@cache
def load_system(name: str) -> System:
    """A system that one buys, such as `dgx-h100`, with its device."""
    return build.system(name, read("systems", name), f"systems/{name}.yaml", load_device)


def systems_with(words: str) -> tuple[str, ...]:
    """Names of the systems that hold the device that somebody names, whatever else is said of it; may be none.

    >>> systems_with("8 x H100 80GB SXM5"), systems_with("H100 NVL"), systems_with("B200"), systems_with("dgx")
    (('dgx-h100',), ('h100-nvl-8',), ('dgx-b200',), ())
    """
    return asked.holding(words, {name: load_system(name).device.name for name in names("systems")})


def hint(kind: str, words: str) -> str:
    """What to say to who names a system or a device that the catalog does not hold: those of the same generation, or
    why there is none; empty where nobody can guess.

    Args:
        kind: `systems` or `devices`.

    >>> hint("systems", "8xH20"), hint("devices", "H20 SXM")
    ("did you mean 'h20-8'?", "did you mean 'h20'?")
    """
    held = systems_with(words) if kind == "systems" else asked.holding(words, {each: each for each in names("devices")})
    return f"did you mean {' or '.join(map(repr, held))}?" if held else asked.left_out(words)


@cache
def load_model(name: str) -> ModelArchitecture:
    """A model's architecture, by its name, or by a repository on Hugging Face that its file holds.

    >>> load_model("llama-3.1-8b").repository, load_model("meta-llama/Llama-3.1-8B-Instruct").name
    ('meta-llama/Llama-3.1-8B', 'llama-3.1-8b')
    """
    model, repository = repositories.model_named(name)
    found = shapes.architecture(model, read("models", model), f"models/{model}.yaml")
    return replace(found, repository=repository) if repository else found


@cache
def load_engine(name: str) -> Engine:
    """A serving engine, such as `vllm`."""
    return build.engine(name, read("engines", name), f"engines/{name}.yaml")


def load_engine_named(name: str) -> Engine:
    """A serving engine by its entry's name, or by an engine's name and any version of it.

    >>> load_engine_named("vllm-0.14").name, load_engine_named("vllm-0.27.1").name
    ('vllm-0.14', 'vllm-0.20')
    """
    engine, _, version = name.rpartition("-")
    known = names("engines")
    if name in known or engine not in known or not re.fullmatch(r"\d+(\.\d+)*", version):
        return load_engine(name)
    return load_engine_version(engine, version)


@cache
def load_engine_version(name: str, version: str) -> Engine:
    """The entry of an engine that describes a version of it; its newest where the version is no number and no month.

    >>> [load_engine_version("vllm", version).name for version in ("0.9.1", "0.18.0", "0.27.1", "0.40", "")]
    ['vllm-0.10', 'vllm-0.14', 'vllm-0.20', 'vllm', 'vllm']
    """
    others = [entry for entry in names("engines") if re.fullmatch(rf"{re.escape(name)}-\d+(\.\d+)*", entry)]
    return versions.entry_of(version, [load_engine(entry) for entry in (name, *others)])


@cache
def load_price(name: str) -> Price:
    """A price or a provider's price list, such as `cs-3`, `us-industrial-2024` or `cerebras-2024-08`."""
    return prices.price(name, read("prices", name), f"prices/{name}.yaml")


@cache
def prices_in(category: str, of: str = "") -> tuple[Price, ...]:
    """Prices of a category by name: of one system, device or provider, or of any where it is empty.

    >>> [price.name for price in prices_in("purchase", "cs-3")]
    ['cs-3']
    """
    every = (load_price(name) for name in names("prices"))
    return tuple(each for each in every if each.category == category and of in ("", each.of))


@cache
def prices_of(system: str, device: str) -> tuple[Price, ...]:
    """For how much a system was bought or its device rented, the newest first.

    >>> [price.name for price in prices_of("mi355x-8", "mi355x")][:2], prices_of("tpu7x-64", "tpu7x")
    (['mi355x-8', 'mi355x-hyperscaler-2026-09'], ())
    """
    found = sorted((*prices_in("purchase", system), *prices_in("rental", device)), key=lambda each: each.name)
    return tuple(sorted(found, key=lambda each: each.figure.date if each.figure else "", reverse=True))
