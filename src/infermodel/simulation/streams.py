"""Named random streams from one seed, so that a what-if draws the same numbers wherever it does not differ."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import numpy as np

Streams = Callable[[str], np.random.Generator]
"""The generator of a name; each call starts that stream anew."""


def named_streams(seed: int, *scope: str) -> Streams:
    """Independent generators by name, under a scope such as a service's name or a replication's number.

    Args:
        seed: of the run, >= 0.
        scope: names that set these streams apart from others of the same seed.

    >>> draw = named_streams(1)("arrivals").random()
    >>> draw == named_streams(1)("arrivals").random(), draw == named_streams(1, "other")("arrivals").random()
    (True, False)
    """

    def stream(name: str) -> np.random.Generator:
        digest = sha256("\0".join((*scope, name)).encode()).digest()
        key = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))

    return stream
