"""Kinds of values in a scenario: each reads what a person writes, refuses nonsense, and writes it back in SI.

They are pydantic annotations: `Annotated[float, Quantity("time", "s")]`. What they refuse carries message and
suggestion, ready for a `ScenarioError`.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from infermodel import units
from infermodel.scenario.errors import did_you_mean, named
from infermodel.scenario.words import name_meant

LONGEST_QUANTITY = 100
"""Characters of a quantity; nobody writes longer ones, and a machine's would only fill the screen."""

REFUSED = "scenario"
"""Type of the pydantic errors raised here; their context has `message` and `suggestion`."""


Refusals = list[tuple[tuple[str | int, ...], PydanticCustomError]]
"""What is wrong with the parts of a value, each at its path below it."""


class Block(BaseModel):
    """A mapping of the scenario language: known keys only, unchangeable once read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def refuse(message: str, suggestion: str = "") -> NoReturn:
    """Refuse the value that is being read."""
    raise refusal(message, suggestion)


def refusal(message: str, suggestion: str = "") -> PydanticCustomError:
    """The error of a value that makes no sense."""
    return PydanticCustomError(REFUSED, "{message}", {"message": message, "suggestion": suggestion})


def refuse_below(errors: Refusals) -> NoReturn:
    """Refuse several parts of the value that is being read, each at its path below it."""
    details = [InitErrorDetails(type=error, loc=path, input=None) for path, error in errors]
    raise ValidationError.from_exception_data("scenario", details)


def weighed_alike(weights: Iterable[tuple[tuple[str | int, ...], object]]) -> None:
    """Refuse weights of which some are in per cent and some are plain numbers: 40 beside `60 %` is not 40 times 1.

    Args:
        weights: path of each below the value that is being read, and what was written there.
    """
    said = [
        (path, weight, isinstance(weight, str) and weight.rstrip().endswith(("%", "percent")))
        for path, weight in weights
    ]
    percent = next((weight for _, weight, is_percent in said if is_percent), None)
    if plain := [(path, weight) for path, weight, is_percent in said if not is_percent and percent is not None]:
        what = "give all of them in % or none"
        refuse_below([(path, refusal(f"{weight} stands beside {percent}", what)) for path, weight in plain[:1]])


class Kind(ABC):
    """A kind of value: reads it from the tree, writes it back to a tree."""

    @abstractmethod
    def read(self, value: Any) -> Any:
        """The value meant; raises what `refuse` raises."""

    def write(self, value: Any) -> Any:
        """What `read` turns into the same value again."""
        return value

    @abstractmethod
    def unit(self) -> str:
        """What may be written, for the reference table."""

    def expected(self) -> str:
        """What may be written, for a message."""
        return self.unit()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Reading and writing for pydantic."""
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )


@dataclass(frozen=True, eq=False)
class Quantity(Kind):
    """A number with a unit, kept in SI.

    Attributes:
        dimension: key of `units.DIMENSIONS`.
        written_in: unit of one in SI, in which the value is written back.
        above: the value must be greater.
        at_least, at_most: bounds that the value may reach.
    """

    dimension: str
    written_in: str = ""
    above: float | None = None
    at_least: float = 0.0
    at_most: float = 1e15

    def read(self, value: Any) -> float:
        """SI value of what was written."""
        if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > LONGEST_QUANTITY:
            refuse(f"expected {self.expected()}, got {named(value)}")
        try:
            number = units.parse(value, self.dimension)
        except (units.UnitError, OverflowError, ZeroDivisionError) as error:
            said = str(error).replace(self.dimension, self.words())
            said = re.sub(r"\ba (tokens|money)\b(?! per)", r"\1", said)
            message, _, suggestion = said.partition("; ")
            refuse(message or f"{named(value)} is not a quantity", suggestion)
        return self.bounded(number, value)

    def bounded(self, number: float, value: Any) -> float:
        """The number, where it makes sense."""
        if not math.isfinite(number):
            refuse(f"{named(value)} is not a finite number")
        if self.above is not None and number <= self.above:
            refuse(f"must be more than {self.shown(self.above)}, not {value}")
        if number < self.at_least:
            refuse(f"must be at least {self.shown(self.at_least)}, not {value}")
        if number > self.at_most:
            percent = self.dimension == "share" and not isinstance(value, str) and 2 <= number <= 100 * self.at_most
            refuse(f"must be at most {self.shown(self.at_most)}, not {value}", f"write {value} %" if percent else "")
        return number

    def write(self, value: float) -> Any:
        """Exactly this value in SI."""
        return f"{value!r} {self.written_in}" if self.written_in else value

    def shown(self, value: float) -> str:
        """A bound, for a message."""
        return f"{value:g} {self.written_in}".strip()

    def expected(self) -> str:
        """What may be written, for a message."""
        return f"{'' if self.dimension == 'tokens' else 'a '}{self.words()} such as {self.example()!r}"

    def words(self) -> str:
        """The dimension in words."""
        return self.dimension.replace("_", " ")

    def example(self) -> str:
        """How such a quantity is written."""
        return units.DIMENSIONS[self.dimension][1]

    def unit(self) -> str:
        """For the reference table."""
        return "number" if self.dimension == "count" else f"{self.words()}, `{self.example()}`"


_COUNTED = re.compile(r"(?:[x×]|tp|pp|dp|ep)?\s*(\d{1,19})\s*[x×]?")
"""A whole number as people mark that it counts: `2x`, `TP8`."""


@dataclass(frozen=True, eq=False)
class Whole(Kind):
    """A whole number; `tokens` also reads `8k tok`."""

    at_least: int = 1
    at_most: int = 10**9
    tokens: bool = False

    def read(self, value: Any) -> int:
        """The number meant."""
        number: Any = value
        plain = value.replace("_", "").strip() if isinstance(value, str) else ""
        if isinstance(value, str) and self.tokens and "_" not in value:
            number = Quantity("tokens", at_least=-math.inf, at_most=math.inf).read(value)
        if isinstance(number, bool) or not isinstance(number, int | float) or number != number // 1:
            found = _COUNTED.fullmatch(plain.lower())
            hint = f"write {found[1]}" if found else ""
            refuse(f"expected a whole number, got {named(value)}", hint)
        if number < self.at_least:
            refuse(f"must be at least {self.at_least}, not {value}")
        if number > self.at_most:
            refuse(f"must be at most {self.at_most:,}".replace(",", " ") + f", not {named(value)}")
        return int(number)

    def unit(self) -> str:
        """For the reference table."""
        return "tokens" if self.tokens else "whole number"


@dataclass(frozen=True, eq=False)
class Text(Kind):
    """Words; a number or a date is taken as it was written."""

    longest: int = 10_000
    may_be_empty: bool = False

    def read(self, value: Any) -> str:
        """The words."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            refuse(f"expected text, got {named(value)}")
        text = str(value)
        if not text.strip() and not self.may_be_empty:
            refuse("expected text, got nothing")
        if len(text) > self.longest:
            refuse(f"is longer than {self.longest} characters")
        return text

    def unit(self) -> str:
        """For the reference table."""
        return "text"


@dataclass(frozen=True, eq=False)
class Truth(Kind):
    """true or false; `yes` and `on` are words in YAML 1.2."""

    def read(self, value: Any) -> bool:
        """The truth value."""
        if not isinstance(value, bool):
            meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(str(value).lower())
            refuse(f"expected true or false, got {named(value)}", f"write {meant}" if meant else "")
        return value

    def unit(self) -> str:
        """For the reference table."""
        return "true or false"


@dataclass(frozen=True, eq=False)
class Choice(Kind):
    """One of some words, in any case: `FP8` is `fp8`.

    Attributes:
        noun: what they name, for messages.
        names: the words, or where to ask for them when a scenario is read.
    """

    noun: str
    names: Iterable[str] | Callable[[], Iterable[str]]

    def known(self) -> tuple[str, ...]:
        """The words."""
        return tuple(self.names() if callable(self.names) else self.names)

    def read(self, value: Any) -> str:
        """One of the words."""
        if not isinstance(value, str):
            article = "an" if self.noun[0] in "aeiou" else "a"
            hint = self.suggestion(str(value) if isinstance(value, int | float) else "")
            refuse(f"expected the name of {article} {self.noun}, got {named(value)}", hint)
        known = self.known()
        spelt = value if value in known else next((name for name in known if name.lower() == value.lower()), None)
        if spelt is None:
            refuse(f"no {self.noun} named {named(value)}", self.suggestion(value))
        return spelt

    def suggestion(self, unknown: str) -> str:
        """What to write for a word that is not known; may be empty."""
        return told(name_meant(self.noun, unknown)) or did_you_mean(unknown, self.known())

    def unit(self) -> str:
        """For the reference table."""
        return f"{self.noun} of the catalog" if callable(self.names) else " \\| ".join(f"`{n}`" for n in self.known())


@dataclass(frozen=True, eq=False)
class WordOr(Kind):
    """One certain word (or false), or the thing itself."""

    word: str | bool
    other: Kind

    def read(self, value: Any) -> Any:
        """The word, or what the other kind reads."""
        if type(value) is type(self.word) and value == self.word:
            return value
        if isinstance(value, str) and isinstance(self.word, str) and not any(c.isdigit() for c in value):
            refuse(f"expected '{self.word}' or {self.other.expected()}, got {named(value)}")
        return self.other.read(value)

    def write(self, value: Any) -> Any:
        """The word as it is, else what the other kind writes."""
        return value if value == self.word and type(value) is type(self.word) else self.other.write(value)

    def unit(self) -> str:
        """For the reference table."""
        word = self.word if isinstance(self.word, str) else str(self.word).lower()
        return f"`{word}`, or {self.other.unit()}"


@dataclass(frozen=True, eq=False)
class BlockKind(Kind):
    """A mapping with known keys, as one of several things that may be written."""

    block: type[Block]

    def read(self, value: Any) -> Block:
        """The block."""
        if not isinstance(value, dict):
            refuse(f"expected a mapping with the keys {', '.join(keys(self.block))}; got {named(value)}")
        return self.block.model_validate(value)

    def write(self, value: Block) -> Any:
        """The block as a tree."""
        return tree(value)

    def unit(self) -> str:
        """For the reference table."""
        return "mapping"


@dataclass(frozen=True, eq=False)
class ByKind(Kind):
    """A mapping whose `kind` says which keys it has.

    Attributes:
        noun: what it describes, for messages.
        blocks: kind to block.
    """

    noun: str
    blocks: Mapping[str, type[Block]]

    def read(self, value: Any) -> Block:
        """The block of the kind."""
        listed = ", ".join(self.blocks)
        if not isinstance(value, dict):
            first, block = next(iter(self.blocks.items()))
            shown = [
                f"kind: {first}",
                *(f"{field.alias or name}: ..." for name, field in block.model_fields.items() if field.is_required()),
            ]
            refuse(f"expected a mapping such as {{{', '.join(shown)}}}, got {named(value)}")
        if "kind" not in value:
            refuse("the key 'kind' is missing", f"one of {listed}")
        kind = value["kind"]
        kind = kind.lower() if isinstance(kind, str) else kind
        if not isinstance(kind, str) or kind not in self.blocks:
            hint = told(name_meant(f"kind of {self.noun}", str(kind))) or did_you_mean(str(kind), self.blocks)
            said = refusal(f"no kind of {self.noun} named {named(kind)}", hint)
            refuse_below([(("kind",), said)])
        return self.blocks[kind].model_validate({key: part for key, part in value.items() if key != "kind"})

    def write(self, value: Block) -> Any:
        """The block as a tree, its kind first."""
        kind = next(name for name, block in self.blocks.items() if type(value) is block)
        return {"kind": kind, **tree(value)}

    def unit(self) -> str:
        """For the reference table."""
        return "mapping by kind"


def is_name(value: Any) -> TypeGuard[str]:
    """Whether a value that may be a name or a quantity is meant as a name.

    >>> is_name("cs-3"), is_name("$2.99/h"), is_name(3)
    (True, False, False)
    """
    return isinstance(value, str) and value.strip()[:1] not in tuple("0123456789.+-$€£¥~<")


def told(name: str) -> str:
    """The suggestion of a name; none of no name."""
    return f"write '{name}'" if name else ""


def keys(block: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a block as a scenario writes them.

    >>> class Outage(Block):
    ...     at: int
    >>> keys(Outage)
    ('at',)
    """
    return tuple(field.alias or name for name, field in block.model_fields.items())


def tree(block: BaseModel) -> dict[str, Any]:
    """A block as plain dict, list and scalars in SI, absent keys left out."""
    return block.model_dump(by_alias=True, exclude_none=True)
