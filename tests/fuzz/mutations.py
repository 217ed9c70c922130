"""Files made wrong: a seeded mutator over the text, the bytes and the tree of scenarios, sweeps, plans and traces.

`mutant(seed, number)` is the same bytes for ever, so that a finding is named by two numbers.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infermodel import catalog
from infermodel.scenario.document import dump, parse

ROOT = Path(__file__).parents[2]
MOST_BYTES = 60_000  # of a mutant; what is longer teaches nothing more and takes seconds to read

NASTY_SCALARS = (
    "",
    "~",
    "null",
    "0",
    "-0",
    "-1",
    "1",
    "0.5",
    "1e-320",
    "1e-308",
    "1e308",
    "1e309",
    "-1e308",
    ".nan",
    ".inf",
    "-.inf",
    "nan",
    "inf",
    "9" * 30,
    "9" * 500,
    "1" + "0" * 18,
    "9223372036854775807",
    "9223372036854775808",
    "2147483648",
    "0x7fffffff",
    "1/0",
    "1_000",
    "1,000",
    "1.2.3",
    "1e",
    "true",
    "no",
    "[]",
    "{}",
    "[[]]",
    "{a: b}",
    "'",
    '"',
    '"\\x00"',
    '"\\ud800"',
    '"\\UFFFFFFFF"',
    "''",
    "' '",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "${HOME}",
    "%s%n",
    "../../etc/passwd",
    "/dev/zero",
    "/",
    ".",
    "中文",
    "\u202e",
    "a" * 300,
    "!!python/object/apply:os.system ['true']",
    "!!python/name:os.system",
    "!!binary aGVsbG8=",
    "!!set {a, b}",
    "!!omap [a: 1]",
    "!!timestamp 2001-12-14",
    "2001-12-14",
    "12:30:45",
    "&a 1",
    "*a",
    "<<: {a: 1}",
    "? a : b",
    "| \n  text",
    "> \n  text",
    "@at",
    "`tick",
    "%YAML 1.1",
    "--- a",
    "... ",
    "# nothing",
    "10 min",
    "0 s",
    "-5 s",
    "1e308 s",
    "1 furlong",
    "1 /min",
    "1e9 /s",
    "1 %",
    "101 %",
    "0 %",
    "1 GB",
    "1 TB/s",
    "1 USD/Mtok",
    "-1 USD",
    "1e300 USD",
    "8k tok",
    "1 tok tok",
)
NASTY_TEXT = (
    "",
    ":",
    "- ",
    "  ",
    "{",
    "}",
    "[",
    "]",
    "'",
    '"',
    "\t",
    "\r",
    "\n",
    "\0",
    "\ufeff",
    "\x85",
    "\u2028",
    "#",
)
NASTY_TEXT += (
    "&a ",
    "*a",
    "!!",
    "!x ",
    "<<: ",
    "? ",
    "| ",
    "> ",
    "---\n",
    "...\n",
    "%",
    "@",
    ",",
    "\x1b[31m",
    "\x7f",
    "模",
)
NASTY_BYTES = (b"\xff", b"\x00", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"\x80" * 9)
FACTORS = (0, 0.01, 0.1, 0.5, 0.9, 1.1, 2, 3, 10, 100, 1e4, 1e9, -1)

TRACES = {
    "azure": "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n2023-11-16 18:15:51.2225670,879,55\n",
    "burstgpt": "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,230,1317,API log\n118,GPT-4,417,276,693,API log\n",
    "mooncake": '{"timestamp": 0, "input_length": 655, "output_length": 52, "hash_ids": [46, 47]}\n'
    '{"timestamp": 27482, "input_length": 512, "output_length": 26, "hash_ids": [46]}\n'
    '{"timestamp": 30535, "input_length": 236, "output_length": 107, "hash_ids": []}\n',
    "requests": "arrived_at_s,prompt_tokens,output_tokens,priority\n0,10,2,1\n0.5,100,20,0\n0.75,1000,5,1\n",
}
"""A few lines of every format of traces."""

REPLAY = """\
title: a log
requests: 3
traffic:
  arrivals: {{kind: trace, file: {file}, format: {format}}}
services:
  - {{name: 8B, model: llama-3.1-8b, fleet: {{system: cs-3}}, limits: {{max_context: 8192}}}}
"""
"""The scenario that reads a mutant of a log."""


@dataclass(frozen=True)
class Mutant:
    """A file to be read.

    Attributes:
        kind: `scenario`, `sweep`, `plan`, or the format of a trace.
        content: of the file.
        origin: of the file that was mutated.
    """

    kind: str
    content: bytes
    origin: str


@cache
def originals() -> tuple[tuple[str, str, str], ...]:
    """Kind, name and text of every file that is mutated: those that ship, the golden ones, those of keys in neither."""
    found = [("scenario", path) for path in sorted((ROOT / "scenarios").glob("*.yaml"))]
    found.append(("scenario", ROOT / "src/infermodel/scenario/starter.yaml"))
    for folder in ("golden", "fuzz"):
        found += [("scenario", path) for path in sorted((ROOT / "tests" / folder).glob("*.yaml"))]
    for folder, kind in (("sweeps", "sweep"), ("plans", "plan")):
        for path in sorted((ROOT / "scenarios" / folder).glob("*.yaml")):
            is_base = "services:" in path.read_text(encoding="utf-8")
            found.append(("scenario" if is_base else kind, path))
    return tuple((kind, path.stem, path.read_text(encoding="utf-8")) for kind, path in found)


@cache
def _shares() -> tuple[float, ...]:
    """How often each of `originals` is taken: a long text takes long to read, so it is taken less often."""
    return tuple(1 / (len(text) + 1000) for _, _, text in originals())


@cache
def words() -> tuple[str, ...]:
    """Keys and values that mean something somewhere in the language."""
    found = {name for kind in ("systems", "models", "engines", "prices", "devices") for name in catalog.names(kind)}
    for _, _, text in originals():
        found |= set(re.findall(r"[A-Za-z_][\w.-]{2,30}", text))
        found |= set(re.findall(r"(?<=: )[\d.]+(?: [\w/%]+)?", text))
    return tuple(sorted(found))


def mutants(seed: int, first: int, last: int, step: int = 1) -> Iterator[tuple[int, Mutant]]:
    """The mutants of these numbers."""
    for number in range(first, last, step):
        yield number, mutant(seed, number)


def mutant(seed: int, number: int) -> Mutant:
    """The mutant of a number: two of five are logs, the others scenarios, sweeps and plans."""
    draw = random.Random(f"{seed}:{number}")
    if draw.random() < 0.4:
        kind = draw.choice(sorted(TRACES))
        content = TRACES[kind].encode()
        for _ in range(draw.choice((1, 1, 1, 2, 3, 5))):
            content = draw.choice(OF_LOGS)(draw, content)
        return Mutant(kind, content[:MOST_BYTES], kind)
    kind, name, text = draw.choices(originals(), _shares())[0]
    if draw.random() < 0.25:
        for _ in range(draw.choice((1, 1, 2, 3))):
            text = of_tree(draw, text)
    else:
        for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 5))):
            text = draw.choice(OF_TEXT)(draw, text)
    content = text.encode("utf-8", errors="surrogatepass")
    if draw.random() < 0.04:
        content = draw.choice(OF_BYTES)(draw, content)
    return Mutant(kind, content[:MOST_BYTES], name)


def flip_characters(draw: random.Random, text: str) -> str:
    """Some characters exchanged for others of ASCII."""
    letters = list(text)
    for _ in range(draw.choice((1, 1, 2, 8))):
        if letters:
            letters[draw.randrange(len(letters))] = chr(draw.randrange(128))
    return "".join(letters)


def put_in(draw: random.Random, text: str) -> str:
    """Something nasty put in somewhere."""
    at = draw.randint(0, len(text))
    return text[:at] + draw.choice(NASTY_TEXT) + text[at + draw.choice((0, 0, 1, 3)) :]


def delete_lines(draw: random.Random, text: str) -> str:
    """Some neighbouring lines gone."""
    lines = text.splitlines(keepends=True)
    at = draw.randrange(len(lines) + 1)
    return "".join(lines[:at] + lines[at + draw.choice((1, 1, 2, 5)) :])


def repeat_lines(draw: random.Random, text: str) -> str:
    """Some neighbouring lines twice, or very often."""
    lines = text.splitlines(keepends=True)
    at, count = draw.randrange(len(lines) + 1), draw.choice((1, 1, 2, 5))
    times = draw.choice((2, 2, 2, 3, 50))
    return "".join(lines[:at] + lines[at : at + count] * times + lines[at + count :])


def swap_lines(draw: random.Random, text: str) -> str:
    """Two lines in each other's place."""
    lines = text.splitlines(keepends=True)
    if len(lines) > 1:
        one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]
    return "".join(lines)


def indent(draw: random.Random, text: str) -> str:
    """A line moved to the right or to the left."""
    lines = text.splitlines(keepends=True)
    if lines:
        at = draw.randrange(len(lines))
        lines[at] = draw.choice(("  ", " ", "\t", "- ")) + lines[at] if draw.random() < 0.5 else lines[at].lstrip()
    return "".join(lines)


def nasty_value(draw: random.Random, text: str) -> str:
    """A value exchanged for a nasty one."""
    return _exchange(draw, text, r"(?<=: )[^\n{}\[\],]+", lambda _: draw.choice(NASTY_SCALARS))


def other_word(draw: random.Random, text: str) -> str:
    """A word or value exchanged for another that means something elsewhere."""
    return _exchange(draw, text, r"[A-Za-z_][\w.-]{2,30}|(?<=: )[^\n{}\[\],]+", lambda _: draw.choice(words()))


def other_number(draw: random.Random, text: str) -> str:
    """A number made larger, smaller, negative or nothing: the mutants that are often still sound."""

    def scaled(number: str) -> str:
        value = float(number) * draw.choice(FACTORS)
        return f"{value:.0f}" if abs(value) < 1e15 and value == int(value) else f"{value:g}"

    return _exchange(draw, text, r"(?<![\w.-])\d+(?:\.\d+)?(?![\w.-])", scaled)


def other_name(draw: random.Random, text: str) -> str:
    """A name of the catalog exchanged for another of its kind."""
    kind, key = draw.choice((("models", "model"), ("systems", "system"), ("engines", "engine"), ("prices", "purchase")))
    return _exchange(draw, text, rf"(?<=\b{key}: )[\w.-]+", lambda _: draw.choice(catalog.names(kind)))


def splice(draw: random.Random, text: str) -> str:
    """The beginning of this file and the end of another, or another's lines in the middle."""
    _, _, other = draw.choice(originals())
    at = draw.randint(0, len(text))
    if draw.random() < 0.5:
        return text[:at] + other[draw.randint(0, len(other)) :]
    lines = other.splitlines(keepends=True)
    first = draw.randrange(len(lines))
    at = text.rfind("\n", 0, at) + 1
    return text[:at] + "".join(lines[first : first + draw.randint(1, 10)]) + text[at:]


def cut_short(draw: random.Random, text: str) -> str:
    """The beginning or the end of the text."""
    at = draw.randint(0, len(text))
    return text[:at] if draw.random() < 0.8 else text[at:]


def nest(draw: random.Random, text: str) -> str:
    """A value inside many brackets, closed or not."""
    depth = draw.choice((3, 39, 41, 100, 1000, 5000))
    kind = draw.choice(("[]", "{}", "- ", "a: "))
    deep = kind[0] * depth + "1" + kind[1] * draw.choice((depth, 0)) if kind in ("[]", "{}") else kind * depth
    if kind == "{}":
        deep = "{a: " * depth + "1" + "}" * draw.choice((depth, 0))
    return _exchange(draw, text, r"(?<=: )[^\n{}\[\],]+", lambda _: deep)


def bomb(draw: random.Random, text: str) -> str:
    """Anchors that are doubled again and again, aliases, merges."""
    levels = draw.choice((2, 9, 30))
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]" for i in range(1, levels))]
    lines += draw.choice((["<<: *a1"], [], ["self: &self {me: *self}"]))
    return "\n".join(lines) + "\n" + text if draw.random() < 0.7 else text + "\n".join(lines)


def of_tree(draw: random.Random, text: str) -> str:
    """The text of the tree with one part of another type, missing, moved, or from another file."""
    tree = copy.deepcopy(_tree(text))
    places = list(_places(tree))
    if not places:
        return text
    parent, key = draw.choice(places)
    match draw.randrange(6):
        case 0:
            del parent[key]
        case 1:
            parent[key] = draw.choice((None, True, 0, -1, 1e308, 2**70, "", "x", [], {}, [[]], {"kind": "x"}, [1, "a"]))
        case 2:
            other, from_key = draw.choice(places)
            parent[key] = copy.deepcopy(other[from_key]) if isinstance(other, dict) or from_key < len(other) else None
        case 3:
            _, _, elsewhere = draw.choice(originals())
            theirs = list(_places(_tree(elsewhere)))
            if theirs:
                other, from_key = draw.choice(theirs)
                parent[key] = copy.deepcopy(other[from_key])
        case 4:
            parent[key] = [parent[key]] if draw.random() < 0.5 else {draw.choice(words()): parent[key]}
        case _:
            if isinstance(parent, dict):
                parent[draw.choice(words())] = parent.pop(key)
            else:
                parent.append(copy.deepcopy(parent[key]))
    return dump(tree)


@cache
def _tree(text: str) -> Any:
    return parse(text).tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    parts = list(tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ())
    for key, part in parts:
        yield tree, key
        yield from _places(part)


def _exchange(draw: random.Random, text: str, pattern: str, instead: Callable[[str], str]) -> str:
    found = list(re.finditer(pattern, text))
    if not found:
        return text
    match = draw.choice(found)
    return text[: match.start()] + instead(match[0]) + text[match.end() :]


def flip_bytes(draw: random.Random, content: bytes) -> bytes:
    """Some bytes exchanged."""
    raw = bytearray(content)
    for _ in range(draw.choice((1, 2, 8))):
        if raw:
            raw[draw.randrange(len(raw))] = draw.randrange(256)
    return bytes(raw)


def put_bytes(draw: random.Random, content: bytes) -> bytes:
    """Bytes that are no text, somewhere."""
    at = draw.choice((0, draw.randint(0, len(content))))
    return content[:at] + draw.choice(NASTY_BYTES) + content[at:]


def other_encoding(draw: random.Random, content: bytes) -> bytes:
    """UTF-16, UTF-32, other line ends."""
    text = content.decode("utf-8", errors="replace")
    if draw.random() < 0.5:
        return text.replace("\n", draw.choice(("\r\n", "\r", "\x85", "\u2028"))).encode()
    return text.encode(draw.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")))


def _on_text(change: Callable[[random.Random, str], str]) -> Callable[[random.Random, bytes], bytes]:
    def changed(draw: random.Random, content: bytes) -> bytes:
        return change(draw, content.decode("utf-8", errors="surrogateescape")).encode("utf-8", errors="surrogateescape")

    return changed


def nasty_cell(draw: random.Random, text: str) -> str:
    """A cell or a value of JSON exchanged for a nasty one."""
    nasty = draw.choice((*NASTY_SCALARS, "NaN", "Infinity", "-Infinity", "1e400", "[" * 3000, "true", '"x"', "[[1]]"))
    return _exchange(draw, text, r"(?<=[,\n])[^,\n]+|(?<=: )[^,}\n]+|\[[^\]]*\]", lambda _: nasty)


def other_header(draw: random.Random, text: str) -> str:
    """Another format's first line."""
    other = draw.choice(sorted(TRACES.values()))
    return other.partition("\n")[0] + "\n" + text.partition("\n")[2]


OF_TEXT = (flip_characters, put_in, put_in, delete_lines, repeat_lines, swap_lines, indent, nasty_value, nasty_value)
OF_TEXT += (other_word, other_word, other_number, other_number, other_number, other_name, splice, cut_short, nest, bomb)
OF_BYTES = (flip_bytes, put_bytes, other_encoding)
_OF_LINES = (flip_characters, put_in, delete_lines, repeat_lines, swap_lines, other_number, other_number, cut_short)
OF_LOGS = (*OF_BYTES, *(_on_text(change) for change in (*_OF_LINES, nasty_cell, nasty_cell, other_header)))
