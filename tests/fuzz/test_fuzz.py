"""Whatever a file holds, it is refused in words or gives a valid run: no traceback, no hang, no flood of memory."""

from __future__ import annotations

import pytest
from tests.fuzz.campaign import Tally, campaign


def check(found: Tally, cases: int, runs: int) -> None:
    assert found.findings == []
    read = sum(count for outcome, count in found.counts.items() if " " not in outcome)
    ran = sum(count for outcome, count in found.counts.items() if outcome.endswith(" ran"))
    assert read == cases
    assert ran >= 0.9 * runs
    assert found.counts["scenario refused"] > found.counts["scenario refused as a whole"] > 0


def test_five_hundred_mutants_end_cleanly() -> None:
    check(campaign(500, 10, timeout_s=300), 500, 10)


@pytest.mark.slow
def test_a_hundred_thousand_mutants_end_cleanly() -> None:
    check(campaign(100_000, 1100, processes=2, timeout_s=3500), 100_000, 1100)
