"""The record of experiments by device and engine, from the groups of `docs/accuracy.md`.

python -m infermodel.pages.experiments docs/accuracy.md src/infermodel/catalog/experiments.csv
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

METRICS = ("TPOT", "E2E", "TTFT", "throughput")
"""Columns of the table of groups, in order."""

SCORED = ("TPOT", "E2E", "throughput", "TTFT")
"""Which of them stands for a device and engine: the first that somebody measured."""


class Group(NamedTuple):
    """A line of the table: what was measured, with the median error and the number of rows of each metric."""

    device: str
    engine: str
    errors: dict[str, tuple[float, int]]


def groups(page: str) -> Iterator[Group]:
    """The lines of the table between `<!-- table: group -->` and `<!-- end -->`.

    >>> cell = "1.8 %, +1.8 %, 4"
    >>> next(groups(f"<!-- table: group -->\\n| ours h100-sxm vllm qwen3-8b | {cell} |  |  |  |\\n<!-- end -->"))
    Group(device='h100-sxm', engine='vllm', errors={'TPOT': (0.018, 4)})
    """
    found = re.search(r"<!-- table: group -->\n(.*?)<!-- end -->", page, re.DOTALL)
    for line in found[1].splitlines() if found else ():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != len(METRICS) + 1 or len(cells[0].split()) != 4:
            continue
        errors = {}
        for metric, cell in zip(METRICS, cells[1:], strict=True):
            if figures := re.fullmatch(r"([\d.]+) %, [-+][\d.]+ %, (\d+)", cell):
                errors[metric] = (round(float(figures[1]) / 100, 6), int(figures[2]))
        _, device, engine, _ = cells[0].split()
        yield Group(device, engine, errors)


def record(page: str) -> str:
    """The record as CSV, a line for each device and engine."""
    by_server: dict[tuple[str, str], list[Group]] = {}
    for group in groups(page):
        by_server.setdefault((group.device, group.engine), []).append(group)
    lines = ["device,engine,metric,experiments,groups,median_error"]
    for (device, engine), own in sorted(by_server.items()):
        metric = next(each for each in SCORED if any(each in group.errors for group in own))
        told = [group.errors[metric] for group in own if metric in group.errors]
        error, rows = fmean(error for error, _ in told), sum(rows for _, rows in told)
        lines.append(f"{device},{engine},{metric},{rows},{len(told)},{error:.4f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(record(source.read_text(encoding="utf-8")), encoding="utf-8")
