"""What the page of a sweep says first."""

from __future__ import annotations

from typing import Any

import pytest

from infermodel.report.sweep_page import answers, lines
from infermodel.report.sweep_story import SweepStory


def story(*rows: dict[str, Any], circumstances: tuple[str, ...] = ()) -> SweepStory:
    """A sweep of one axis, one row a measure, without a figure of what moves most."""
    return SweepStory("T", "", "run", ("seats",), True, {}, rows, {}, circumstances=circumstances)


def row(point: int, measure: str, value: float) -> dict[str, Any]:
    return {"point": point, "seats": 4 * point, "service": "G", "measure": measure, "value": value}


@pytest.mark.parametrize(
    ("rows", "circumstances", "said"),
    [
        ([{"point": 1, "seats": 4}], (), "No point has an answer."),
        ([row(1, "rpm", 60.0)], (), "Nothing has a price, so none is cheapest: what each point does is in the table."),
        ([row(1, "usd_per_mtok", 2.0), row(1, "objectives_met", 0.0)], (), "No point keeps the objectives."),
        ([row(1, "usd_per_mtok", 2.0), row(2, "usd_per_mtok", 1.0)], (), "G: cheapest at seats 8, 1.00 USD/Mtok."),
        ([row(0, "usd_per_mtok", 1.0), row(1, "usd_per_mtok", 1.0)], (), "G: cheapest at seats 4, 1.00 USD/Mtok."),
        ([row(1, "usd_per_mtok", 2.0)], ("seats",), "What each point does is in the table."),
    ],
)
def test_a_page_says_where_a_token_is_cheapest_or_why_it_does_not(
    rows: list[dict[str, Any]], circumstances: tuple[str, ...], said: str
) -> None:
    assert answers(story(*rows, circumstances=circumstances)) == [said]


def test_a_price_that_does_not_hold_is_struck_out() -> None:
    told = lines(story(row(1, "usd_per_mtok", 2.0), row(1, "rpm", 60.0), row(1, "price_holds", 0.5)))
    assert [value for value, _ in told[0].cells] == ["60", "–", "–", "~~2~~"]
