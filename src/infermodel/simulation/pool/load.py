"""How many unfinished requests each replica of a pool has, and which has the fewest."""

from __future__ import annotations


class LoadIndex:
    """Unfinished requests of each replica, and at any time the replica with the fewest.

    Replicas with the same count share a bit mask; the lowest bit of the lowest non-empty mask is the answer. Counts
    move by one, so the lowest count is never searched for: O(1) a request, whatever the number of replicas.
    """

    def __init__(self, replicas: int) -> None:
        self.counts = [0] * replicas
        self._masks = {0: (1 << replicas) - 1}
        self._lowest = 0
        self._up = (1 << replicas) - 1

    def copy(self) -> LoadIndex:
        """The same counts, which later changes leave alone."""
        other = LoadIndex(0)
        other.counts, other._masks = self.counts.copy(), self._masks.copy()
        other._lowest, other._up = self._lowest, self._up
        return other

    def is_up(self, replica: int) -> bool:
        """Whether a replica may be chosen."""
        return bool(self._up >> replica & 1)

    def add(self, replica: int, change: int) -> None:
        """`replica` got (1) or finished (-1) a request."""
        count = self.counts[replica]
        self.counts[replica] = count + change
        if not self._up >> replica & 1:
            return
        bit = 1 << replica
        self._masks[count] ^= bit
        if not self._masks[count]:
            del self._masks[count]
        self._masks[count + change] = self._masks.get(count + change, 0) | bit
        if count + change < self._lowest:
            self._lowest = count + change
        elif count == self._lowest and count not in self._masks:
            self._lowest = min(self._masks)

    def set_up(self, replica: int, up: bool) -> None:
        """Take a replica out of the choice, or put it back."""
        bit, count = 1 << replica, self.counts[replica]
        if up == bool(self._up & bit):
            return
        self._up ^= bit
        mask = self._masks.get(count, 0) ^ bit
        if mask:
            self._masks[count] = mask
        else:
            del self._masks[count]
        self._lowest = min(self._masks, default=0)

    def lightest(self) -> int:
        """The replica with the fewest unfinished requests, the lowest number of equals."""
        mask = self._masks[self._lowest]
        return (mask & -mask).bit_length() - 1
