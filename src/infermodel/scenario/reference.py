"""The reference of the language of files, made from its schemas: every key, what is written, default, meaning."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infermodel.scenario.schema.money import ListKind, ListPrice
from infermodel.scenario.schema.scenario import Scenario
from infermodel.scenario.schema.values import BlockKind, ByKind, Kind, WordOr

REQUIRED = "required"


def reference(title: str, file: type[BaseModel]) -> str:
    """Markdown: a table for each mapping of a file.

    Args:
        title: of the file itself.
        file: its schema; what scenarios hold as well is told of them alone.
    """
    parts = []
    for heading, about, block in _of_file(title, file):
        parts.append(f"### {heading}\n\n{about}\n\n")
        if block.model_fields:
            rows = "".join(_row(key, field) for key, field in _fields(block))
            parts.append(f"| key | written | default | meaning |\n|---|---|---|---|\n{rows}\n")
    return "".join(parts)


def reference_rows(title: str, file: type[BaseModel]) -> list[dict[str, str]]:
    """The same for a program: a row for each key, `within` the mapping that holds it."""
    return [
        {
            "within": heading.replace("`", ""),
            "key": key,
            "written": _written(field),
            "default": _default(field).strip("`"),
            "meaning": field.description or "",
        }
        for heading, _, block in _of_file(title, file)
        for key, field in _fields(block)
    ]


def _of_file(title: str, file: type[BaseModel]) -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Each mapping of a file as `_blocks` has them, the file's own by its title."""
    told = set() if file is Scenario else {block for _, _, block in _blocks("", Scenario)}
    for heading, about, block in _blocks("", file):
        if block not in told:
            yield heading or title, about, block


def _fields(block: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in block.model_fields.items():
        yield field.alias or name, field


def _row(key: str, field: FieldInfo) -> str:
    return f"| `{key}` | {_written(field)} | {_default(field)} | {field.description} |\n"


def _written(field: FieldInfo) -> str:
    """What may be written at a key."""
    repeated, kind, block = _content(field)
    what = kind.unit() if kind else "mapping" if block else "text"
    return f"list of {what}{'' if what.endswith('s') else 's'}" if repeated else what


def _default(field: FieldInfo) -> str:
    """The default as it would be written; empty where the meaning says what holds."""
    if field.is_required():
        return REQUIRED
    _, kind, _ = _content(field)
    value = field.default
    if value is None or value == () or value == "" or isinstance(value, BaseModel):
        return ""
    plain = kind.write(value) if kind else value
    return f"`{str(plain).lower() if isinstance(plain, bool) else plain}`"


def _content(field: FieldInfo) -> tuple[bool, Kind | None, type[BaseModel] | None]:
    """Whether a key holds a list; the kind of its value or entries; their block, where they are one."""
    found = next((part for part in field.metadata if isinstance(part, Kind)), None)
    return (False, found, None) if found else _of(field.annotation)


def _of(annotation: Any) -> tuple[bool, Kind | None, type[BaseModel] | None]:
    if typing.get_origin(annotation) is typing.Annotated:
        kind = next((part for part in annotation.__metadata__ if isinstance(part, Kind)), None)
        return (False, kind, None) if kind else _of(annotation.__origin__)
    arguments = [part for part in typing.get_args(annotation) if part not in (types.NoneType, ...)]
    if typing.get_origin(annotation) is tuple:
        return True, *_of(arguments[0])[1:]
    if arguments:
        return _of(arguments[0])
    return False, None, annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _blocks(path: str, block: type[BaseModel]) -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Each mapping of the language once: where it stands, what it is, its block."""
    yield f"`{path}`" if path else "", inspect.getdoc(block) or "", block
    for key, field in _fields(block):
        repeated, kind, inner = _content(field)
        below = f"{path}.{key}" if path else key
        below += "[]" if repeated else ""
        if isinstance(kind, ByKind):
            if key != "output_tokens":  # the same as prompt_tokens
                yield from _kinds(below.replace("prompt_tokens", "prompt_tokens, output_tokens"), kind.blocks)
        elif (inner := inner or _block_in(kind)) is not None and not (path and key in ("traffic", "prices")):
            yield from _blocks(below, inner)


def _kinds(path: str, blocks: Mapping[str, type[BaseModel]]) -> Iterator[tuple[str, str, type[BaseModel]]]:
    for kind, block in blocks.items():
        yield f"`{path}` of kind `{kind}`", inspect.getdoc(block) or "", block


def _block_in(kind: Kind | None) -> type[BaseModel] | None:
    """The mapping that may be written instead of a name or word."""
    if isinstance(kind, WordOr):
        return _block_in(kind.other)
    if isinstance(kind, ListKind):
        return ListPrice
    return kind.block if isinstance(kind, BlockKind) else None
