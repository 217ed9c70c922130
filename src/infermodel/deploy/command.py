"""A command line that starts one replica of a service."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

PORT = 8000

Flag = tuple[str, str]
"""Name with its dashes, and value; empty: a flag without one."""

LEADER, INDEX = "{leader}", "{index}"
"""In flags of nodes: the first node's address, and a node's number from 0."""


@dataclass(frozen=True)
class Nodes:
    """What the systems of a replica are started with beside the command; the first one answers requests.

    Attributes:
        count: of a replica.
        first, others: flags of the first and of each other one; `LEADER` and `INDEX` stand for what a cluster knows.
    """

    count: int
    first: tuple[Flag, ...]
    others: tuple[Flag, ...]


@dataclass(frozen=True)
class Command:
    """How one replica is started.

    Attributes:
        words: program and model.
        flags: in order.
        image: container that holds the program; named as its project names it, not looked up.
        devices: of a node.
        nodes: of a replica that spans several; None: one node.
        config: of the file at `CONFIG_FILE`; empty: none is needed.
        notes: what the scenario says and the command does not do.
    """

    words: tuple[str, ...]
    flags: tuple[Flag, ...]
    image: str
    devices: int
    nodes: Nodes | None = None
    config: str = ""
    notes: tuple[str, ...] = ()

    def arguments(self, *, first: bool = True, leader: str = "$LEADER", index: str = "$INDEX") -> list[str]:
        """Words of the command on a node.

        Args:
            first: whether on the first of several nodes, or the only one.
            leader, index: what stands for the first node's address and for a node's number.
        """
        flags = list(self.flags)
        if self.nodes is not None:
            of_node = self.nodes.first if first else self.nodes.others
            flags += [(name, value.replace(LEADER, leader).replace(INDEX, index)) for name, value in of_node]
        return [*self.words, *(word for flag in flags for word in flag if word)]

    def line(self, *, first: bool = True) -> str:
        """The command as a shell takes it."""
        return " ".join(word if word.startswith("$") else shlex.quote(word) for word in self.arguments(first=first))
