"""When a scheduler looks for newcomers: some who have come by the end of a step may miss the next."""

from __future__ import annotations

from infermodel.simulation.replica.leap import Leap


class Receiving:
    """An engine that schedules ahead composes a step while the one before it runs; one may look for newcomers only
    every so many steps of decoding.

    Attributes:
        late: whether there is any such habit.

    >>> leap = Leap()
    >>> leap.anchor_s, leap.first_s, leap.steps = 10.0, 1.0, 4  # steps end at 11, 12, 13 and 14 s
    >>> Receiving(ahead=True, interval=1).known_until(leap, 3, reads_prompts=False, before=9.5)
    12.0
    >>> Receiving(ahead=False, interval=2).known_until(leap, 3, reads_prompts=False, before=9.5)
    12.0
    """

    def __init__(self, *, ahead: bool, interval: int) -> None:
        self.late = ahead or interval > 1
        self._ahead, self._interval = ahead, interval
        self._unreceived = 0  # steps of decoding since newcomers were last looked for

    def known_until(self, leap: Leap, steps: int, *, reads_prompts: bool, before: float) -> float:
        """Until when requests came that the step after `steps` of the leap may take.

        Args:
            reads_prompts: whether the leap's steps do.
            before: until when those had come whom the leap's first step could take.
        """
        looked = steps
        if not reads_prompts:
            looked -= (self._unreceived + steps) % self._interval
        if looked < 1:
            return min(before, leap.anchor_s)
        return leap.boundary(looked - self._ahead)

    def settle(self, steps: int, *, reads_prompts: bool) -> None:
        """So many steps are done."""
        self._unreceived = 0 if reads_prompts else (self._unreceived + steps) % self._interval
