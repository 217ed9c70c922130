"""Calibrated constants as lines of the catalog's YAML files, everything else in a file left as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

ENGINE_KEYS: Mapping[str, str] = {
    "host_step_s": "host_step",
    "host_sequence_s": "host_sequence",
    "ingress_s": "ingress",
}
"""Fitted field of an engine: its key in the file. Other names stand in the block `constants`."""


DATE = 2026
"""Of the fits: the year in which the newest of their measurements were taken."""


def written(name: str, value: float) -> str:
    """A constant with its unit: times in microseconds or milliseconds, shares as they are.

    >>> written("gemm_floor_s", 3.3594e-06), written("ingress_s", 0.01387), written("link_efficiency", 0.52889)
    ('3.359 us', '13.87 ms', '0.5289')
    """
    if not name.endswith("_s"):
        return f"{value:.4g}"
    return f"{value * 1e3:.4g} ms" if abs(value) >= 1e-3 else f"{value * 1e6:.4g} us"


def calibrated(name: str, value: float, error: float, fit: str) -> str:
    """A fitted figure."""
    return (
        f"{{value: {written(name, value)}, kind: calibrated, fit: {fit},"
        f" standard_error: {written(name, float(f'{error:.2g}'))}, date: {DATE}}}"
    )


def dropped(name: str, most: float, fit: str) -> str:
    """A figure that the fit could not tell from zero: `assumed`, up to the most that two standard errors allow."""
    return supposed(name, 0.0, 0.0, float(f"{most:.2g}"), f"not told from zero by {fit}")


def supposed(name: str, value: float, low: float, high: float, source: str) -> str:
    """A figure that nobody measured: `assumed` within a range."""
    ends = f"range: [{written(name, low)}, {written(name, high)}]"
    return f'{{value: {written(name, value)}, kind: assumed, {ends}, source: "{source}", date: {DATE}}}'


def borrowed(name: str, value: float, source: str, *, alike: bool) -> str:
    """A figure taken from a measured device: `derived` for the same architecture, else `assumed` within 30 %."""
    if alike:
        return f'{{value: {written(name, value)}, kind: derived, source: "{source}", date: {DATE}}}'
    most = 1.3 * value if name.endswith("_s") or value > 1 else min(1.0, 1.3 * value)  # a share ends at all of it
    return supposed(name, value, 0.7 * value, most, source)


def with_constants(text: str, lines: Mapping[str, str]) -> str:
    """A device's or engine's file with these figures in its block `constants`, others of the block kept.

    >>> print(with_constants("device: x\\nconstants: {}\\n", {"a": "{value: 1}"}), end="")
    device: x
    constants:
      a: {value: 1}
    """
    found = re.search(r"^constants:.*\n(?:[ ]+.*\n)*", text, re.MULTILINE)
    kept: dict[str, str] = {}
    if found:
        for line in found.group().splitlines()[1:]:
            name, figure = line.strip().split(": ", 1)
            kept[name] = figure
    block = "constants:\n" + "".join(f"  {name}: {figure}\n" for name, figure in (kept | dict(lines)).items())
    return text.replace(found.group(), block) if found else text.rstrip("\n") + "\n" + block


def with_engine_figures(text: str, lines: Mapping[str, str]) -> str:
    """An engine's file with these figures: fields at its top level, the rest among its constants.

    >>> print(with_engine_figures("engine: x\\ningress: {value: 1 ms}\\n", {"ingress_s": "{value: 2 ms}"}), end="")
    engine: x
    ingress: {value: 2 ms}
    """
    for name, key in ((name, ENGINE_KEYS[name]) for name in lines if name in ENGINE_KEYS):
        text, found = re.subn(rf"^{key}:.*$", f"{key}: {lines[name]}", text, flags=re.MULTILINE)
        if not found:
            text = f"{text.rstrip()}\n{key}: {lines[name]}\n"
    constants = {name: figure for name, figure in lines.items() if name not in ENGINE_KEYS}
    return with_constants(text, constants) if constants else text


def with_figures_on(text: str, named: Sequence[str], lines: Mapping[str, str]) -> str:
    """An engine's file with these figures on devices whose names begin so, behind what else it has on some devices.

    >>> print(with_figures_on("engine: x\\nconstants: {}\\n", ("h100", "h200"), {"a": "{value: 1}"}), end="")
    engine: x
    on_devices:
      - named: [h100, h200]
        constants:
          a: {value: 1}
    constants: {}
    """
    head = f"  - named: [{', '.join(named)}]\n"
    fields = "".join(f"    {ENGINE_KEYS[name]}: {figure}\n" for name, figure in lines.items() if name in ENGINE_KEYS)
    constants = "".join(f"      {name}: {figure}\n" for name, figure in lines.items() if name not in ENGINE_KEYS)
    block = head + fields + (f"    constants:\n{constants}" if constants else "")
    if found := re.search(re.escape(head) + r"(?:    .*\n)*", text):
        return text.replace(found.group(), block)
    if found := re.search(r"^on_devices:\n(?:[ ]+.*\n)*", text, re.MULTILINE):
        return text.replace(found.group(), found.group() + block)
    before, key, after = text.partition("\nconstants:")
    return f"{before}\non_devices:\n{block.rstrip()}{key}{after}"
