"""By how much a server is behind its own plan, and how much sooner it has to begin for that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

LATE_S = 0.01
"""From here on it counts as late: a tenth of a token's time at 100 ms each."""

WINDOW_S = 10.0

LATEST, RENEWED_AFTER = 100, 10
"""Tokens from which a lead is taken, and how often."""

QUICK = 0.1
"""Share of them that set out and were written quicker than the one that counts."""


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


class Lead:
    """How long before it is due a token has to set out: what it takes this server to wake up and write it.

    Of the latest that were written a quick one counts, so that few come before they are due, and those by less than
    what any client takes to read them.

    Attributes:
        seconds: on the wall.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._latest: deque[float] = deque(maxlen=LATEST)
        self._new = 0

    def note(self, seconds: float) -> None:
        """A token was written so long after it was to set out.

        >>> lead = Lead()
        >>> for ms in range(10, 110): lead.note(ms / 1e3)
        >>> lead.seconds
        0.02
        """
        self._latest.append(seconds)
        self._new += 1
        if self._new == RENEWED_AFTER:
            self.seconds, self._new = sorted(self._latest)[round(QUICK * len(self._latest))], 0
