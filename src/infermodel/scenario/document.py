"""YAML text to a plain tree in which every key and value knows its line and column.

The scalars are those of YAML 1.2, where PyYAML alone reads `no` as False, `12:30` as 750 and `1e9` as a string, and
keeps the last of two equal keys. Anchors, aliases, merges and tags are refused: a scenario says what it means in place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infermodel.files import open_plain
from infermodel.scenario.errors import Mark, ScenarioError, ScenarioErrors, excerpt, typed

LARGEST_BYTES = 1_000_000  # a longer one would take PyYAML more than 10 s; data belongs in a trace file
DEEPEST = 40
LONGEST_NUMBER = 400
MOST_ERRORS = 50

KeyPath = tuple[str | int, ...]

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # where PyYAML counts a new line
_NULL = re.compile(r"|~|null|Null|NULL")
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_TAB = "a tab cannot indent or start a value; use spaces"
_PLAINER = {
    "found character '\\t' that cannot start any token": _TAB,
    "mapping values are not allowed here": "a second ': ' on one line; quote the text, or start a new line",
    "could not find expected ':'": "expected 'key: value', with a space after the colon",
    "found unexpected end of stream": "the text ends inside a quoted value",
}
_UNWRITABLE = re.compile("[\\x00\\ud800-\\udfff]")  # escapes in quotes can make what no file can hold


@dataclass(frozen=True)
class Document:
    """A file as a tree of dict, list and scalars, and where each of its parts stands.

    Attributes:
        file: as the user named it.
        lines: of the text.
        tree: the content; None where the text could not be read to its end.
        keys, values: path to the mark of its key (of a list's item: its value) and of its value.
        errors: found on the way; the tree is what stands without the refused parts.
        overrides: path to the override that wrote it, as typed.
    """

    file: str
    lines: tuple[str, ...]
    tree: Any
    keys: Mapping[KeyPath, Mark] = field(default_factory=dict)
    values: Mapping[KeyPath, Mark] = field(default_factory=dict)
    errors: tuple[ScenarioError, ...] = ()
    overrides: Mapping[KeyPath, str] = field(default_factory=dict)

    def holds(self, path: KeyPath) -> bool:
        """Whether the text or an override has this path."""
        return path in self.values or path in self.overrides

    def error(self, path: KeyPath, message: str, suggestion: str = "", *, at_key: bool = False) -> ScenarioError:
        """An error at the value (or key) of a path, or of the nearest parent that stands in the text.

        Args:
            path: keys and indices from the root.
            message: what is wrong.
            suggestion: what to write instead.
            at_key: mark the key and not its value.
        """
        named = ".".join(map(str, path))
        for depth in range(len(path), 0, -1):
            if (override := self.overrides.get(path[:depth])) is not None:
                return ScenarioError(typed(override), 0, 0, named, message, suggestion)
        for depth in range(len(path), -1, -1):
            near = path[:depth]
            marks = self.keys if at_key or depth < len(path) else self.values
            if near in marks:
                return _error(self.file, self.lines, marks[near], named, message, suggestion)
        return ScenarioError(self.file, 0, 0, named, message, suggestion)


def read(path: str | Path) -> Document:
    """Read a file. Errors of its content are in the document; see `parse`.

    Raises:
        ScenarioErrors: there is no such file, or it is no text.
    """
    file = str(path)
    try:
        with open_plain(Path(path)) as stream:
            raw = stream.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise refused(file, "no such file") from None
    except IsADirectoryError:
        raise refused(file, "is a folder, not a scenario file") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise refused(file, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > LARGEST_BYTES:
        raise refused(file, f"is larger than {LARGEST_BYTES // 1_000_000} MB; a longer table belongs in a trace file")
    if b"\0" in raw:
        raise refused(file, "is a binary file, not YAML text")
    try:
        return parse(raw.decode("utf-8-sig"), file)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise refused(file, f"is not UTF-8 text: byte 0x{raw[error.start]:02x} in line {line}") from None


def refused(file: str, message: str) -> ScenarioErrors:
    """The error of a file as a whole."""
    return ScenarioErrors([ScenarioError(file, 0, 0, "", message)])


def parse(text: str, file: str = "<text>") -> Document:
    """Read YAML text; never raises, all that is wrong is in `errors` of the answer.

    >>> parse("seed: 1\\nswitch: no\\nrate: 1e9\\nat: 12:30").tree
    {'seed': 1, 'switch': 'no', 'rate': 1000000000.0, 'at': '12:30'}
    """
    lines = tuple(_BREAK.split(text))
    reader = _Reader(file, lines)
    try:
        tree = reader.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.context_mark and str(error.problem).startswith("could not find expected ':'"):
            mark = error.context_mark  # the key; the problem is met at the line after it
        place = Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)
        reader.errors.append(_error(file, lines, place, "", _plain(error, lines[place.line - 1 : place.line])))
        tree = None
    except yaml.reader.ReaderError as error:
        before = _BREAK.split(text[: error.position])
        place = Mark(len(before), len(before[-1]) + 1)
        said = f"the character U+{int(error.character):04X} is not allowed in YAML"
        reader.errors.append(_error(file, lines, place, "", said))
        tree = None
    except (ValueError, OverflowError):  # PyYAML on escapes such as "\\UFFFFFFFF"
        reader.errors.append(ScenarioError(file, 0, 0, "", "YAML: an escape in double quotes names no character"))
        tree = None
    except _Stop:
        tree = None
    return Document(file, lines, tree, reader.keys, reader.values, tuple(reader.errors))


def scalar(text: str) -> Any:
    """The value of a plain YAML 1.2 scalar; a number of more than 400 digits stays text.

    >>> [scalar(s) for s in ("no", "1e9", "0o17", "010", "12:30", "~", "-.inf", "1_000")]
    ['no', 1000000000.0, 15, 10, '12:30', None, -inf, '1_000']
    """
    if _NULL.fullmatch(text):
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if len(text) <= LONGEST_NUMBER:
        if _WHOLE.fullmatch(text):
            return int(text) if text[:2] not in ("0o", "0x") else int(text, 0)
        if _REAL.fullmatch(text):
            return float(text)
    if match := _INFINITE.fullmatch(text):
        return float(f"{match[1]}inf")
    return float("nan") if text in (".nan", ".NaN", ".NAN") else text


def dump(tree: Any) -> str:
    """YAML text that `parse` reads back as the same tree of dict, list, str, int, float and bool.

    >>> print(dump({"name": "1e9", "rate": 1e9, "tokens": [1, 2]}), end="")
    name: '1e9'
    rate: 1000000000.0
    tokens: [1, 2]
    """
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.2 would read as a number, a truth value or nothing; writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, None if scalar(text) == text else "'")


_Dumper.add_representer(str, _Dumper.represent_text)


class _Stop(Exception):
    """Reading further would not help."""


class _Reader:
    """Turns the events of PyYAML's parser into a tree; keeps marks and errors beside it."""

    def __init__(self, file: str, lines: tuple[str, ...]) -> None:
        self.file, self.lines = file, lines
        self.keys: dict[KeyPath, Mark] = {}
        self.values: dict[KeyPath, Mark] = {}
        self.errors: list[ScenarioError] = []

    def refuse(self, mark: Mark, message: str, suggestion: str = "", path: KeyPath = ()) -> None:
        self.errors.append(_error(self.file, self.lines, mark, ".".join(map(str, path)), message, suggestion))
        if len(self.errors) >= MOST_ERRORS:
            raise _Stop

    def document(self, events: Iterator[Any]) -> Any:
        next(events)  # start of stream
        if isinstance(next(events), yaml.StreamEndEvent):
            self.errors.append(ScenarioError(self.file, 0, 0, "", "is empty"))
            raise _Stop
        tree = self.node(next(events), events, ())
        next(events)  # end of document
        if not isinstance(after := next(events), yaml.StreamEndEvent):
            self.refuse(self.span(after), "a second document starts here; a scenario is one")
        return tree

    def node(self, event: Any, events: Iterator[Any], path: KeyPath) -> Any:
        mark = self.span(event)
        self.values[path] = mark
        if len(path) > DEEPEST:
            self.refuse(mark, f"nested more than {DEEPEST} levels deep")
            raise _Stop
        if isinstance(event, yaml.AliasEvent):
            self.refuse(mark, f"the alias '*{event.anchor}' is not part of the language", "write the value out", path)
            return None
        if event.anchor is not None:
            at_anchor = mark._replace(length=len(event.anchor) + 1)
            self.refuse(at_anchor, f"the anchor '&{event.anchor}' is not part of the language", "remove it", path)
        if event.tag is not None:
            self.refuse(mark, f"the tag '{event.tag}' is not part of the language", "remove it", path)
        if isinstance(event, yaml.CollectionStartEvent):
            inside = self.mapping if isinstance(event, yaml.MappingStartEvent) else self.sequence
            content, end = inside(events, path)
            if event.flow_style and end.line + 1 == mark.line:
                self.values[path] = mark._replace(length=end.column + 1 - mark.column)
            return content
        if _UNWRITABLE.search(event.value):
            self.refuse(mark, "holds a character that no text file can hold", path=path)
            return None
        return scalar(event.value) if event.implicit[0] else event.value

    def sequence(self, events: Iterator[Any], path: KeyPath) -> tuple[Any, Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            here = (*path, len(items))
            self.keys[here] = self.span(event)
            items.append(self.node(event, events, here))
        return items, event.end_mark

    def mapping(self, events: Iterator[Any], path: KeyPath) -> tuple[Any, Any]:
        content: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            mark = self.span(event)
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
                self.refuse(mark, "a key must be a plain word", path=path)
                raise _Stop  # what follows would be read at the wrong place
            key = event.value
            here = (*path, key)
            if key == "<<":
                self.refuse(mark, "the merge key '<<' is not part of the language", "write the keys out", path)
            elif not key.strip() or _UNWRITABLE.search(key):
                self.refuse(mark, "a key without a name", path=path)
            elif key in content:
                first = self.keys[here].line
                self.refuse(mark, f"the key '{key}' stands here twice, first in line {first}", "keep one", here)
            else:
                self.keys[here] = mark
                content[key] = self.node(next(events), events, here)
                continue
            self.skip(next(events), events)
        return content, event.end_mark

    def skip(self, event: Any, events: Iterator[Any]) -> None:
        """Pass over a value that has no place in the tree."""
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise _Stop
            if depth == 0:
                return
            event = next(events)

    def span(self, event: Any) -> Mark:
        """The part of an event that stands on its first line; of a block mapping or list, its first word."""
        start, end = event.start_mark, event.end_mark
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        if end.line == start.line and end.column > start.column:
            length = end.column - start.column
        else:
            rest = line[start.column :]
            word = re.match(r"[^\s:]+", rest)
            length = len(word[0]) if word else 1
        return Mark(start.line + 1, start.column + 1, length)


def _error(
    file: str, lines: tuple[str, ...], mark: Mark, path: str, message: str, suggestion: str = ""
) -> ScenarioError:
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    return ScenarioError(file, mark.line, mark.column, path, message, suggestion, excerpt(line, mark))


def _plain(error: yaml.MarkedYAMLError, at: tuple[str, ...]) -> str:
    """PyYAML's problem, met in the line `at`, in words for somebody who never read the YAML standard."""
    problem = (error.problem or "cannot be read").strip()
    line, column = at[0] if at else "", error.problem_mark.column if error.problem_mark else 0
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return f"YAML: {_TAB}"
    if problem.startswith("expected <block end>"):
        if line[column : column + 1] in ("}", "]"):
            return f"YAML: a '{line[column]}' too many: nothing is open before it"
        if line[:column].rstrip().endswith(("'", '"')):
            return "YAML: text goes on after the closing quote; put all of it between quotes of the other kind"
    opened = error.context_mark.line if error.context_mark else -1
    if (
        problem.startswith("expected ',' or '}', but got ':'")
        and error.problem_mark
        and error.problem_mark.line == opened
    ):
        return "YAML: a comma is missing between two entries in braces"
    first_colon = at[0].find(":") if at else -1
    if problem.startswith("mapping values") and error.problem_mark and error.problem_mark.column == first_colon:
        return "YAML: this line stands deeper than the key above, which has a value of its own; align the two"
    if problem in _PLAINER:
        return f"YAML: {_PLAINER[problem]}"
    if problem.startswith("expected <block end>"):
        return "YAML: the indentation fits none of the lines above"
    if error.context_mark is not None and (error.context or "").startswith("while parsing a flow"):
        bracket = "{" if "mapping" in str(error.context) else "["
        return f"YAML: the '{bracket}' of line {error.context_mark.line + 1} is not closed before this"
    problem = problem.replace("'\\x00'", "the end of the text")
    context = f" {error.context.strip()}" if error.context else ""
    return f"YAML: {problem}{context}"
