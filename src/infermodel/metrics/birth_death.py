"""How many systems of a fleet are up, as births and deaths say."""

from __future__ import annotations

from math import comb


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
