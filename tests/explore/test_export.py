"""A sweep as one file."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner
from tests.explore.explored_services import write_sweep

from infermodel.cli import infermodel


def test_a_sweep_is_one_file_without_a_network(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path)
    page = tmp_path / "page.html"
    done = CliRunner().invoke(infermodel, ["explore", str(sweep), "--export", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", text.split("plotly.js v")[0])
    found = re.search(r'id="data">(.*?)</script>', text)
    assert found is not None
    data = json.loads(found[1])
    assert [each["values"] for each in data["axes"]] == [[8, 32], ["60 /min", "120 /min"]]
    assert [each["name"] for each in data["services"]] == ["a </script> b"]
    assert len(data["points"]) == 4
    rates = {point: value for point, _, measure, value, _ in data["figures"] if measure == "offered_rpm"}
    at = {each["point"]: each["at"][1] for each in data["points"]}
    assert {at[point]: round(rate) for point, rate in rates.items()} == {"60 /min": 60, "120 /min": 120}
