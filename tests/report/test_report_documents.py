from __future__ import annotations

from pathlib import Path

from tests.report.example_report import example, findings

from infermodel.report.documents import INTRODUCTIONS
from infermodel.report.tables import PRICE_ITEMS, RARE_SCHEMAS, SCHEMAS
from infermodel.report.write import short_tables

DOCUMENTS = Path(__file__).parents[2] / "docs"


def test_every_file_is_named_on_the_page_about_reports() -> None:
    page = (DOCUMENTS / "reading_a_report.md").read_text(encoding="utf-8")
    for name in (*SCHEMAS, *RARE_SCHEMAS):
        assert f"`{name}`" in page
    assert set(RARE_SCHEMAS) < set(INTRODUCTIONS)


def test_every_item_of_the_prices_is_explained() -> None:
    prices = dict(short_tables(findings(), example()[1]))["prices.csv"]
    explained = {part.strip() for item in PRICE_ITEMS for part in item.split(",")}
    for row in prices:
        item = "hourly.<part>" if row["item"].startswith("hourly.") and row["item"] != "hourly.total" else row["item"]
        assert item in explained
        assert row["unit"] in {unit for unit, _ in PRICE_ITEMS.values()}
