"""An event loop whose timers ring when they are set for."""

from __future__ import annotations

import asyncio
import select
import selectors
import sys

if sys.platform == "linux":

    class Waiting(selectors.EpollSelector):
        """Waits to the microsecond, where epoll by itself rounds a time up to the next millisecond."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            """As a selector does: those that are ready within `timeout` seconds."""
            if timeout is not None and timeout > 0:
                select.select([self.fileno()], [], [], timeout)
                timeout = 0
            return super().select(timeout)

else:  # macOS and Windows do not round
    Waiting = selectors.DefaultSelector


def precise_loop() -> asyncio.AbstractEventLoop:
    """A new loop."""
    return asyncio.SelectorEventLoop(Waiting())
