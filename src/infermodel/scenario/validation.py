"""From a document to a scenario, or to all that is wrong with it."""

from __future__ import annotations

import types
import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from infermodel.scenario.document import Document, KeyPath
from infermodel.scenario.errors import ScenarioError, ScenarioErrors, did_you_mean, named
from infermodel.scenario.schema.scenario import Scenario
from infermodel.scenario.schema.values import REFUSED, BlockKind, ByKind, Kind, WordOr, keys
from infermodel.scenario.words import meant

B = TypeVar("B", bound=BaseModel)


def validate(document: Document) -> Scenario:
    """The scenario of a document.

    Raises:
        ScenarioErrors: all that is wrong with the text and with the content.
    """
    return validate_as(Scenario, document).read_from(document)


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
    refused = {error.path for error in errors}
    errors += [
        document.error(path, "has no value", _value_for(path[-1]), at_key=True)
        for path in _empty(document.tree)
        if ".".join(map(str, path)) not in refused
    ]
    refused |= {error.path for error in errors}
    try:
        content = root.model_validate(_without_empty(document.tree))
    except ValidationError as invalid:
        for each in invalid.errors(include_url=False):
            path = tuple(each["loc"])
            if each["type"] == "too_short" and each["input"]:
                continue  # pydantic counts the sound entries only; the others are refused one by one
            if not any(".".join(map(str, path[:depth])) in refused for depth in range(1, len(path) + 1)):
                errors.append(_translate(each, path, document, root))
        raise ScenarioErrors(errors) from None
    if errors:
        raise ScenarioErrors(errors)
    return content


def _value_for(key: str | int) -> str:
    """What to do about a key without a value."""
    if str(key)[:1].isdigit() and isinstance(key, str):
        return "inside braces a comma parts entries: write the number before it without the comma"
    return "write one or remove the key"


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
            block = block_at(path[:-1], document.tree, root)
            known = keys(block) if block else ()
            free = [key for key in known if key not in _node(document.tree, path[:-1])]
            here = ".".join(key for key in path[:-1] if isinstance(key, str))
            suggestion = (
                _belongs_to(path, document, root)
                or meant(str(path[-1]), here, tuple(free))
                or did_you_mean(str(path[-1]), free)
            )
            return document.error(path, f"no key named {named(path[-1])} here", suggestion, at_key=True)
        case "too_short":
            return document.error(path, "the list is empty; give at least one")
        case "too_long":
            return document.error(path, f"more than {each['ctx']['max_length']} entries")
        case "model_type" | "model_attributes_type":
            block = block_at(path, document.tree, root)
            hint = f" with the keys {', '.join(keys(block))}" if block else ""
            return document.error(path, f"expected a mapping{hint}; got {named(each['input'])}")
        case "tuple_type":
            return document.error(path, f"expected a list, got {named(each['input'])}")
        case _:
            return document.error(path, each["msg"])


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
