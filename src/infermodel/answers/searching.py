"""How far a search for the largest load of each service is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infermodel.answers.answer import OnProgress, Progress

if TYPE_CHECKING:
    from infermodel.experiment.result import Capacity

SEARCHING = "looking for the largest load of each service"


class Searching:
    """Tells after each load that was tried, and of each service whose largest load is found of how many it is.

    Args:
        asked: services whose largest load is looked for.
        on_progress: hears it.
    """

    def __init__(self, asked: int, on_progress: OnProgress) -> None:
        self._asked, self._on_progress, self._found = asked, on_progress, 0
        self.tried("")

    def tried(self, news: str) -> None:
        """After a load."""
        self._on_progress(Progress(f"{SEARCHING}; {news}".removesuffix("; "), self._found, self._asked))

    def found(self, found: Capacity) -> None:
        """After a service."""
        self._found += 1
        self.tried(f"{found.service} is done")
