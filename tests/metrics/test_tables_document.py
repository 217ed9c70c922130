from __future__ import annotations

from pathlib import Path

from infermodel.metrics.exports import REQUEST_COLUMNS, TIMELINE_COLUMNS
from infermodel.metrics.laws import LAWS
from infermodel.metrics.schema import columns, markdown
from infermodel.metrics.steady import FEWEST_REQUESTS, FEWEST_TURNOVERS
from infermodel.metrics.summary import Summary
from infermodel.metrics.total import Total

DOCUMENT = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")


def test_each_table_is_documented_as_it_is() -> None:
    for title, table in (
        ("summary.csv", columns(Summary)),
        ("All services together", columns(Total)),
        ("requests.csv", REQUEST_COLUMNS),
        ("timeline.csv", TIMELINE_COLUMNS),
    ):
        section = DOCUMENT.split(f"## {title}\n")[1].split("\n## ")[0]
        assert markdown(table) in section, f"docs/tables.md, {title}: paste what `markdown` prints"


def test_each_law_is_listed_with_what_it_compares() -> None:
    section = DOCUMENT.split("## The laws behind them\n")[1]
    for name, law in LAWS.items():
        assert law.__doc__ is not None
        assert f"| {name} | {' '.join(law.__doc__.split())} |" in section


def test_the_thresholds_are_those_of_the_code() -> None:
    prose = " ".join(DOCUMENT.split())
    assert f"at least {FEWEST_REQUESTS} requests and {FEWEST_TURNOVERS} mean end-to-end times" in prose
