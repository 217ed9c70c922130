"""Colours of the systems that pages compare: those of their devices."""

from __future__ import annotations

from collections.abc import Mapping

from infermodel.report.palette import GREY, device_colour

COLOURS: Mapping[str, str] = {
    "CS-3": device_colour("wse-3"),
    "DGX H100": device_colour("h100-sxm"),
    "Groq": device_colour("groq-lpu-v1"),
    "GPU": GREY,
}
"""By the name of a system on the pages; `GPU` is a cloud that does not say which it has."""
