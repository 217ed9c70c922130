"""Decoding sequences that wait while steps read prompts only: when each had its last token."""

from __future__ import annotations

from infermodel.simulation.records.gaps import Gaps


class Waits:
    """Sequences in the order in which they began to decode, as runs that had their last token at the same time.

    Nothing is kept while nobody waits; a wait costs an entry for each step that completes prompts, not for a sequence.

    Attributes:
        runs: time of the last token, and how many sequences had it then.
    """

    def __init__(self) -> None:
        self.runs: list[tuple[float, int]] = []

    def join(self, since: float, sequences: int) -> None:
        """So many sequences wait that had their last token then, and began to decode after those who wait already."""
        if sequences:
            self.runs.append((since, sequences))

    def since(self, position: int) -> float:
        """When the sequence at this place in the order had its last token."""
        for since, sequences in self.runs:
            position -= sequences
            if position < 0:
                return since
        raise IndexError("fewer sequences wait")

    def leave(self, position: int) -> None:
        """The sequence at this place waits no more, and gets no token."""
        for i, (since, sequences) in enumerate(self.runs):
            if position < sequences:
                self.runs[i] = since, sequences - 1
                return
            position -= sequences

    def so_far_s(self, now: float) -> float:
        """Seconds since their last tokens, all together."""
        return sum([sequences * (now - since) for since, sequences in self.runs])

    def end(self, at: float, step_s: float, gaps: Gaps) -> None:
        """A step of `step_s` that began at `at` has given all of them a token: their gaps were longer than the step."""
        for since, sequences in self.runs:
            if sequences and at > since:
                gaps.lengthen(sequences, step_s, at - since)
        self.runs.clear()
