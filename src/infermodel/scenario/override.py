"""Changes to a scenario's tree before it is checked: `services.0.fleet.systems=4`, `services.CS-3 8B.seed=1`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from infermodel.scenario.document import Document, KeyPath, parse
from infermodel.scenario.errors import ScenarioError, did_you_mean, named, typed


def override(document: Document, changes: Sequence[str]) -> Document:
    """The document with each `path=value` written into it, the later over the earlier.

    A list's item is named by its index or by its `name` or `id`; keys on the way that are not there yet are made;
    `path=null` removes a key. The value is YAML. What cannot be done is in the `errors` of the answer.
    """
    if document.tree is None or not isinstance(document.tree, dict):
        return document
    tree = document.tree
    errors, written = list(document.errors), dict(document.overrides)
    for change in changes:
        where, equals, text = change.partition("=")
        value = parse(text, typed(change)) if text.strip() else None
        if not equals or not where.strip():
            errors.append(_refused(change, "", "expected path=value", "such as services.0.fleet.systems=4"))
        elif value is not None and value.errors:
            errors += [replace(error, path=where, line=0, column=0, excerpt="") for error in value.errors]
        elif value is None:
            errors.append(_refused(change, where, "has no value", "write null to remove the key"))
        else:
            try:
                changed = copy.deepcopy(tree)
                written |= dict.fromkeys(_write(changed, where.strip(), value.tree), change)
                tree = changed
            except _CannotWriteError as error:
                errors.append(_refused(change, where, error.message, error.suggestion))
    return replace(document, tree=tree, errors=tuple(errors), overrides=written)


class _CannotWriteError(Exception):
    """The path leads nowhere."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        self.message, self.suggestion = message, suggestion


def _refused(change: str, path: str, message: str, suggestion: str) -> ScenarioError:
    return ScenarioError(typed(change), 0, 0, path, message, suggestion)


def _write(tree: Any, where: str, value: Any) -> tuple[KeyPath, KeyPath]:
    """Put the value at the dotted path.

    Returns:
        the path with indices for names, and the first part of it that was not there before (or all of it).
    """
    path: KeyPath = ()
    made: KeyPath = ()
    node, rest = tree, where
    while True:
        key, rest = _next_key(node, path, rest, where)
        path = (*path, key)
        if not rest:
            break
        if isinstance(node, dict) and node.get(str(key)) is None:
            node[str(key)] = {}
            made = made or path
        node = node[key]
    if value is not None:
        node[key] = value
    elif isinstance(node, dict):
        node.pop(str(key), None)
    else:
        raise _CannotWriteError("an item of a list cannot be removed")
    return path, made or path


def _next_key(node: Any, path: KeyPath, rest: str, where: str) -> tuple[str | int, str]:
    """The key or index that a dotted path starts with (names may hold dots), and what is left of the path."""
    if not isinstance(node, dict | list):
        raise _CannotWriteError(f"'{'.'.join(map(str, path))}' is {named(node)}, which has no parts")
    if path and path[-1] == "objectives":
        return rest, ""  # names of objectives hold dots: ttft_p99.9
    if isinstance(node, dict):
        known: dict[str, str | int] = {key: key for key in node}
    else:
        known = {str(i): i for i in range(len(node))}
        known |= {str(part.get("name", part.get("id", i))): i for i, part in enumerate(node) if isinstance(part, dict)}
    fitting = [name for name in known if rest == name or rest.startswith(f"{name}.")]
    if fitting:
        name = max(fitting, key=len)
        return known[name], rest[len(name) + 1 :]
    first, _, after = rest.partition(".")
    if isinstance(node, list):
        raise _CannotWriteError(f"no item '{first}' in a list of {len(node)}", did_you_mean(first, known))
    if not first.strip() or rest.endswith("."):
        raise _CannotWriteError(f"the path '{where}' has an empty part")
    return first, after
