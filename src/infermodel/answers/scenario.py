"""A scenario in hand: read, checked, its names looked up; it can be changed, asked about and written back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from infermodel.answers import words
from infermodel.answers.answer import Answer, Part, Rows
from infermodel.scenario import ResolvedScenario, resolve, to_yaml
from infermodel.scenario.document import Document, dump, parse, read
from infermodel.scenario.override import override
from infermodel.scenario.validation import validate
from infermodel.search.override_text import override_text

Changes = Mapping[str, Any] | Sequence[str]
"""Values by path, `{"services.0.fleet.systems": 4}`; or as typed on a command line, `services.0.fleet.systems=4`."""


@dataclass(frozen=True, repr=False, eq=False)
class Scenario(Answer):
    """A scenario that is sound; its answer says what would run.

    Attributes:
        document: the text and the changes to it, by which an error finds its line.
        resolved: what its names mean.
    """

    document: Document
    resolved: ResolvedScenario

    main: ClassVar[str] = "services"

    @classmethod
    def read(cls, source: str | Path | Mapping[str, Any], changes: Changes = ()) -> Scenario:
        """The scenario of a file, or of what a file would say as dictionaries and lists.

        Raises:
            ScenarioErrors: all that is wrong, each with its place.
            InputError: a claim asks for what is not there.
        """
        document = parse(dump(dict(source)), "scenario") if isinstance(source, Mapping) else read(source)
        return cls.of(override(document, texts(changes)))

    @classmethod
    def of(cls, document: Document) -> Scenario:
        """The scenario of a document; see `read` for what it raises."""
        checked = validate(document)
        if checked.claims:
            from infermodel.claims import check_claims

            check_claims(checked)
        return cls(document, resolve(checked))

    def changed(self, set: Changes) -> Scenario:
        """The same with other values; this one stays as it is. See `read` for what it raises."""
        return Scenario.of(override(self.document, texts(set)))

    @property
    def title(self) -> str:
        """As the file states it."""
        return self.resolved.title

    @property
    def name(self) -> str:
        """Of the file, without its ending."""
        return self.resolved.source.stem

    @property
    def digest(self) -> str:
        """SHA-256 over everything that the answers depend on."""
        return self.resolved.digest

    @property
    def yaml(self) -> str:
        """The scenario as a file, with every default written out."""
        return to_yaml(self.resolved)

    @property
    def notes(self) -> Sequence[str]:
        """What a reader should know."""
        return self.resolved.notes

    @property
    def parts(self) -> Sequence[Part]:
        """What would run: a line a service, notes, and the digest."""
        return words.preview_parts(self.resolved)

    @property
    def rows(self) -> Mapping[str, Rows]:
        """`services`: a row a service, as it is printed."""
        heading, *lines = words.preview_rows(self.resolved)
        return {"services": [dict(zip(heading, line, strict=True)) for line in lines]}

    def write(self, path: str | Path) -> Path:
        """The scenario as a YAML file.

        Raises:
            OSError: no room, no right to write.
        """
        from infermodel.files import write_whole

        write_whole(Path(path), self.yaml)
        return Path(path)


def texts(changes: Changes) -> Sequence[str]:
    """Changes as a command line has them.

    >>> texts({"services.0.fleet.systems": 4}), texts(["seed=2"])
    (['services.0.fleet.systems=4'], ['seed=2'])
    """
    if isinstance(changes, Mapping):
        return [override_text(path, value) for path, value in changes.items()]
    return [changes] if isinstance(changes, str) else changes
