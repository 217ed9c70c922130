"""One look for one system, everywhere: colours by device, dashes and markers by service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

COLOURS: Mapping[str, str] = {
    "wse-3": "#D55E00",
    "groq-lpu-v1": "#E69F00",
    "h100-sxm": "#0072B2",
    "h200-sxm": "#56B4E9",
    "gh200": "#3B6FA0",
    "b200": "#009E73",
    "gb200": "#0B6B4F",
    "a100-sxm-80gb": "#7A7A7A",
    "a100-pcie-80gb": "#A6A6A6",
    "mi300x": "#CC79A7",
    "l40s": "#882255",
    "rtx-pro-6000": "#6A51A3",
    "rtx-4090": "#9E9AC8",
}
"""Colour of each device, after Okabe and Ito (2008): told apart by readers with any colour vision."""

SPARE_COLOURS = ("#332288", "#117733", "#999933", "#AA4499", "#44AA99", "#661100")
"""For devices without a colour of their own, by a checksum of the name: the same in every picture of every run."""

PARTS: Mapping[str, str] = {
    "capital": "#4477AA",
    "network": "#66CCEE",
    "spares": "#228833",
    "power": "#CCBB44",
    "colocation": "#DDCC77",
    "operations": "#BBBBBB",
    "rental": "#AA3377",
}
"""Colour of each part of the dollars of an hour."""

BOUNDS: Mapping[str, str] = {
    "compute": "#0072B2",
    "memory": "#D55E00",
    "network": "#F0E442",
    "latency": "#009E73",
    "host": "#999999",
}
"""Colour of what binds a step, after Okabe and Ito: told apart by readers with any colour vision."""

VERDICTS: Mapping[str, str] = {
    "follows": "#4477AA",
    "follows only if": "#CCBB44",
    "does not follow": "#CC6677",
}
"""Colour of what is said of a claim; grey for all else."""

DOWN = "#CC3311"
"""While systems are down."""

INK, GREY, FAINT, GOOD = "#1A1A1A", "#5F5F5F", "#D9D9D9", "#E4F2E4"
"""Text, secondary text, grid, and the corner where one wants to be."""

DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")


@dataclass(frozen=True, slots=True)
class Style:
    """How a service looks."""

    colour: str
    dash: str | tuple[int, tuple[float, ...]]
    marker: str

    @property
    def bright(self) -> str:
        """The colour where the ground is dark."""
        return shaded(self.colour, -0.35)


def device_colour(device: str) -> str:
    """Colour of a device.

    >>> device_colour("wse-3")
    '#D55E00'
    """
    return COLOURS.get(device, SPARE_COLOURS[crc32(device.encode()) % len(SPARE_COLOURS)])


def styles(devices: Sequence[str]) -> tuple[Style, ...]:
    """Look of each service from its device: the device's colour, darker for each further service on the same device.

    >>> [style.colour for style in styles(["wse-3", "h100-sxm", "wse-3"])]
    ['#D55E00', '#0072B2', '#803800']
    """
    total, seen = Counter(devices), Counter[str]()
    looks = []
    for device in devices:
        turn = seen[device]
        seen[device] += 1
        depth = 0.0 if total[device] == 1 else turn / (total[device] - 1) * min(0.4 + 0.08 * (total[device] - 2), 0.7)
        looks.append(
            Style(shaded(device_colour(device), depth), DASHES[turn % len(DASHES)], MARKERS[turn % len(MARKERS)])
        )
    return tuple(looks)


def shaded(colour: str, depth: float) -> str:
    """The colour mixed with `depth` of black, 0 to 1; of white for a negative depth.

    >>> shaded("#FF8000", 0.5), shaded("#FF8000", -0.5)
    ('#804000', '#FFC080')
    """
    towards = 0 if depth >= 0 else 255
    share = abs(depth)
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(part + (towards - part) * share):02X}" for part in parts)
