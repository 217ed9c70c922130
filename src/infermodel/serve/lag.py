"""By how much a server is behind its own plan."""

from __future__ import annotations

from collections.abc import Callable

LATE_S = 0.01
"""From here on it counts as late: a tenth of a token's time at 100 ms each."""

WINDOW_S = 10.0


class Lag:
    """Seconds on the wall between when something was due and when it was done.

    Attributes:
        worst_s: since the start.
        late, noted: how often it was `LATE_S` or more, and how often anything was due.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.worst_s = 0.0
        self.late = self.noted = 0
        self._window = self._before = 0.0
        self._since = now()

    def note(self, seconds: float) -> None:
        """Something was done so late."""
        self._turn()
        self.noted += 1
        self.late += seconds >= LATE_S
        self._window = max(self._window, seconds)
        self.worst_s = max(self.worst_s, seconds)

    @property
    def recent_s(self) -> float:
        """The worst of the last 10 to 20 seconds."""
        self._turn()
        return max(self._window, self._before)

    def _turn(self) -> None:
        elapsed = self._now() - self._since
        if elapsed >= WINDOW_S:
            self._before = self._window if elapsed < 2 * WINDOW_S else 0.0
            self._window, self._since = 0.0, self._now()
