"""The pages of the studies say what their tables of results say, and name files that are there and sound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infermodel.report.sweep_markdown import PLACE, pictures_of, read_rows, renewed
from infermodel.search.sweep_schema import load_sweep

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "studies").glob("*.md"))
COMMAND = re.compile(r"^    infermodel (sweep|run|capacity|plan) (scenarios/studies/\S+\.yaml)", re.MULTILINE)


def sweeps_of(page: str) -> set[str]:
    return {found["head"].split(",")[0] for found in PLACE.finditer(page)}


def test_the_studies_are_there() -> None:
    questions = (
        "a_wafer_for_decode context night_and_day nines one_pool_or_two tokens_a_day wafer_or_gpu where_the_prefix_lies"
    )
    assert [page.stem for page in PAGES] == questions.split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_table_is_what_its_sweep_found(page: Path) -> None:
    text = page.read_text()
    assert sweeps_of(text)
    for name in sweeps_of(text):
        assert renewed(text, name, read_rows((page.parent / f"{name}.csv").read_text())) == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_picture_and_command_of_a_page_is_there(page: Path) -> None:
    text = page.read_text()
    shown = {path for name in sweeps_of(text) for path in pictures_of(text, name)}
    assert shown
    for path in shown:
        assert (page.parent / path).stat().st_size < 300_000
    asked = {Path(file) for what, file in COMMAND.findall(text) if what == "sweep"}
    assert {file.stem for file in asked} == sweeps_of(text)
    for file in asked:
        load_sweep(ROOT / file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_row_of_a_plan_that_has_no_fleet_says_why(page: Path) -> None:
    for name in sweeps_of(page.read_text()):
        rows = read_rows((page.parent / f"{name}.csv").read_text())
        notes = {(row["point"], row["service"]): row["note"] for row in rows if row["measure"] == "note"}
        for row in rows:
            if row["measure"] == "usd_per_mtok" and not row["value"]:
                assert notes[row["point"], row["service"]]


def test_contexts_that_fit_are_the_memory_over_the_context() -> None:
    page = (ROOT / "docs" / "studies" / "context.md").read_text()
    rows = read_rows((ROOT / "docs" / "studies" / "context.csv").read_text())
    tokens = {row["service"]: float(row["value"]) for row in rows if row["measure"] == "kv_tokens"}
    (heading,) = re.findall(r"^\| contexts that fit \| (.+) \|$", page, re.MULTILINE)
    services = heading.split(" | ")
    assert services == list(tokens)
    for context, told in re.findall(r"^\| (8192|32768|131072) \| ([\d |]+) \|$", page, re.MULTILINE):
        replicas = {name: 1 if "CS-3" in name or "Groq" in name else 2 for name in services}
        fit = [replicas[name] * int(tokens[name] / replicas[name] // int(context)) for name in services]
        assert told.split(" | ") == [str(each) for each in fit]


def test_break_even_prices_follow_from_the_formula_of_the_page() -> None:
    rows = read_rows((ROOT / "docs" / "studies" / "wafer_or_gpu.csv").read_text())
    told = {(row["point"], row["service"], row["measure"]): float(row["value"]) for row in rows if row["value"]}
    checked = 0
    for point in {row["point"] for row in rows}:
        rivals = [usd for (at, name, m), usd in told.items() if at == point and m == "usd_per_h" and name != "CS-3"]
        if not rivals:
            assert (point, "CS-3", "break_even_usd") not in told
            continue
        annuity = 0.08 / (1 - 1.08**-4)
        power_usd = told[point, "CS-3", "power_w"] / 1000 * 1.1 * 0.0867  # PUE and USD/kWh of the base scenario
        systems = told[point, "CS-3", "bought"]
        price = (min(rivals) / 1.275 - power_usd) * 8760 / (systems * annuity)
        assert told[point, "CS-3", "break_even_usd"] == pytest.approx(max(0.0, price), rel=1e-6)
        checked += 1
    assert checked >= 8


def test_at_the_break_even_price_the_dollars_of_both_are_the_same() -> None:
    rows = read_rows((ROOT / "docs" / "studies" / "cs3_price.csv").read_text())
    axis = next(name for name in rows[0] if name.startswith("price"))
    told = {(row[axis], row["service"], row["measure"]): float(row["value"]) for row in rows if row["value"]}
    prices = sorted({row[axis] for row in rows if row[axis]}, key=float)
    names = {row["service"] for row in rows if row["service"]} - {"CS-3"}
    dearer = [
        told[price, "CS-3", "usd_per_h"] > min(told[price, name, "usd_per_h"] for name in names) for price in prices
    ]
    even = told[prices[0], "CS-3", "break_even_usd"] / 1e6
    assert even == pytest.approx(0.331, rel=1e-3)
    assert dearer == [float(price) > even for price in prices]
    at_even = [told["0.331", name, "usd_per_h"] for name in ("CS-3", "HGX H200")]
    assert at_even[0] == pytest.approx(at_even[1], rel=1e-3)
    assert True in dearer
    assert False in dearer


def test_minutes_missed_by_two_servers_that_are_both_needed() -> None:
    rows = read_rows((ROOT / "docs" / "studies" / "nines.csv").read_text())
    found = {
        row["repair"]: float(row["value"])
        for row in rows
        if (row["systems"], row["service"], row["measure"]) == ("2", "all serve", "missed_min_a_month")
    }
    for repair, days in (("12 h", 0.5), ("3 day", 3.0)):
        up = 264 / (264 + days)
        assert found[repair] == pytest.approx((1 - up**2) * 730 * 60)
