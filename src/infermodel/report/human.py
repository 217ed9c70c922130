"""Figures as people read them: three digits, a unit that fits, ranges."""

from __future__ import annotations

from math import floor, inf, isfinite, isnan, log10

from infermodel.economics.band import Band
from infermodel.glyphs import drawable

NONE = "–"
"""Shown where there is no figure."""


def number(value: float | None, digits: int = 3) -> str:
    """A figure with `digits` significant digits and thousands separated; whole digits are never dropped.

    >>> number(1234567.8), number(12.345), number(0.0012345), number(7), number(float("nan"))
    ('1,234,568', '12.3', '0.00123', '7', '–')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if value is None or isnan(value):
        return NONE
    if not isfinite(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    decimals = digits - 1 - floor(log10(abs(value)))
    if decimals > 0 and abs(round(value, decimals)) >= 10 ** (digits - decimals):  # 9.999 is 10.0, not 10.00
        decimals -= 1
    if decimals > 9:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(decimals, 0)}f}"


def about(value: float | None, digits: int = 3) -> str:
    """A figure that is known to so many digits: the others of a large one are zeros.

    >>> about(2691110.0), about(943.2), about(0.01234), about(33917.0, 2)
    ('2,690,000', '943', '0.0123', '34,000')
    """
    if value is None or not isfinite(value) or value == 0:
        return number(value)
    return number(float(f"{value:.{digits - 1}e}"), digits)


def digits_within(low: float, high: float) -> int:
    """Digits that a figure known to lie between two ends bears: two where they are a tenth apart, else three.

    >>> digits_within(1810.0, 2160.0), digits_within(100.0, 105.0), digits_within(5.0, inf)
    (2, 3, 3)
    """
    return 2 if isfinite(high) and high - low > 0.1 * abs(high) else 3


def seconds(value: float | None) -> str:
    """A duration in the unit that fits.

    >>> seconds(0.00123), seconds(2.5), seconds(600.0), seconds(86400.0), seconds(inf)
    ('1.23 ms', '2.50 s', '600 s', '24.0 h', 'never')
    """
    if value is None or isnan(value):
        return NONE
    if value == inf:
        return "never"
    if value == 0:
        return "0 s"
    if abs(value) >= 7200:
        return f"{number(value / 3600)} h"
    if abs(value) < 1e-3:
        return f"{number(value * 1e6)} µs"
    return f"{number(value * 1e3)} ms" if abs(value) < 1 else f"{number(value)} s"


def clock(value: float) -> str:
    """An instant of a run: minutes and seconds, with hours where there are any.

    >>> clock(300.0), clock(65.4), clock(9015.0)
    ('5:00', '1:05', '2:30:15')
    """
    minutes, left = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def si(value: float | None, unit: str) -> str:
    """A figure in front of its unit with the prefix that fits.

    >>> si(2.1e16, "B/s"), si(9.89e14, "FLOP/s"), si(312.0, "W")
    ('21.0 PB/s', '989 TFLOP/s', '312 W')
    """
    if value is None or isnan(value):
        return NONE
    for factor, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{number(value / factor)} {prefix}{unit}"
    return f"{number(value)} {unit}"


def usd(value: float | None) -> str:
    """Dollars.

    >>> usd(0.0923), usd(1234.5), usd(-0.5)
    ('$0.0923', '$1,230', '-$0.500')
    """
    if value is None or isnan(value):
        return NONE
    return ("-" if value < 0 else "") + "$" + about(abs(value))


def usd_band(band: Band | None) -> str:
    """Dollars with their range, where there is one.

    >>> usd_band(Band(0.05, 0.1, 0.4)), usd_band(Band.exactly(2.0))
    ('$0.100 (0.0500 to 0.400)', '$2.00')
    """
    if band is None:
        return NONE
    return usd(band.mid) + ("" if band.is_exact else f" ({number(band.low)} to {number(band.high)})")


def share(value: float | None) -> str:
    """A share in percent.

    >>> share(0.8512), share(0.00012), share(1.0)
    ('85.1 %', '0.012 %', '100 %')
    """
    if value is None or isnan(value):
        return NONE
    return f"{number(value * 100, 3 if abs(value) >= 0.01 else 2)} %"


def share_band(band: Band | None) -> str:
    """A share with its range.

    >>> share_band(Band(-1.0, 0.25, 0.5))
    '25.0 % (-100 to 50.0)'
    """
    if band is None:
        return NONE
    if not isfinite(band.mid):
        return NONE
    rest = "" if band.is_exact else f" ({number(band.low * 100)} to {number(band.high * 100)})"
    return f"{number(band.mid * 100)} %{rest}"


def watts(value: float | None) -> str:
    """Power.

    >>> watts(23456.0), watts(312.0)
    ('23.5 kW', '312 W')
    """
    return si(value, "W")


def quantity(value: float | None, unit: str = "") -> str:
    """A figure of a claim in the claim's unit: three digits, and whole figures whole.

    >>> quantity(1799.94, "tok/s"), quantity(0.1, "USD/Mtok"), quantity(16384.0, "tokens")
    ('1,800 tok/s', '0.1 USD/Mtok', '16,384 tokens')
    >>> quantity(1.026e12, "parameters"), quantity(7e9, "parameters"), quantity(3.3e15, "B")
    ('1.03 trillion parameters', '7 billion parameters', '3.3e+15 B')
    """
    if value is None or not isfinite(value):
        return NONE
    if value == int(value) and abs(value) < 1e7:
        return f"{value:,.0f} {unit}".rstrip()
    rounded = float(f"{value:.3g}")
    for factor, word in ((1e12, "trillion"), (1e9, "billion")):
        if factor <= abs(rounded) < 1e3 * factor:
            return f"{rounded / factor:g} {word} {unit}".rstrip()
    text = f"{rounded:,.0f}" if 100 <= abs(rounded) < 1e9 else f"{rounded:.3g}"
    return f"{text} {unit}".rstrip()


def shortened(text: str, longest: int = 44) -> str:
    """A name for a picture: on one line, cut where it is too long, what no font has in numbers.

    >>> shortened("a\\nb " + "x" * 60, 10)
    'a b xxxxx…'
    """
    line = drawable(" ".join("".join(c if c.isprintable() else " " for c in text).split()))
    return line if len(line) <= longest else line[: longest - 1] + "…"
