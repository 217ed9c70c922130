"""Dollars per million tokens, what they are made of, and what is left of a list price."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from infermodel.economics.band import Band

MTOK = 1e6
PRICE_MIX = (3.0, 1.0)
"""Input to output tokens of the mix that price comparisons usually quote."""


def blended_usd_per_mtok(usd_per_h: Band, tokens_per_min: float) -> Band:
    """Dollars of the hour, idle time included, over the billed tokens of the hour (input incl. cached, plus output).

    Infinite where nothing was delivered.

    >>> round(blended_usd_per_mtok(Band.exactly(19.0), 57_600 * 60).mid, 3)  # 19 / 207.36 million tokens an hour
    0.092
    """
    if tokens_per_min == 0:
        return Band(inf, inf, inf)
    return usd_per_h * MTOK / (tokens_per_min * 60)


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Billed tokens: `uncached` and `cached` input, and `output`."""

    uncached: float
    cached: float
    output: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.uncached + self.cached + self.output


@dataclass(frozen=True, slots=True)
class Split:
    """A sum of dollars, shared out over the kinds of tokens; the three sums make the total.

    Attributes:
        input_usd, cached_usd, output_usd: dollars of each kind.
        input_usd_per_mtok, cached_usd_per_mtok, output_usd_per_mtok: the same over the tokens of that kind; None where
            there are none.
    """

    input_usd: Band
    cached_usd: Band
    output_usd: Band
    input_usd_per_mtok: Band | None
    cached_usd_per_mtok: Band | None
    output_usd_per_mtok: Band | None


def split(total_usd: Band, tokens: TokenCounts, *, prefill_s: float, decode_s: float, cached_s: float = 0.0) -> Split:
    """Share dollars between input, cached input and output in proportion to what each would cost alone.

    Idle time is shared like busy time: whoever keeps the fleet busy keeps it.

    Args:
        total_usd: of any period, or of an hour.
        tokens: billed in the same period.
        prefill_s: standalone seconds of the prompts' computation in the period.
        decode_s: standalone seconds of the output's steps, at the batch that ran.
        cached_s: seconds that the cached prompt tokens cost; 0 where keeping them is held to be free.

    Raises:
        ValueError: a negative or no cost at all to share by.

    >>> parts = split(Band.exactly(8.0), TokenCounts(3e6, 0, 1e6), prefill_s=1, decode_s=3)
    >>> parts.input_usd.mid, parts.output_usd.mid, parts.output_usd_per_mtok.mid
    (2.0, 6.0, 6.0)
    """
    work_s = prefill_s + decode_s + cached_s
    if min(prefill_s, decode_s, cached_s) < 0 or work_s <= 0:
        raise ValueError(f"dollars are shared by seconds of work, got {prefill_s:g}, {decode_s:g} and {cached_s:g}")
    input_usd, cached_usd, output_usd = (total_usd * (part / work_s) for part in (prefill_s, cached_s, decode_s))
    return Split(
        input_usd,
        cached_usd,
        output_usd,
        _per_mtok(input_usd, tokens.uncached),
        _per_mtok(cached_usd, tokens.cached),
        _per_mtok(output_usd, tokens.output),
    )


def _per_mtok(usd: Band, tokens: float) -> Band | None:
    return usd * (MTOK / tokens) if tokens > 0 else None


def at_mix(input_usd_per_mtok: Band, output_usd_per_mtok: Band, mix: tuple[float, float] = PRICE_MIX) -> Band:
    """Price of a million tokens at a given mix of input and output, 3:1 by default.

    >>> round(at_mix(Band.exactly(2.68), Band.exactly(3.54)).mid, 3)  # (3 x 2.68 + 3.54) / 4
    2.895
    """
    parts = sum(mix)
    return input_usd_per_mtok * (mix[0] / parts) + output_usd_per_mtok * (mix[1] / parts)


def list_revenue_usd(
    tokens: TokenCounts, *, input_usd_per_token: float, cached_usd_per_token: float, output_usd_per_token: float
) -> float:
    """What the tokens bring in at a list price."""
    read = tokens.uncached * input_usd_per_token + tokens.cached * cached_usd_per_token
    return read + tokens.output * output_usd_per_token


def margin(revenue_usd: float, cost_usd: Band) -> Band:
    """What is left of the revenue, as a share of it: 1 - cost / revenue; `low` is the margin of the highest cost.

    Minus infinity where there is a cost and no revenue.

    >>> margin(0.60, Band(0.15, 0.30, 1.20))
    Band(low=-1.0, mid=0.5, high=0.75)
    """
    if revenue_usd <= 0:
        return Band(-inf, -inf, -inf)
    return Band(*(1 - cost / revenue_usd for cost in (cost_usd.high, cost_usd.mid, cost_usd.low)))


def break_even_utilisation(cost_usd_per_h: Band, revenue_usd_per_h_at_capacity: float) -> Band:
    """Share of the capacity that has to be sold for the revenue to pay the hour; above 1 it never does.

    The hour's cost is that at capacity: the power saved in idle hours is not deducted.

    >>> break_even_utilisation(Band(10, 20, 80), 40.0)
    Band(low=0.25, mid=0.5, high=2.0)
    """
    if revenue_usd_per_h_at_capacity <= 0:
        return Band(inf, inf, inf)
    return cost_usd_per_h / revenue_usd_per_h_at_capacity


def break_even_tokens_per_day(cost_usd_per_h: Band, usd_per_token: float) -> Band:
    """Tokens a day from which a fleet that costs so much an hour is cheaper than tokens bought at a price.

    Infinite where tokens are free.

    >>> break_even_tokens_per_day(Band(10, 20, 40), 1e-6).mid  # 24 h at 20 USD, a dollar a million tokens
    480000000.0
    """
    if usd_per_token <= 0:
        return Band(inf, inf, inf)
    return cost_usd_per_h * (24 / usd_per_token)
