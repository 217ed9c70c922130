"""The YAML files of the catalog: which there are, and their content. A file is read only when its name is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING or not yaml.__with_libyaml__:
    from yaml import SafeLoader
else:
    from yaml import CSafeLoader as SafeLoader

KINDS: Mapping[str, str] = {
    "devices": "device",
    "systems": "system",
    "models": "model",
    "engines": "engine",
    "prices": "price",
}
"""Folder of the catalog: the key that names a file's object."""

_FOLDER = Path(__file__).parent


class CatalogError(ValueError):
    """A name that the catalog does not hold, or a file of it that cannot be understood."""


class _UniqueKeys(SafeLoader):
    """Refuses a key given twice; PyYAML keeps the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} is given twice", node.start_mark)
        return dict(super().construct_mapping(node, deep))


def did_you_mean(unknown: str, known: Iterable[str]) -> str:
    """`; did you mean 'cs-3'?`, or nothing where no known name is near.

    >>> did_you_mean("cs3", ["cs-3", "dgx-h100"]) + did_you_mean("h100", ["gh200", "h100-sxm"])
    "; did you mean 'cs-3'?; did you mean 'h100-sxm'?"
    """
    candidates = sorted(known)
    longer = [name for name in candidates if name.startswith(unknown.lower())] if len(unknown) > 2 else []
    same = [name for name in candidates if name == unknown.lower()]
    near = same or longer or get_close_matches(unknown.lower(), candidates, n=1)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


@cache
def names(kind: str) -> tuple[str, ...]:
    """Names of all objects of a kind (a key of `KINDS`), sorted; no file is opened.

    Raises:
        CatalogError: there is no such kind.
    """
    if kind not in KINDS:
        raise CatalogError(f"the catalog has no {kind!r}{did_you_mean(kind, KINDS)}")
    return tuple(sorted(path.stem for path in (_FOLDER / kind).glob("*.yaml")))


def read(kind: str, name: str, below: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """The content of one file, its naming key checked and taken away, over that of the file that it `extends`.

    Args:
        below: names of the files that extend this one.

    Raises:
        CatalogError: no such name, broken YAML, a file that does not name itself, or files that extend one another.
    """
    known, word = names(kind), KINDS[kind]
    if name not in known:
        raise CatalogError(f"no {word} named {name!r}{did_you_mean(name, known)}")
    where = f"{kind}/{name}.yaml"
    try:
        content = yaml.load((_FOLDER / kind / f"{name}.yaml").read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except yaml.YAMLError as error:
        raise CatalogError(f"{where}: {error}") from error
    if not isinstance(content, dict) or content.pop(word, None) != name:
        raise CatalogError(f"{where}: a file of this name starts with '{word}: {name}'")
    content.pop("sources", None)  # where a file keeps its anchors
    return extended(kind, content, where, (name, *below))


def extended(kind: str, content: Mapping[str, Any], where: str, below: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """The content of a file over that of the file that it `extends`, if it does."""
    if (base := content.get("extends")) is None:
        return content
    if base in below:
        raise CatalogError(f"{where}: extends itself, by way of {base!r}")
    return _over(read(kind, str(base), below), content, str(base))


def _over(base: Mapping[str, Any], own: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a file says over what its base says, tables of figures joined, what holds on some devices behind the base's;
    a figure of the base's says whose it is.

    >>> _over({"a": {"value": 1}, "b": {"value": 2}}, {"extends": "old", "b": {"value": 3}}, "old")
    {'a': {'inherited': 'old', 'value': 1}, 'b': {'value': 3}, 'extends': 'old'}
    """
    content = {key: _inherited(entry, name) for key, entry in base.items()}
    for key, entry in own.items():
        joined = isinstance(entry, dict) and "value" not in entry and isinstance(content.get(key), dict)
        content[key] = content[key] | entry if joined else entry
    if "on_devices" in base and "on_devices" in own:
        content["on_devices"] = [*_inherited(base["on_devices"], name), *own["on_devices"]]
    return content


def _inherited(entry: Any, base: str) -> Any:
    if isinstance(entry, list):
        return [_inherited(each, base) for each in entry]
    if not isinstance(entry, dict):
        return entry
    if "value" not in entry:
        return {key: _inherited(figure, base) for key, figure in entry.items()}
    return {"inherited": base, **entry}
