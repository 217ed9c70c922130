"""The record of experiments by device and engine, from both tables of groups of `docs/accuracy.md`.

python -m infermodel.pages.experiments docs/accuracy.md src/infermodel/catalog/experiments.csv
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

COLUMNS: Mapping[str, str] = {"TPOT": "TPOT", "E2E": "E2E", "TTFT": "TTFT", "offline": "throughput"}
"""What columns of the tables of groups begin with, and the metric there."""

SCORED = ("TPOT", "E2E", "throughput", "TTFT")
"""Which of them stands for a device and engine: the first that somebody measured."""


ERROR = re.compile(r"([\d.]+) %, [-+][\d.]+ %, (\d+)")


class Group(NamedTuple):
    """A line of a table: what was measured, with the median error and the number of rows of each metric."""

    device: str
    engine: str
    errors: dict[str, tuple[float, int]]


def groups(page: str) -> Iterator[Group]:
    """The lines of the tables between `<!-- table: group -->` or `<!-- table: further -->` and `<!-- end -->`, whose
    first cells end with a device, an engine and a model, and maybe a comma and what sets the group apart.

    >>> table = "| group | TPOT |\\n|---|---|\\n| ours h100-sxm vllm qwen3-8b, drafted | 1.8 %, +1.8 %, 4 |\\n"
    >>> next(groups(f"<!-- table: group -->\\n{table}<!-- end -->"))
    Group(device='h100-sxm', engine='vllm', errors={'TPOT': (0.018, 4)})
    """
    for found in re.finditer(r"<!-- table: (?:group|further) -->\s+(.*?)<!-- end -->", page, re.DOTALL):
        heads, _, *lines = (
            [cell.strip() for cell in re.split(r"(?<=\s)\|(?=\s)", line.strip("|"))]
            for line in found[1].strip().splitlines()
        )
        metrics = [COLUMNS.get(re.split(r"\W", head)[0], "") for head in heads]
        for label, *cells in lines:
            device, engine, _ = label.partition(",")[0].split()[-3:]
            told = {metric: ERROR.fullmatch(cell) for metric, cell in zip(metrics[1:], cells, strict=True)}
            errors = {metric: (round(float(each[1]) / 100, 6), int(each[2])) for metric, each in told.items() if each}
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
        error, rows = median(error for error, _ in told), sum(rows for _, rows in told)
        lines.append(f"{device},{engine},{metric},{rows},{len(told)},{error:.4f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(record(source.read_text(encoding="utf-8")), encoding="utf-8")
