"""How many systems of a fleet are up, as births and deaths say."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

NEGLIGIBLE = 1e-18
"""Share of the time of a state that is left out: of a large fleet almost all are."""


def shares_up(places: int, spares: int, *, lasts_s: float, repair_s: float, take_over_s: float = 0.0) -> list[float]:
    """Shares of a long time in which 0, 1, ..., `places` systems serve, with as many repairs at once as are needed.

    With n systems under repair, min(places, places + spares - n) have a place. Those fail at a rate of 1 / (take-over +
    life) each, and n are repaired at 1 / repair. Who has a place serves for life / (take-over + life) of its time.
    Exact without take-over for exponential lives, whatever the law of repairs; without spares for any law of both.

    Args:
        places: systems that are to serve.
        spares: that stand by, and do not fail.
        lasts_s, repair_s: mean times to a failure and to repair.
        take_over_s: from when a spare is free until it serves.

    >>> [round(share, 4) for share in shares_up(2, 0, lasts_s=9.0, repair_s=1.0)]  # 0.1^2, 2 x 0.1 x 0.9, 0.9^2
    [0.01, 0.18, 0.81]
    >>> [round(share, 4) for share in shares_up(2, 1, lasts_s=40.0, repair_s=10.0)]  # 1, 1/2, 1/8, 1/96 over their sum
    [0.0064, 0.0764, 0.9172]
    """
    systems, cycle_s = places + spares, lasts_s + take_over_s
    weights = [1.0]
    for broken in range(systems):
        weights.append(weights[-1] * min(places, systems - broken) / cycle_s * repair_s / (broken + 1))
    whole, serves = sum(weights), lasts_s / cycle_s
    shares = [0.0] * (places + 1)
    for broken, weight in enumerate(weights):
        placed = min(places, systems - broken)
        for up in range(placed + 1):
            shares[up] += weight / whole * comb(placed, up) * serves**up * (1 - serves) ** (placed - up)
    return shares


def in_racks(shares: Sequence[float], racks: Sequence[int], up: float) -> list[float]:
    """The same shares where systems also need the power of their racks, each of which is up for a share of the time.

    Racks fail without regard to systems and to each other. Of so many places with a system that works any are as
    likely as any others to be those whose racks are up.

    Args:
        shares: of a long time in which 0, 1, ... systems work by themselves.
        racks: systems in each.
        up: share of a long time in which a rack is up.

    >>> [round(share, 4) for share in in_racks([0.01, 0.18, 0.81], [2], 0.9)]  # both or none have power
    [0.109, 0.162, 0.729]
    >>> [round(share, 4) for share in in_racks([0.0, 0.0, 1.0], [1, 1], 0.9)]  # two racks of one
    [0.01, 0.18, 0.81]
    """
    places = sum(racks)
    powered = [1.0] + [0.0] * places  # share of the time by places with power
    for size in racks:
        powered = [
            (1 - up) * share + (up * powered[count - size] if count >= size else 0.0)
            for count, share in enumerate(powered)
        ]
    found = [0.0] * (places + 1)
    for count, share in enumerate(powered):
        for working, own in enumerate(shares):
            if share * own < NEGLIGIBLE:
                continue
            for serving in range(max(0, count + working - places), min(count, working) + 1):
                likely = comb(count, serving) * comb(places - count, working - serving) / comb(places, working)
                found[serving] += share * own * likely
    return found
