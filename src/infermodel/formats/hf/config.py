"""The keys of one configuration: those of the file over the defaults of its class, under old and new spellings."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from infermodel.formats.text import FormatError

MOST_LAYERS = 10_000
LARGEST = 10**9
"""Of any number: no model has so many words, experts, channels or tokens of context."""

RENAMED_LAYERS: Mapping[str, str] = {
    "attention": "full_attention",
    "mamba": "linear_attention",
    "deepseek_sparse_attention": "indexed_attention",
    "qwen_sparse_attention": "indexed_attention",
}
"""Kinds of layers under older names."""


@cache
def class_defaults() -> Mapping[str, Mapping[str, Any]]:
    """By `model_type` the defaults of its class that decide a model's size; `renamed` holds a key's other spelling."""
    text = resources.files("infermodel.formats.hf").joinpath("class_defaults.json").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, Any]] = json.loads(text)["classes"]
    return found


@dataclass(frozen=True, slots=True)
class Config:
    """The keys of a configuration, the file to blame, and where in it they stand ("text_config." or nothing)."""

    path: Path
    keys: Mapping[str, Any]
    place: str = ""

    def whole(self, *names: str, default: int | None = None) -> int:
        """The whole number under the first of `names` that is there and not null.

        Raises:
            FormatError: none is there and no default is given, or it is not a positive whole number.
        """
        for name in names:
            value = self.keys.get(name)
            if value is None:
                continue
            least = 1 if default is None else 0
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise self.wrong(name, "a whole number", value)
            if value > LARGEST:
                raise self.wrong(name, f"at most {LARGEST:,}", value)
            return value
        if default is None:
            raise self.refused(f"key {names[0]!r} is missing")
        return default

    def flag(self, name: str, default: bool = False) -> bool:
        """The truth value of a key.

        Raises:
            FormatError: it is anything else.
        """
        value = self.keys.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, "true or false", value)
        return default if value is None else value

    def mapping(self, name: str) -> Mapping[str, Any]:
        """The object under a key, empty where it is absent or null.

        Raises:
            FormatError: it is no object.
        """
        value = self.keys.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise self.wrong(name, "an object of keys", value)
        return value or {}

    def part(self, name: str, family: str = "") -> Config:
        """The object under a key as a configuration of its own, over the defaults of its class.

        Args:
            family: taken where the object names none.
        """
        keys = self.mapping(name)
        return configuration(self.path, keys, str(keys.get("model_type") or family), f"{self.place}{name}.")

    def sequence(self, name: str) -> list[Any] | None:
        """The list of one entry a layer under a key, None where it is absent, null or empty.

        Raises:
            FormatError: it is no list, or not one of as many entries as there are layers.
        """
        value = self.keys.get(name)
        if value is None or value == []:
            return None
        if not isinstance(value, list) or len(value) < self.layers():
            raise self.refused(f"{name}: expected a list of num_hidden_layers entries")
        if not all(isinstance(each, str | int) for each in value):
            raise self.refused(f"{name}: expected a word or a number for each layer")
        return value[: self.layers()]

    def numbers(self, name: str) -> list[int]:
        """The list of whole numbers under a key, empty where it is absent or null.

        Raises:
            FormatError: it is anything else.
        """
        value = self.keys.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(type(each) is int and 0 <= each <= LARGEST for each in value):
            raise self.wrong(name, "a list of whole numbers", value)
        return value

    def layers(self) -> int:
        """How many layers there are.

        Raises:
            FormatError: more than any model has; an object is made for each.
        """
        layers = self.whole("num_hidden_layers")
        if layers > MOST_LAYERS:
            raise self.wrong("num_hidden_layers", f"at most {MOST_LAYERS:,}", layers)
        return layers

    def kinds(self, name: str, default: Callable[[int], str]) -> list[str]:
        """A word for each layer: the list under a key, or the rule of the class.

        Args:
            default: of the layer's number, from 0.
        """
        found = self.sequence(name)
        if found is None:
            return [default(index) for index in range(self.layers())]
        return [RENAMED_LAYERS.get(str(each), str(each)) for each in found]

    def layer(self, index: int) -> Config:
        """The keys of one layer, where `per_layer_config` gives it some of its own."""
        own = self.mapping("per_layer_config")
        found = next((value for key, value in own.items() if key.isdigit() and int(key) == index), None)
        if found is None:
            return self
        if not isinstance(found, Mapping):
            raise self.wrong(f"per_layer_config.{index}", "an object of keys", found)
        return replace(self, keys={**self.keys, **found})

    def wrong(self, name: str, expected: str, found: object) -> FormatError:
        """The error of a key that holds something else."""
        return self.refused(f"{name}: expected {expected}, found {reprlib.repr(found)}")

    def refused(self, why: str) -> FormatError:
        """The error of a model that is not read, and why."""
        return FormatError(self.path, f"{self.place}{why}")


def configuration(path: Path, keys: Mapping[str, Any], family: str, place: str = "") -> Config:
    """The keys of a file over the defaults of their class; a key and its other spelling stand for the same."""
    known = class_defaults().get(family, {})
    renamed: Mapping[str, str] = known.get("renamed", {})
    defaults = {key: value for key, value in known.items() if key != "renamed"}
    return Config(path, {**_both(defaults, renamed), **_both(keys, renamed)}, place)


def _both(keys: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    found = dict(keys)
    for name, other in renamed.items():
        if other in keys:
            found.setdefault(name, keys[other])
        if name in keys:
            found.setdefault(other, keys[name])
    return found
