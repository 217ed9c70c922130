"""The page and the pictures of a plan."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from math import nan
from typing import Any

import pytest

from infermodel.metrics.objectives import objective
from infermodel.report.plan_page import answers, line, plan_page, within_ranges
from infermodel.report.plan_pictures import plan_pictures
from infermodel.report.plan_story import PlanStory
from infermodel.report.template import POLICY

FLEET: dict[str, Any] = {
    "systems": 2,
    "bought": 3,
    "usd_per_h": 50.0,
    "usd_per_h_low": 40.0,
    "usd_per_h_high": 70.0,
    "usd_per_mtok": 0.5,
    "usd_per_mtok_low": 0.5,
    "usd_per_mtok_high": 0.5,
    "utilisation": 0.9,
    "utilisation_half_width": 0.02,
    "power_w": 20_000.0,
    "power_w_half_width": 1e-9,
    "racks": 0.57,
    "speed_tok_s": 40.0,
    "ttft_p99_s": 0.4,
    "break_even_usd": nan,
    "on_speed_front": True,
    "on_ttft_front": False,
    "least_usd_per_h": 45.0,
    "fewest_systems": 1,
    "simulated_sizes": 2,
    "reason": "",
}
WAFER = {"usd_per_h": 500.0, "usd_per_h_low": 500.0, "usd_per_h_high": 500.0}
NO_FLEET = {"systems": 0, "least_usd_per_h": None, "simulated_sizes": 0, "best": False}


@pytest.fixture(scope="module")
def story() -> PlanStory:
    rows: list[dict[str, Any]] = [
        {**FLEET, "layout": 0, "candidate": "gpu", "best": True},
        {**FLEET, "layout": 1, "candidate": "<wafer>", "best": False, **WAFER, "speed_tok_s": 400.0},
        {**NO_FLEET, "layout": 2, "candidate": "gpu", "reason": "pruned: tpot_p90: 9 of 10 requests take longer"},
        {
            **NO_FLEET,
            "layout": 3,
            "candidate": "gpu",
            "reason": "misses ttft_p99 with 4 systems",
            "least_usd_per_h": 60.0,
        },
    ]
    return PlanStory(
        title="What to buy & why?",
        description="",
        traffic="60 requests/min",
        objectives=(objective("ttft_p99", 2.0),),
        spares=1,
        most_systems=4,
        replications=2,
        devices={"gpu": "h100-sxm", "<wafer>": "wse-3"},
        rows=rows,
        words=["tensor_parallel 4", "as the base", "tensor_parallel 1", "tensor_parallel 2"],
        fleets=16,
        rests_on={"gpu": "measured: 3 experiments"},
    )


def test_each_layout_says_what_its_figures_rest_on(story: PlanStory) -> None:
    assert [line(story, row).rests_on for row in story.with_fleet] == ["measured: 3 experiments", ""]
    assert plan_page(story, {}).count('<small class="wrap">measured: 3 experiments</small>') == 1


def test_an_order_within_the_ranges_of_prices_is_told(story: PlanStory) -> None:
    assert within_ranges(story) == []  # $500 for certain, against $40 to 70
    rows = [dict(row) for row in story.rows]
    rows[1] |= {"usd_per_h": 80.0, "usd_per_h_low": 69.0, "usd_per_h_high": 90.0}
    close = replace(story, rows=rows)
    assert within_ranges(close) == ["Which is cheapest lies within the ranges of the prices: <wafer> may cost less."]
    assert answers(close)[1] == within_ranges(close)[0]
    alike = replace(story, rows=[{**row, "candidate": "gpu"} for row in rows])
    assert within_ranges(alike) == []  # layouts of one candidate have one price


def test_an_order_within_the_error_of_the_model_is_told(story: PlanStory) -> None:
    def said(usd: float, **errors: float) -> list[str]:
        wafer = {**story.rows[1], "usd_per_h": usd, "usd_per_h_low": usd, "usd_per_h_high": usd}
        return within_ranges(replace(story, rows=[story.rows[0], wafer], errors=errors))

    errors = {"gpu": 0.1, "<wafer>": 0.25}
    assert said(74.0, **errors) == []  # 74 less a quarter is 55.5; 50 and a tenth of it are 55
    assert said(73.0, **errors) == [
        "Which is cheapest lies within the model's median error on these devices: <wafer> may cost less."
    ]
    assert said(500.0, **{"gpu": 0.1, "<wafer>": nan}) == [
        "Nothing vouches for the place in the order of <wafer>: never held against a server."
    ]
    spared = {
        **NO_FLEET,
        "layout": 1,
        "candidate": "<wafer>",
        "reason": "pruned: at least 73 USD/h",
        "least_usd_per_h": 73.0,
    }
    (bounded,) = within_ranges(replace(story, rows=[story.rows[0], spared], errors=errors))
    assert bounded.endswith("<wafer> may cost less.")
    alone = replace(story, rows=[story.rows[0]], errors={"gpu": nan})
    assert within_ranges(alone) == []


def test_the_answer_is_the_cheapest_and_the_fastest_and_what_was_simulated(story: PlanStory) -> None:
    cheapest, fastest, searched = answers(story)
    assert cheapest.startswith("Cheapest: 2 + 1 spare gpu, tensor_parallel 4: $50.0/h, $0.500/Mtok, 20.0 kW")
    assert "400 tokens/s for a user instead of 40.0, at $500/h" in fastest
    assert searched.startswith("4 of 16 fleets were simulated")  # two sizes of each of two layouts
    assert "1 of 4 layouts whole" in searched


def test_the_page_stands_alone_and_says_what_it_leaves_out(story: PlanStory) -> None:
    page = plan_page(story, plan_pictures(story), ["infermodel", "plan", "x.yaml"])
    assert f'content="{POLICY}"' in unescape(page)
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:image/svg\+xml;base64,)', page)
    assert page.count("<img ") == 2
    assert "&lt;wafer&gt;" in page
    assert "<wafer>" not in page
    assert "What to buy &amp; why?" in page
    for said in (
        "What is not modelled",
        "mixed fleets",
        "gpu, tensor_parallel 1: pruned: tpot_p90: 9 of 10 requests take longer",
        "99 % with a time to the first token of at most 2.00 s",
        "40.0 to 70.0",  # the range of the prices
        "± 2.00 %",  # of the utilisation
        "<code>infermodel plan x.yaml</code>",
    ):
        assert said in page, said
    assert "e-09" not in page  # an interval that three digits do not show


def test_without_a_fleet_there_is_a_page_and_no_picture(story: PlanStory) -> None:
    nobody = replace(story, rows=[{**story.rows[2], "layout": i} for i in range(4)])
    assert plan_pictures(nobody) == {}
    assert "No candidate meets the objectives with at most 4 systems." in plan_page(nobody, {})
