"""Five small runs as they were when last recorded: what has moved since, and by how much.

    python tests/golden/moved.py             # a line for every figure that moved; status 1 if any did
    python tests/golden/moved.py --record    # take the runs of today for the record

Whoever records anew says in CHANGELOG.md, under "Model changes", what moved and why.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from infermodel.experiment import Result, run
from infermodel.metrics.exports import request_rows, timeline_rows
from infermodel.metrics.schema import row
from infermodel.scenario import load, resolve
from infermodel.simulation import Stepping

HERE = Path(__file__).parent
SCENARIOS = tuple(sorted(path.stem for path in HERE.glob("*.yaml")))
ELSEWHERE = 1e-9
"""Relative; what another processor, C library or numpy may differ by. Here not one bit may."""


@dataclass(frozen=True)
class Moved:
    """A figure that is not what it was."""

    scenario: str
    service: str
    figure: str
    was: Any
    now: Any

    @property
    def by(self) -> float:
        """Relative change; infinite where no ratio says it."""
        if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in (self.was, self.now)):
            return float("inf")
        return (self.now - self.was) / abs(self.was) if self.was else float("inf")

    def __str__(self) -> str:
        by = "" if self.by in (float("inf"), float("-inf")) or isnan(self.by) else f"  {self.by:+.3g} of it"
        return f"{self.scenario}  {self.service}  {self.figure}: {self.was} -> {self.now}{by}"


def here() -> str:
    """What decides the last bit of a float."""
    simd = np.show_config("dicts")["SIMD Extensions"]  # how wide numpy's vectors are: in which order it adds
    widest = [*simd["baseline"], *simd["found"]][-1]
    return f"{platform.machine()} {platform.libc_ver()[0]} numpy {np.__version__} {widest}"


def played(name: str, stepping: Stepping = "leap") -> Result:
    """The run of a scenario."""
    return run(resolve(load(HERE / f"{name}.yaml")), stepping=stepping)


def figures(result: Result) -> dict[str, Any]:
    """All that is recorded of a run: every figure of every service, the bytes of its tables, and the laws."""
    services = {}
    for each in result.services:
        told = {key: _plain(value) for key, value in row(each.summary).items()}
        told |= {f"usd_per_h {part}": band.mid for part, band in each.economics.hourly.parts.items()}
        tables = {"requests": request_rows(each.record.requests), "timeline": timeline_rows(each.record)}
        told |= {f"sha256 of {table}": checksum(columns) for table, columns in tables.items()}
        services[each.service.name] = told
    held: dict[str, int] = {}
    for law in result.laws:
        held[law.law] = held.get(law.law, 0) + 1
    return {"digest": result.scenario.digest, "laws held": held, "services": services}


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, float | np.floating):
        return None if isnan(value) else float(value)
    return value if isinstance(value, bool | int | str | None) else str(value)


def checksum(columns: dict[str, Any]) -> str:
    """SHA-256 over the bytes of columns and their names."""
    found = hashlib.sha256()
    for name, column in columns.items():
        found.update(name.encode())
        found.update(np.ascontiguousarray(column).tobytes())
    return found.hexdigest()


def moved(name: str, now: dict[str, Any], record: dict[str, Any]) -> list[Moved]:
    """What differs from the record: anything where it was made, elsewhere what `ELSEWHERE` does not allow."""
    exact = record["made on"] == here()
    was = record["runs"].get(name, {"services": {}})
    keys = ("digest", "laws held")
    found = [Moved(name, "", key, was.get(key), now[key]) for key in keys if was.get(key) != now[key]]
    for service in dict.fromkeys((*was["services"], *now["services"])):
        before, after = was["services"].get(service, {}), now["services"].get(service, {})
        for figure in dict.fromkeys((*before, *after)):
            each = Moved(name, service, figure, before.get(figure), after.get(figure))
            differs = each.was != each.now
            if differs and (exact or not (figure.startswith("sha256") or abs(each.by) <= ELSEWHERE)):
                found.append(each)
    return found


def recorded() -> dict[str, Any]:
    """The record."""
    found: dict[str, Any] = json.loads((HERE / "record.json").read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Status 1 if anything moved."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--record", action="store_true")
    runs = {name: figures(played(name)) for name in SCENARIOS}
    if options.parse_args().record:
        text = json.dumps({"made on": here(), "runs": runs}, indent=1, ensure_ascii=False) + "\n"
        (HERE / "record.json").write_text(text, encoding="utf-8")
        print(f"{len(runs)} runs recorded")
        return 0
    found = [each for name, now in runs.items() for each in moved(name, now, recorded())]
    for each in found:
        print(each)
    print(f"{len(found)} figures of {len(runs)} runs moved")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
