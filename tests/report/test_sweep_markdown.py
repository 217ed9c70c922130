"""Tables of a sweep in a page of one's own."""

from __future__ import annotations

import pytest

from infermodel.report.sweep_markdown import pictures_of, read_rows, renewed

TABLE = """\
point,rate,requests,speed,service,measure,unit,value,note
0,,,,A,usd_per_mtok,USD/Mtok,9.0,
1,10,500,20 tok/s,A,usd_per_mtok,USD/Mtok,4.0,
1,10,500,20 tok/s,A,usd_per_mtok_low,USD/Mtok,2.0,
1,10,500,20 tok/s,A,usd_per_mtok_high,USD/Mtok,8.0,
1,10,500,20 tok/s,A,usd_per_h,USD/h,2.0,
1,10,500,20 tok/s,A,power_w,W,2500000.0,
1,10,500,20 tok/s,B,usd_per_mtok,USD/Mtok,,
1,10,500,20 tok/s,B,note,,,too slow
2,100,900,20 tok/s,A,usd_per_mtok,USD/Mtok,1.0,
2,100,900,20 tok/s,B,usd_per_mtok,USD/Mtok,0.5,
3,10,500,40 tok/s,A,usd_per_mtok,USD/Mtok,7.0,
"""
PAGE = """\
Before.
<!-- fleets, speed=20 tok/s: usd_per_mtok -->
old
<!-- end -->
![lines](pictures/fleets-panels.png) ![other](pictures/prices-lines.png)
<!-- prices: usd_per_mtok -->
kept
<!-- end -->
<!-- fleets, speed=20 tok/s: usd_per_day, power_w, note -->
<!-- end -->
"""


def test_marked_tables_are_written_again_and_nothing_else() -> None:
    page = renewed(PAGE, "fleets", read_rows(TABLE))
    assert "| rate | A | B |\n| --- | --- | --- |\n| 10 | 4.00 (2.00 to 8.00) | – |\n| 100 | 1 | 0.500 |\n" in page
    assert "| 10 | A | 48 | 2.50 |  |\n| 10 | B | – | – | too slow |\n" in page  # 24 h x 2 USD/h; 2.5 MW
    assert "\nkept\n" in page
    assert "old" not in page
    assert page.startswith("Before.\n")
    assert renewed(page, "fleets", read_rows(TABLE)) == page


def test_pictures_of_a_page_are_those_of_the_sweep() -> None:
    assert pictures_of(PAGE, "fleets") == {"pictures/fleets-panels.png": "panels"}


@pytest.mark.parametrize("head", ["fleets, sped=20 tok/s: usd_per_mtok", "fleets: usd_per_mtoc"])
def test_a_place_that_asks_for_what_there_is_not_is_an_error(head: str) -> None:
    with pytest.raises(LookupError, match=r"sped|usd_per_mtoc"):
        renewed(f"<!-- {head} -->\n<!-- end -->\n", "fleets", read_rows(TABLE))
