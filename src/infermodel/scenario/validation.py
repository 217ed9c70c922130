"""From a document to a scenario, or to all that is wrong with it."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from infermodel.scenario.document import Document, KeyPath
from infermodel.scenario.errors import ScenarioError, ScenarioErrors, did_you_mean, named
from infermodel.scenario.schema.scenario import Scenario
from infermodel.scenario.schema.values import REFUSED, BlockKind, ByKind, Kind, WordOr, keys
from infermodel.scenario.words import LONE, meant, meant_here

B = TypeVar("B", bound=BaseModel)


def validate(document: Document) -> Scenario:
    """The scenario of a document.

    Raises:
        ScenarioErrors: all that is wrong with the text and with the content.
    """
    return validate_as(Scenario, document).read_from(document)


FILES: Mapping[str, str] = {
    "services": "a scenario: 'infermodel run' takes it",
    "candidates": "a plan: 'infermodel plan' takes it",
    "axes": "a sweep: 'infermodel sweep' takes it",
}
"""The key by which a file is known, and what it is."""


def validate_as(root: type[B], document: Document) -> B:
    """The content of a document, read by a block of the language.

    Raises:
        ScenarioErrors: all that is wrong with the text and with the content.
    """
    errors = list(document.errors)
    if document.tree is None:
        raise ScenarioErrors(errors or [document.error((), "is empty")])
    if not isinstance(document.tree, dict):
        raise ScenarioErrors([*errors, document.error((), f"expected 'key: value' lines, got {named(document.tree)}")])
    for mark, kind in FILES.items():
        if mark in document.tree and not {*FILES} & {*keys(root)} & {*document.tree}:
            raise ScenarioErrors([document.error((mark,), f"this file is {kind}", at_key=True)])
    refused = {error.path for error in errors}
    errors += [
        document.error(path, "has no value", _value_for(path, document.tree), at_key=True)
        for path in _empty(document.tree)
        if ".".join(map(str, path)) not in refused
    ]
    refused |= {error.path for error in errors}
    refused |= {
        ".".join(map(str, parted)) for path in _empty(document.tree) if (parted := _parted(path, document.tree))
    }
    try:
        content = root.model_validate(_without_empty(document.tree))
    except ValidationError as invalid:
        for each in invalid.errors(include_url=False):
            path = tuple(each["loc"])
            if each["type"] == "too_short" and each["input"]:
                continue  # pydantic counts the sound entries only; the others are refused one by one
            if each["type"] == "missing" and _is_misnamed(path, document, root):
                continue  # the key by another name is refused, with this one to write instead
            if not any(".".join(map(str, path[:depth])) in refused for depth in range(1, len(path) + 1)):
                errors.append(_translate(each, path, document, root))
        raise ScenarioErrors(errors) from None
    if errors:
        raise ScenarioErrors(errors)
    return content


def _value_for(path: KeyPath, tree: Any) -> str:
    """What to do about a key without a value."""
    key = str(path[-1])
    if before := _parted(path, tree):
        whole = _node(tree, before)
        number = f"write '{whole}{key}'" if isinstance(whole, int) and key[:3].isdigit() else "decimals have a point"
        return f"inside braces a comma parts entries: {number}"
    parts = re.fullmatch(r"(\w+)[:= ]\s*(\S.*)", key)
    if parts and not key[:1].isdigit():
        return f"write '{parts[1]}: {parts[2]}', with a space after the colon"
    return "write one or remove the key"


def _parted(path: KeyPath, tree: Any) -> KeyPath:
    """Path of the number from which a comma parted this key without a value, `1,200 rpm`; empty where none did."""
    beside = _node(tree, path[:-1])
    if not (isinstance(beside, dict) and str(path[-1])[:1].isdigit()):
        return ()
    before = list(beside)[: list(beside).index(str(path[-1]))]
    is_number = before and isinstance(beside[before[-1]], int | float)
    return (*path[:-1], before[-1]) if is_number else ()


def _empty(tree: Any, path: KeyPath = ()) -> list[KeyPath]:
    """Paths of the keys and items without a value."""
    if tree is None:
        return [path]
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [found for key, part in parts for found in _empty(part, (*path, key))]


def _without_empty(tree: Any) -> Any:
    """The tree without keys that have no value; they are refused apart."""
    if isinstance(tree, dict):
        return {key: _without_empty(part) for key, part in tree.items() if part is not None}
    return [_without_empty(part) for part in tree] if isinstance(tree, list) else tree


def _translate(each: Any, path: KeyPath, document: Document, root: type[BaseModel]) -> ScenarioError:
    """One of pydantic's errors in our words, at its place."""
    match each["type"]:
        case str(kind) if kind == REFUSED:
            return document.error(path, each["ctx"]["message"], each["ctx"]["suggestion"])
        case "missing":
            return document.error(path[:-1], f"the key '{path[-1]}' is missing", at_key=True)
        case "extra_forbidden":
            said = f"no key named {named(path[-1])} here"
            return document.error(path, said, _instead(path, document, root), at_key=True)
        case "too_short":
            return document.error(path, "the list is empty; give at least one")
        case "too_long":
            return document.error(path, f"more than {each['ctx']['max_length']} entries")
        case "model_type" | "model_attributes_type":
            block = block_at(path, document.tree, root)
            hint = f" with the keys {', '.join(keys(block))}" if block else ""
            value, key = each["input"], LONE.get(str(path[-1]))
            lone = (
                f"write {{{key}: {value}}}"
                if key and isinstance(value, str | int | float) and value is not True
                else ""
            )
            return document.error(path, f"expected a mapping{hint}; got {named(value)}", lone)
        case "tuple_type":
            return document.error(path, f"expected a list, got {named(each['input'])}")
        case _:
            return document.error(path, each["msg"])


def _instead(path: KeyPath, document: Document, root: type[BaseModel]) -> str:
    """What to write instead of a key that its block has not; empty where nobody can guess."""
    block = block_at(path[:-1], document.tree, root)
    free = tuple(key for key in (keys(block) if block else ()) if key not in _node(document.tree, path[:-1]))
    here = ".".join(key for key in path[:-1] if isinstance(key, str))
    word = str(path[-1])
    own = meant_here(word, here) or _belongs_to(path, document, root)
    return own or meant(word, here, free) or did_you_mean(word, free)


def _is_misnamed(path: KeyPath, document: Document, root: type[BaseModel]) -> bool:
    """Whether a key that is missing stands there under another name."""
    node, block = _node(document.tree, path[:-1]), block_at(path[:-1], document.tree, root)
    unknown = [key for key in node if key not in keys(block)] if isinstance(node, dict) and block else []
    said = (f"write '{path[-1]}'", f"did you mean '{path[-1]}'?")
    return any(_instead((*path[:-1], key), document, root).startswith(said) for key in unknown if key != "kind")


def _belongs_to(path: KeyPath, document: Document, root: type[BaseModel]) -> str:
    """Where a key that stands too deep would be known; empty if in no block around its own."""
    for depth in range(len(path) - 2, -1, -1):
        block = block_at(path[:depth], document.tree, root) if not isinstance(path[depth], int) else None
        if block and path[-1] in keys(block):
            return f"it belongs beside '{path[depth]}'"
    return ""


def _node(tree: Any, path: KeyPath) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def block_at(path: KeyPath, tree: Any, root: type[BaseModel] = Scenario) -> type[BaseModel] | None:
    """The schema's block that describes a path of the tree; None where there is none."""
    block: type[BaseModel] | None = root
    for key in path:
        try:
            tree = tree[key]
        except (LookupError, TypeError):
            return None
        if isinstance(key, int):
            continue
        field = next((f for n, f in block.model_fields.items() if key == (f.alias or n)), None) if block else None
        block = _block_of([*field.metadata, field.annotation], tree) if field else None
    return block


def _block_of(annotation: Any, tree: Any) -> type[BaseModel] | None:
    """The block that an annotation (or one of several) means for this part of the tree."""
    if isinstance(annotation, list):
        return next((found for part in annotation if (found := _block_of(part, tree))), None)
    if isinstance(annotation, ByKind):
        return annotation.blocks.get(str(tree.get("kind"))) if isinstance(tree, dict) else None
    if isinstance(annotation, BlockKind):
        return annotation.block
    if isinstance(annotation, WordOr):
        return _block_of(annotation.other, tree)
    if isinstance(annotation, Kind):
        return None
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated, tuple):
        metadata = getattr(annotation, "__metadata__", ())
        return _block_of([*metadata, *(a for a in typing.get_args(annotation))], tree)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None
