from __future__ import annotations

from math import inf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from infermodel.economics.band import Band
from infermodel.economics.tokens import (
    TokenCounts,
    at_mix,
    blended_usd_per_mtok,
    break_even_utilisation,
    list_revenue_usd,
    margin,
    split,
)

BOM_USD_PER_H = 450_000 / 35_040 + 25 * 180 / 730  # 19.0, as published: 4 years and colocation
ASP_USD_PER_H = 2_260_000 / 35_040 + 25 * 180 / 730  # 70.7


@pytest.mark.parametrize(
    ("tok_s", "at_bom", "at_asp"),
    [  # a published table: output tokens per CS-3, full pipeline and at 30 % use
        (57_600, 0.09, 0.34),
        (0.3 * 57_600, 0.31, 1.14),
        (9_000, 0.59, 2.18),
        (0.3 * 9_000, 1.96, 7.27),
    ],
)
def test_published_cost_per_million_tokens(tok_s: float, at_bom: float, at_asp: float) -> None:
    assert blended_usd_per_mtok(Band.exactly(BOM_USD_PER_H), tok_s * 60).mid == pytest.approx(at_bom, abs=0.005)
    assert blended_usd_per_mtok(Band.exactly(ASP_USD_PER_H), tok_s * 60).mid == pytest.approx(at_asp, abs=0.005)


def test_published_cost_of_a_rate_printed_with_three_digits() -> None:
    # 30,600 tok/s on 23 systems, $4.0 and $14.7: 0.16 % and 0.34 % of rounding add to 0.5 %
    band = blended_usd_per_mtok(Band(BOM_USD_PER_H, BOM_USD_PER_H, ASP_USD_PER_H), 30_600 / 23 * 60)
    assert band.low == pytest.approx(4.0, abs=0.05)
    assert band.high == pytest.approx(14.7, rel=0.005)


def test_nothing_delivered_costs_without_end() -> None:
    assert blended_usd_per_mtok(Band(1.0, 2.0, 3.0), 0.0) == Band(inf, inf, inf)


def test_split_by_hand() -> None:
    # 10 dollars; prompts alone take 2 s, cached ones 0.5 s, output 7.5 s
    parts = split(Band.exactly(10.0), TokenCounts(4e6, 2e6, 1e6), prefill_s=2.0, decode_s=7.5, cached_s=0.5)
    assert (parts.input_usd.mid, parts.cached_usd.mid, parts.output_usd.mid) == pytest.approx((2.0, 0.5, 7.5))
    assert parts.input_usd_per_mtok is not None
    assert parts.input_usd_per_mtok.mid == pytest.approx(0.5)
    assert parts.cached_usd_per_mtok is not None
    assert parts.cached_usd_per_mtok.mid == pytest.approx(0.25)
    assert parts.output_usd_per_mtok is not None
    assert parts.output_usd_per_mtok.mid == pytest.approx(7.5)


def test_no_tokens_of_a_kind_have_no_price() -> None:
    parts = split(Band.exactly(10.0), TokenCounts(4e6, 0, 0), prefill_s=1.0, decode_s=0.0)
    assert parts.cached_usd_per_mtok is None
    assert parts.output_usd_per_mtok is None


@pytest.mark.parametrize("seconds", [(0.0, 0.0), (-1.0, 2.0)])
def test_split_needs_work(seconds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="seconds of work"):
        split(Band.exactly(1.0), TokenCounts(1, 0, 1), prefill_s=seconds[0], decode_s=seconds[1])


amounts = st.floats(0, 1e9)


@given(amounts, amounts, amounts, st.floats(0, 1e7), st.floats(1, 4), st.floats(1, 1e9), st.floats(1, 1e9))
def test_parts_sum_to_the_total(
    prefill: float, decode: float, cached: float, usd: float, spread: float, uncached: float, output: float
) -> None:
    assume(prefill + decode + cached > 1e-6)
    total, tokens = Band(usd / spread, usd, usd * spread), TokenCounts(uncached, 1e6, output)
    parts = split(total, tokens, prefill_s=prefill, decode_s=decode, cached_s=cached)
    for case in ("low", "mid", "high"):
        shared = [getattr(each, case) for each in (parts.input_usd, parts.cached_usd, parts.output_usd)]
        assert sum(shared) == pytest.approx(getattr(total, case), rel=1e-12)
        # billing each kind at its own price brings the dollars back
        assert parts.input_usd_per_mtok is not None
        assert parts.cached_usd_per_mtok is not None
        assert parts.output_usd_per_mtok is not None
        prices = [parts.input_usd_per_mtok, parts.cached_usd_per_mtok, parts.output_usd_per_mtok]
        counts = [tokens.uncached, tokens.cached, tokens.output]
        billed = sum(getattr(price, case) * count / 1e6 for price, count in zip(prices, counts, strict=True))
        assert billed == pytest.approx(getattr(total, case), rel=1e-9)


def test_the_usual_mix_of_a_list_price() -> None:
    # 2.68 and 3.54 at 3:1 is published as a blend of 2.90
    assert at_mix(Band.exactly(2.68), Band.exactly(3.54)).mid == pytest.approx(2.90, abs=0.006)
    assert at_mix(Band.exactly(1.0), Band.exactly(5.0), (1.0, 1.0)).mid == 3.0


def test_revenue_by_hand() -> None:
    # 2 Mtok at 0.5, 1 Mtok cached at 0.1, 3 Mtok out at 1.5 USD/Mtok: 1 + 0.1 + 4.5
    tokens = TokenCounts(2e6, 1e6, 3e6)
    prices = {"input_usd_per_token": 0.5e-6, "cached_usd_per_token": 0.1e-6, "output_usd_per_token": 1.5e-6}
    assert list_revenue_usd(tokens, **prices) == pytest.approx(5.6)
    assert tokens.total == 6e6


def test_margin_falls_as_cost_rises() -> None:
    assert margin(10.0, Band(2.0, 5.0, 20.0)) == Band(-1.0, 0.5, 0.8)
    assert margin(0.0, Band.exactly(1.0)).mid == -inf


def test_break_even_by_hand() -> None:
    # an hour costs 19 USD; at capacity, 57,600 tok/s at 0.10 USD/Mtok bring 20.736 USD: 91.6 % must be sold
    revenue = 57_600 * 3600 * 0.10 / 1e6
    assert break_even_utilisation(Band.exactly(19.0), revenue).mid == pytest.approx(0.9163, abs=5e-5)
    assert break_even_utilisation(Band.exactly(19.0), 0.0).mid == inf
