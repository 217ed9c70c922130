"""README.md states the errors that docs/accuracy.md does."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORDS = {
    "TPOT, mean (ms)": "time per output token",
    "E2E, mean (ms)": "end to end",
    "TTFT below the knee, mean (ms)": "time to first token below the knee",
    "offline throughput (tokens/s)": "offline throughput",
}


def test_the_errors_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    said = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    table = page.partition("<!-- table: scores -->")[2].partition("<!-- end -->")[0]
    errors = re.findall(r"^\| (.+?) \| \d+ \| \d+ \| (.+?) % \| (.+? %) \|$", table, re.MULTILINE)
    assert [metric for metric, _, _ in errors] == list(WORDS)
    for metric, over_rows, over_groups in errors:
        assert f"{WORDS[metric]} {over_rows} and {over_groups}" in said
    (experiments,) = re.findall(r"^Against (\d+) serving experiments", page, re.MULTILINE)
    assert f"against {experiments} experiments of others" in said
