"""The pictures of a report by file name, in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from infermodel.report.drawing import Picture
from infermodel.report.pictures import capacity, claims, cost, fleet, latency, over_time, roofline, speed


@dataclass(frozen=True)
class Plate:
    """A picture and the sentence under it."""

    picture: Picture
    caption: str


PICTURES: Mapping[str, Plate] = {
    "speed_price": Plate(
        speed.against_price,
        "Output speed that half of the requests reach, against dollars per million tokens at the scenario's own mix. "
        "Bars: range of uncertain prices. Up and left is better.",
    ),
    "speed_latency": Plate(
        speed.against_latency,
        "Output speed against the median time to the first token. Up and left is better.",
    ),
    "capacity": Plate(
        capacity.percentiles_against_load,
        "What each objective limits, at every load that the search tried; the shaded band is the bracket that holds "
        "the capacity, the dashed line the limit.",
    ),
    "latency": Plate(
        latency.distributions,
        "Share of the requests of the window that took at most so long. A curve that ends below 100 % belongs to a "
        "service that left requests unfinished.",
    ),
    "objectives": Plate(
        over_time.promises_kept,
        "What each objective limits, minute by minute or in wider steps, by the time at which requests arrive, and the "
        "share of them that kept every limit.",
    ),
    "throughput": Plate(
        over_time.throughput_and_queue,
        "Output tokens a second of each service, and requests that have arrived and are not yet worked on.",
    ),
    "kv_use": Plate(
        over_time.kv_use,
        "Share of the KV memory in use, and sequences decoding at the same time.",
    ),
    "replicas": Plate(
        fleet.replicas_over_time,
        "Where systems fail or replicas start and stop. Above: replicas that serve, and dotted those that are paid "
        "for. Below: the state of each replica of the first such service.",
    ),
    "cost": Plate(
        cost.breakdown,
        "Left: dollars of an hour of the fleet in parts. Right: dollars per million tokens; the bar is the range of "
        "uncertain prices, the diamond the list price.",
    ),
    "roofline": Plate(
        roofline.operating_points,
        "Roofs of one device of each kind, and where its work lies: the run's mean while busy, decoding alone, and "
        "reading a prompt. A point far below its roof is bound by latency, the host or communication.",
    ),
    "claims": Plate(
        claims.ratios,
        "Modelled over published figure; 1 is agreement. Hollow: a constant was fitted to this very figure, so that "
        "agreement proves nothing.",
    ),
    **{
        f"claims_{number + 1}": Plate(
            partial(claims.ratios, number_of_sheet=number), "More claims, read in the same way."
        )
        for number in range(1, 4)
    },
}
