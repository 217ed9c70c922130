"""Values of which a scenario writes one or a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infermodel.scenario.schema.values import Kind, refuse


@dataclass(frozen=True, eq=False)
class Several(Kind):
    """One value or a list of them, each of one kind."""

    each: Kind
    may_be_empty: bool = False

    def read(self, value: Any) -> tuple[Any, ...]:
        """The values, repeated ones once."""
        listed = value if isinstance(value, list) else [value]
        if not listed and not self.may_be_empty:
            refuse("the list is empty; give at least one")
        return tuple(dict.fromkeys(self.each.read(each) for each in listed))

    def write(self, value: tuple[Any, ...]) -> list[Any]:
        """As a list."""
        return [self.each.write(each) for each in value]

    def unit(self) -> str:
        """For the reference table."""
        return f"{self.each.unit()}, or list"
