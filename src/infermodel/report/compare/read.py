"""Reports read back from their folders."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.catalog import load_system
from infermodel.files import open_plain, read_plain
from infermodel.formats.columns import MEASURED, Kind, read_columns
from infermodel.report.folder import MARK, NotAReport
from infermodel.scenario import ScenarioErrors, load

Column = NDArray[np.float64]
Row = Mapping[str, str]

LATENCIES = ("queue_time_s", "ttft_s", "tpot_s", "e2e_s")
TEXT = Kind("text", lambda cells: np.array(cells, dtype=object))


@dataclass(frozen=True)
class Requests:
    """The requests of one service that arrived in the window and were accepted, in order of arrival.

    Attributes:
        arrived_at: seconds.
        latencies: by column name of `LATENCIES`, seconds; NaN where a request never came so far.
    """

    arrived_at: Column
    latencies: Mapping[str, Column]


@dataclass(frozen=True)
class SavedReport:
    """A report as its folder has it.

    Attributes:
        title: a name unlike the others'.
        digest, seed: of its scenario.
        summary, capacity: rows by service.
        prices: USD by (service, load, item), mid prices.
        doubtful: those of them that do not hold, with the reason.
        requests: by service.
        devices: name of each service's device; empty where the scenario cannot be read any more.
        laws: checked in its runs; all held, or there were no report.
    """

    title: str
    digest: str
    seed: int
    summary: Mapping[str, Row]
    capacity: Mapping[str, Row]
    prices: Mapping[tuple[str, str, str], float]
    requests: Mapping[str, Requests]
    devices: Mapping[str, str]
    laws: int = 0
    doubtful: Mapping[tuple[str, str, str], str] = field(default_factory=dict)


def read_reports(folders: Sequence[Path]) -> tuple[SavedReport, ...]:
    """The reports in these folders.

    Raises:
        NotAReport: a folder is none.
        FormatError: a table in it is broken.
    """
    return tuple(_read(folder, title) for folder, title in zip(folders, titles(folders), strict=True))


def titles(folders: Sequence[Path]) -> list[str]:
    """The last parts of each path, as many as make all of them different.

    >>> titles([Path("a/x"), Path("b/x")]), titles([Path("reports/one"), Path("reports/two")])
    (['a/x', 'b/x'], ['one', 'two'])
    """
    parts = [Path(os.path.realpath(folder)).parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{folder} ({number})" for number, folder in enumerate(folders, 1)]


def _read(folder: Path, title: str) -> SavedReport:
    try:
        manifest: dict[str, Any] = json.loads(read_plain(folder / MARK))
        summary = {row["service"]: row for row in _rows(folder / "summary.csv")}
        capacity = {row["service"]: row for row in _rows(folder / "capacity.csv")}
        prices = {
            (row["service"], row["load"], row["item"]): float(row["mid"])
            for row in _rows(folder / "prices.csv")
            if row["mid"]
        }
        doubtful = {
            (row["service"], row["load"], row["item"]): row["price_reason"] or "does not hold"
            for row in _rows(folder / "prices.csv")
            if row.get("price_holds") == "false"
        }
        digest, seed, laws = str(manifest["digest"]), int(manifest["seed"]), int(manifest["laws"]["checked"])
    except OSError as error:
        missing = Path(str(error.filename)).name
        raise NotAReport(f"{folder} is no report of a run: {missing} cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, RecursionError, csv.Error) as error:
        raise NotAReport(f"{folder} is no report of a run: {type(error).__name__}: {error}") from None
    requests, devices = _requests(folder, summary), _devices(folder, summary)
    return SavedReport(title, digest, seed, summary, capacity, prices, requests, devices, laws, doubtful)


def _rows(path: Path) -> list[dict[str, str]]:
    with TextIOWrapper(open_plain(path), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _requests(folder: Path, summary: Mapping[str, Row]) -> dict[str, Requests]:
    if (folder / "requests.parquet").is_file():
        columns = _from_parquet(folder / "requests.parquet")
    elif (folder / "requests.csv.gz").is_file():
        kinds = {"service": TEXT, "status": TEXT, **dict.fromkeys(("arrived_at", *LATENCIES), MEASURED)}
        columns = read_columns(folder / "requests.csv.gz", kinds)
    else:
        return {}
    found = {}
    for service, row in summary.items():
        start, end = float(row["window_start_s"]), float(row["window_end_s"])
        arrived = columns["arrived_at"]
        counts = (columns["service"] == service) & (columns["status"] != "rejected")
        counts &= (arrived >= start) & (arrived < end)
        found[service] = Requests(arrived[counts], {name: columns[name][counts] for name in LATENCIES})
    return found


def _from_parquet(path: Path) -> dict[str, NDArray[Any]]:
    import importlib

    table = importlib.import_module("pyarrow.parquet").read_table(path)
    names = ("service", "status", "arrived_at", *LATENCIES)
    return {name: table[name].to_numpy() for name in names}


def _devices(folder: Path, summary: Mapping[str, Row]) -> dict[str, str]:
    try:
        scenario = load(folder / "scenario.resolved.yaml")
        devices = {each.name: load_system(each.fleet.answering).device.name for each in scenario.services}
    except (ScenarioErrors, KeyError, ValueError):
        return {}
    return {name: device for name, device in devices.items() if name in summary}
