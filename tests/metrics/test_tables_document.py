from __future__ import annotations

from pathlib import Path

from infermodel.metrics.steady import FEWEST_REQUESTS, FEWEST_TURNOVERS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")


def test_the_thresholds_are_those_of_the_code() -> None:
    prose = " ".join(DOCUMENT.split())
    assert f"at least {FEWEST_REQUESTS} requests and {FEWEST_TURNOVERS} mean end-to-end times" in prose
