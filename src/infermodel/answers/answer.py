"""What all answers have in common, and how an answer's parts become text for a terminal or HTML for a notebook."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from infermodel.answers.aligned import aligned
from infermodel.metrics.schema import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

Cells = Sequence[Sequence[str]]
"""A table as it is printed, the first row a heading."""

Part = str | Cells
"""A paragraph or a table."""

Rows = Sequence[Mapping[str, Any]]
"""A table for a program."""


class Progress(NamedTuple):
    """What is being done, and how far it is.

    Attributes:
        doing: in words.
        done, total: pieces of it; a total of 0: it is not counted.
    """

    doing: str
    done: int = 0
    total: int = 0


OnProgress = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Nobody is told."""


class Answer(ABC):
    """An answer: printed as text, shown by a notebook as tables, read by a program as frames.

    Attributes:
        main: name of the table that is `summary`.
    """

    main: ClassVar[str]

    @property
    @abstractmethod
    def title(self) -> str:
        """What was asked."""

    @property
    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """What a person reads, in order."""

    @property
    @abstractmethod
    def rows(self) -> Mapping[str, Rows]:
        """Every table by name, as plain values."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader should know."""
        return ()

    @property
    def answer(self) -> str:
        """The text that the command line prints."""
        return text(self.parts)

    @property
    def summary(self) -> DataFrame:
        """The table that matters most, with units in `attrs["units"]`."""
        return self.table(self.main)

    def table(self, name: str) -> DataFrame:
        """A table of `rows` as a frame, with units in `attrs["units"]`.

        Raises:
            KeyError: there is none of this name; the message lists those that there are.
        """
        if name not in self.rows:
            raise KeyError(f"no table {name!r}; there are {', '.join(self.rows)}")
        return frame(self.rows[name], self.columns(name))

    def columns(self, name: str) -> Sequence[Column]:
        """Columns of a table with units and meanings, where they are documented."""
        return ()

    def figures(self) -> Mapping[str, Figure]:
        """Pictures by name, those that there is something to draw for."""
        return {}

    def pngs(self) -> Mapping[str, bytes]:
        """The figures as PNG, 1,600 by 900 pixels, each by its file name."""
        from infermodel.report.drawing import pngs

        return {f"{name}.png": image for name, image in pngs(self.figures())}

    def __str__(self) -> str:
        return self.answer

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.title}>"

    def _repr_html_(self) -> str:
        return "\n".join(map(html, self.parts))


def frame(rows: Rows, columns: Sequence[Column] = ()) -> DataFrame:
    """Rows as a frame, its columns in the documented order and with their units in `attrs["units"]`.

    >>> frame([{"b": 1, "a": 2.0}], [Column("a", "s", ""), Column("b", "", "")]).attrs["units"]
    {'a': 's', 'b': ''}
    """
    from pandas import DataFrame

    found = DataFrame(list(rows), columns=[each.name for each in columns] or None)
    found.attrs["units"] = {each.name: each.unit for each in columns}
    return found


def text(parts: Sequence[Part]) -> str:
    """Parts for a terminal.

    >>> print(text(["All:", [("x",), ("1",)]]))
    All:
    <BLANKLINE>
    x
    -
    1
    """
    return "\n\n".join(part if isinstance(part, str) else aligned(part) for part in parts)


def html(part: Part) -> str:
    """A part as HTML; a price that does not hold is struck out.

    >>> html("a < b"), html([("x",), ("~~1~~",)])
    ('<pre>a &lt; b</pre>', '<table><tr><th>x</th></tr><tr><td><s>1</s></td></tr></table>')
    """
    if isinstance(part, str):
        return f"<pre>{escape(part)}</pre>"
    heading, *rows = part
    lines = [_line(heading, "th"), *(_line(row, "td") for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def _line(row: Sequence[str], tag: str) -> str:
    cells = (re.sub("~~(.+?)~~", r"<s>\1</s>", escape(cell)) for cell in row)
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"
