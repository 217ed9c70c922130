"""A report on disk: tables, pictures, page, scenario and manifest, all at once or not at all."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from infermodel import __version__
from infermodel.deploy import deployment_files
from infermodel.experiment.result import AnswerBand, Capacity, Result, Verdict
from infermodel.metrics.summary import Summary
from infermodel.report import tables
from infermodel.report.cells import write_table
from infermodel.report.findings import Findings
from infermodel.report.folder import MARK, replacing
from infermodel.report.long_files import Format, write_requests, write_timeline, write_traces
from infermodel.report.page import page
from infermodel.scenario import to_yaml

LIBRARIES = ("numpy", "simpy", "pydantic", "PyYAML", "matplotlib", "jinja2")
"""Whose versions the manifest states."""


def write(
    result: Result,
    capacities: Sequence[Capacity],
    verdicts: Sequence[Verdict],
    folder: Path,
    *,
    bands: Sequence[AnswerBand] = (),
    failures: Mapping[str, Summary] = MappingProxyType({}),
    figures: bool = True,
    more: Mapping[str, bytes] = MappingProxyType({}),
    command: Sequence[str] = (),
    requests: Format = "csv",
    replay: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write a report; an existing one is replaced when the new one is whole.

    The tables and pictures depend on nothing but the arguments: the same run, the same bytes.

    Args:
        result: of the run.
        capacities: of the services for which they were looked for.
        verdicts: of the claims.
        folder: does not exist, is empty, or holds a report.
        bands: on the answers, where uncertain constants were drawn.
        failures: summaries of services with one of their systems down, by name.
        figures: whether to draw.
        more: files beside these, by name.
        command: that was typed, for the manifest and the page.
        requests: `csv` for requests.csv.gz, `parquet` for requests.parquet (needs pyarrow).
        replay: whether to write each service's requests for load generators, too.
        on_progress: called with the name of each file before it is written.

    Returns:
        The folder.

    Raises:
        NotAReport: something else is at `folder`.
        OSError: no room, no right to write.
    """
    findings = Findings.of(result, capacities, verdicts, bands, failures)
    with replacing(folder) as draft:
        for name, rows in short_tables(findings, capacities):
            on_progress(name)
            schema = tables.SCHEMAS.get(name) or tables.RARE_SCHEMAS[name]
            write_table(draft / name, [each.name for each in schema], rows)
        named = [(each.summary.service, each.record) for each in findings.services]
        on_progress("requests")
        write_requests(draft, named, requests)
        write_timeline(draft, named)
        if replay:
            write_traces(draft, named)
        _write_text(draft / "scenario.resolved.yaml", to_yaml(result.scenario))
        for name, text in deployment_files(result.scenario).items():
            _write_text(draft / name, text)
        pictures = draw(findings, on_progress) if figures else {}
        for name, (_, image) in pictures.items():
            (draft / f"{name}.svg").write_bytes(image)
        for name, content in more.items():
            (draft / name).write_bytes(content)
        on_progress("report.html")
        beside = [path.name for path in sorted(draft.iterdir()) if path.suffix not in (".svg", ".png")]
        _write_text(draft / "report.html", page(findings, pictures, [*beside, MARK], command))
        _write_text(draft / MARK, manifest(result, command, draft))
    return folder


def short_tables(
    findings: Findings, capacities: Sequence[Capacity]
) -> Iterable[tuple[str, Iterable[Mapping[str, Any]]]]:
    """File name and rows of each table that this run has."""
    yield "summary.csv", tables.summary_rows(findings)
    yield "capacity.csv", tables.capacity_rows(capacities, findings)
    yield "capacity_points.csv", tables.capacity_point_rows(capacities)
    yield "prices.csv", tables.price_rows(findings)
    yield "claims.csv", tables.claim_rows(findings.verdicts)
    for name, found in (
        ("placement.csv", tables.placement_rows(findings)),
        ("pools.csv", tables.pool_rows(findings)),
        ("handover.csv", tables.handover_rows(findings)),
        ("tenants.csv", tables.tenant_rows(findings)),
        ("questions.csv", tables.question_rows(findings)),
        ("fleets.csv", tables.fleet_rows(findings)),
        ("states.csv", tables.state_rows(findings)),
        ("bands.csv", tables.band_rows(findings)),
    ):
        rows = list(found)
        if rows:
            yield name, rows


def draw(findings: Findings, on_progress: Callable[[str], None] = lambda _: None) -> dict[str, tuple[str, bytes]]:
    """Caption and SVG of every picture that there is something to draw for; matplotlib is imported here."""
    from infermodel.report.drawing import svgs
    from infermodel.report.pictures import PICTURES

    drawn = {}
    for name, image in svgs({name: plate.picture for name, plate in PICTURES.items()}, findings):
        on_progress(f"{name}.svg")
        drawn[name] = (PICTURES[name].caption, image)
    return drawn


def manifest(result: Result, command: Sequence[str], folder: Path) -> str:
    """What the report was made from and by, and the checksums of its files, as JSON."""
    stated = {
        "digest": result.scenario.digest,
        "seed": result.scenario.seed,
        "infermodel": __version__,
        "python": platform.python_version(),
        "libraries": {name: installed for name in LIBRARIES if (installed := _version(name))},
        "command": list(command),
        "laws": {
            "checked": len(result.laws),
            "largest_deviation": max((each.deviation for each in result.laws), default=0.0),
        },
        "sha256": {path.name: _checksum(path) for path in sorted(folder.iterdir())},
    }
    return json.dumps(stated, indent=2, ensure_ascii=False) + "\n"


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _write_text(path: Path, text: str) -> None:
    """UTF-8 with plain line ends; what cannot be encoded (lone surrogates) is replaced."""
    path.write_bytes(text.encode("utf-8", errors="replace"))
