"""Unit strings at the edge, SI floats inside.

`parse("21 PB/s", "bandwidth")` is 2.1e16. A quantity is a number and a product of units (`-`, `*` or a space between
factors, a `/` or `per` before a divisor): `USD/kW-month` is dollars per kilowatt and month. Numbers pass through
`Fraction` and are rounded to a float once, so that `parse("0.1 USD/Mtok", ...)` is the float nearest to 1e-7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache

BASES = ("byte", "second", "joule", "operation", "dollar", "token")
Exponents = tuple[int, int, int, int, int, int]


class UnitError(ValueError):
    """A quantity that cannot be read, or that measures something else than was asked for."""


DIMENSIONS: Mapping[str, tuple[Exponents, str]] = {
    "share": ((0, 0, 0, 0, 0, 0), "85 %"),
    "count": ((0, 0, 0, 0, 0, 0), "8"),
    "bytes": ((1, 0, 0, 0, 0, 0), "80 GB"),
    "bandwidth": ((1, -1, 0, 0, 0, 0), "3.35 TB/s"),
    "time": ((0, 1, 0, 0, 0, 0), "10 min"),
    "rate": ((0, -1, 0, 0, 0, 0), "30 /min"),
    "frequency": ((0, -1, 0, 0, 0, 0), "0.75 GHz"),
    "energy": ((0, 0, 1, 0, 0, 0), "2 kWh"),
    "power": ((0, -1, 1, 0, 0, 0), "10.2 kW"),
    "flops": ((0, 0, 0, 1, 0, 0), "16 GFLOP"),
    "flops_rate": ((0, -1, 0, 1, 0, 0), "989 TFLOP/s"),
    "tokens": ((0, 0, 0, 0, 0, 1), "8k tok"),
    "token_rate": ((0, -1, 0, 0, 0, 1), "450 tok/s"),
    "money": ((0, 0, 0, 0, 1, 0), "380 kUSD"),
    "money_per_time": ((0, -1, 0, 0, 1, 0), "2.99 USD/h"),
    "money_per_token": ((0, 0, 0, 0, 1, -1), "0.10 USD/Mtok"),
    "money_per_energy": ((0, 0, -1, 0, 1, 0), "0.0867 USD/kWh"),
    "money_per_power_time": ((0, 0, -1, 0, 1, 0), "180 USD/kW-month"),
}
"""Name of a dimension: exponents over `BASES`, and an example. Power x time is energy: the last two differ in use."""

BARE = frozenset({"share", "count", "tokens"})
"""Dimensions whose quantities may be plain numbers."""

_YEAR_S = 365 * 24 * 3600  # prices are per calendar year and month: 8,760 h and 730 h

_SI = {"n": -9, "u": -6, "µ": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50}

# symbol: factor to SI, exponents, prefixes that it takes
_ATOMS: Mapping[str, tuple[Fraction, Exponents, str]] = {
    "B": (Fraction(1), (1, 0, 0, 0, 0, 0), "kMGTPE binary"),
    "b": (Fraction(1, 8), (1, 0, 0, 0, 0, 0), "kMGTPE"),
    "s": (Fraction(1), (0, 1, 0, 0, 0, 0), "nuµm"),
    "min": (Fraction(60), (0, 1, 0, 0, 0, 0), ""),
    "h": (Fraction(3600), (0, 1, 0, 0, 0, 0), ""),
    "day": (Fraction(86400), (0, 1, 0, 0, 0, 0), ""),
    "week": (Fraction(7 * 86400), (0, 1, 0, 0, 0, 0), ""),
    "month": (Fraction(_YEAR_S, 12), (0, 1, 0, 0, 0, 0), ""),
    "year": (Fraction(_YEAR_S), (0, 1, 0, 0, 0, 0), ""),
    "Hz": (Fraction(1), (0, -1, 0, 0, 0, 0), "kMG"),
    "J": (Fraction(1), (0, 0, 1, 0, 0, 0), "mkMG"),
    "Wh": (Fraction(3600), (0, 0, 1, 0, 0, 0), "kMG"),
    "W": (Fraction(1), (0, -1, 1, 0, 0, 0), "mkMG"),
    "FLOP": (Fraction(1), (0, 0, 0, 1, 0, 0), "MGTPE"),
    "OP": (Fraction(1), (0, 0, 0, 1, 0, 0), "MGTPE"),
    "USD": (Fraction(1), (0, 0, 0, 0, 1, 0), "kM"),
    "tok": (Fraction(1), (0, 0, 0, 0, 0, 1), "kMG"),
    "req": (Fraction(1), (0, 0, 0, 0, 0, 0), "kM"),
    "cent": (Fraction(1, 100), (0, 0, 0, 0, 1, 0), ""),
    "rps": (Fraction(1), (0, -1, 0, 0, 0, 0), "k"),
    "rpm": (Fraction(1, 60), (0, -1, 0, 0, 0, 0), "k"),
    "tps": (Fraction(1), (0, -1, 0, 0, 0, 1), "kM"),
    "rph": (Fraction(1, 3600), (0, -1, 0, 0, 0, 0), "k"),
    "rpd": (Fraction(1, 86400), (0, -1, 0, 0, 0, 0), "kM"),
    "tpm": (Fraction(1, 60), (0, -1, 0, 0, 0, 1), "kM"),
    "Bps": (Fraction(1), (1, -1, 0, 0, 0, 0), "kMGTPE"),
    "bps": (Fraction(1, 8), (1, -1, 0, 0, 0, 0), "kMGTPE"),
    "FLOPS": (Fraction(1), (0, -1, 0, 1, 0, 0), "MGTPE"),
    "OPS": (Fraction(1), (0, -1, 0, 1, 0, 0), "MGTPE"),
    "GPU": (Fraction(1), (0, 0, 0, 0, 0, 0), ""),
    "%": (Fraction(1, 100), (0, 0, 0, 0, 0, 0), ""),
    "k": (Fraction(1000), (0, 0, 0, 0, 0, 0), ""),
    "M": (Fraction(10**6), (0, 0, 0, 0, 0, 0), ""),
    "Ki": (Fraction(2**10), (0, 0, 0, 0, 0, 0), ""),
    "Mi": (Fraction(2**20), (0, 0, 0, 0, 0, 0), ""),
}

_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "s": ("sec", "secs", "second", "seconds"), "min": ("mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"), "day": ("d", "days"), "week": ("weeks",), "month": ("months",),
    "year": ("yr", "years"), "B": ("byte", "bytes"), "b": ("bit", "bits"), "W": ("watt", "watts"),
    "FLOP": ("FLOPs",), "USD": ("$", "dollar", "dollars"), "tok": ("token", "tokens"), "req": ("request", "requests"),
    "rps": ("qps", "RPS", "QPS"), "rpm": ("RPM",), "tps": ("TPS",), "tpm": ("TPM",), "GPU": ("GPUs", "gpu", "gpus"),
    "cent": ("cents",), "%": ("percent",), "k": ("thousand",), "M": ("million", "millions"),
}  # fmt: skip
"""How people write units that are named otherwise here; prefixes as those have them."""

_MEANT: Mapping[str, str] = {
    "K": "write 'k' for 1,000 or 'Ki' for 1,024", "m": "write 'min', 'ms' or, for a million, 'M'",
    "GBs": "did you mean 'GB/s'?", "TBs": "did you mean 'TB/s'?",
    **dict.fromkeys(("€", "EUR"), "write prices in 'USD'"),
    **dict.fromkeys(("node", "server", "system", "instance"), "a rent is that of one device: divide by its devices"),
}  # fmt: skip
"""Units that may mean two things, or another than they say: what to write instead."""

_MULTIPLES = frozenset({"k", "M", "Ki", "Mi", "thousand", "million", "millions"})

_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")


@lru_cache(maxsize=1)
def _units() -> Mapping[str, tuple[Fraction, Exponents]]:
    """Every unit, by its name and by what people call it, with every prefix that it takes."""
    table: dict[str, tuple[Fraction, Exponents]] = {}
    for symbol, (factor, exponents, prefixes) in _ATOMS.items():
        for name in (symbol, *_SPELLINGS.get(symbol, ())):
            table[name] = (factor, exponents)
            for prefix in prefixes.removesuffix(" binary"):
                table[prefix + name] = (factor * Fraction(10) ** _SI[prefix], exponents)
            if prefixes.endswith("binary"):
                table |= {prefix + name: (factor * 2**power, exponents) for prefix, power in _BINARY.items()}
    return table


def _suggestion(unknown: str) -> str:
    if unknown in _MEANT:
        return f"; {_MEANT[unknown]}"
    known = list(_units())
    near = [unit for unit in known if unit.lower() == unknown.lower()] or get_close_matches(unknown, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _factors(unit: str) -> Iterator[tuple[str, int]]:
    """The symbols of a unit with the sign of their exponent; what follows a first '/' divides, to the end."""
    above, *below = re.sub(r"\bper\b", "/", unit).split("/")
    for part, sign in ((above, 1), *((divisor, -1) for divisor in below)):
        for symbol in re.split(r"[-*·\s]+", part.strip()):
            if symbol:
                yield symbol, sign
            elif sign < 0:
                raise UnitError(f"unit {unit!r} has nothing after '/'")


@lru_cache(maxsize=512)
def scale(unit: str) -> tuple[Fraction, Exponents]:
    """SI value of one `unit`, and its exponents over `BASES`.

    Raises:
        UnitError: the unit is unknown or malformed.

    >>> scale("USD/kW-month")[0] == 1 / (Fraction(1000) * 730 * 3600)
    True
    """
    factor, exponents = Fraction(1), [0] * len(BASES)
    for symbol, sign in _factors(unit):
        if symbol not in _units():
            raise UnitError(f"unknown unit {symbol!r}{_suggestion(symbol)}")
        size, powers = _units()[symbol]
        factor *= size**sign
        exponents = [e + sign * p for e, p in zip(exponents, powers, strict=True)]
    a, b, c, d, e, f = exponents
    return factor, (a, b, c, d, e, f)


def split(text: str) -> tuple[str, str]:
    """Number and unit of a quantity, as written (thousands separators dropped, a dollar sign moved behind).

    >>> split("1,979 TFLOP/s"), split("$2.99/h")
    (('1979', 'TFLOP/s'), ('2.99', '$ /h'))
    """
    plain = text.strip()
    if plain[:1] in ("€", "£", "¥"):
        raise UnitError(f"{text!r} is in another currency; write prices in 'USD'")
    if bound := re.match(r"[<>≤≥=~≈]+\s*|(?:about|ca\.?|up to|max)\s+", plain):
        raise UnitError(f"{text!r} does not start with a number; write {plain[bound.end() :]!r}")
    dollars = plain.startswith("$")
    plain = plain.removeprefix("$").strip()
    match = _NUMBER.match(plain)
    if match is None or not any(c.isdigit() for c in match.group()):
        raise UnitError(f"{text!r} does not start with a number")
    rest = plain[match.end() :].strip()
    if re.match(r"_\d", rest):
        raise UnitError(f"{text!r} has a '_' in its number; write {plain.replace('_', '')!r}")
    if re.match(r"(-|–|\.\.|to\b)\s*\d", rest):
        raise UnitError(f"{text!r} is a range; write one number")
    if re.match(r":\d|[a-z]+\s*\d", rest):
        raise UnitError(f"{text!r} has more than one number; write one with one unit, such as '90 min'")
    if re.match(r",\d", rest):
        raise UnitError(f"{text!r} has a comma that parts no thousands; write decimals with a point")
    return match.group().replace(",", ""), f"$ {rest}" if dollars else rest


def _measures(exponents: Exponents) -> str:
    """The name of a dimension, or its exponents spelled out."""
    if not any(exponents):
        return "a plain number"
    names = [name for name, (powers, _) in DIMENSIONS.items() if powers == exponents]
    if names:
        said = names[0].replace("_", " ")
        return f"a {said}" if said not in ("bytes", "tokens", "flops", "energy", "money") else said
    powers = dict(zip(BASES, exponents, strict=True))
    above, below = ([base for base, power in powers.items() if sign * power > 0] for sign in (1, -1))
    return " per ".join([" ".join(above) or "a number", *below])


def parse(text: str | float, dimension: str | None = None) -> float:
    """SI value of a quantity.

    Args:
        text: such as `44 GB`, `30 /min`, `0.10 USD/Mtok`; a plain number where the dimension needs no unit.
        dimension: a key of `DIMENSIONS` that the quantity must measure; None takes any.

    Raises:
        UnitError: no number or several, an unknown unit (with a suggestion), a missing unit, or another dimension.

    >>> parse("44 GB", "bytes"), parse("30 /min", "rate"), parse("85 %", "share"), parse(0.85, "share")
    (44000000000.0, 0.5, 0.85, 0.85)
    >>> parse("44 GB", "bandwidth")
    Traceback (most recent call last):
    infermodel.units.UnitError: '44 GB' is bytes, not a bandwidth (such as '3.35 TB/s')
    """
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise UnitError(f"{text!r} is not a quantity")
    if isinstance(text, float) and (text != text or text in (float("inf"), float("-inf"))):
        raise UnitError(f"{text!r} is not a finite number")
    number, unit = split(text) if isinstance(text, str) else (repr(text), "")
    factor, exponents = scale(unit)
    if dimension is not None:
        expected, example = DIMENSIONS[dimension]
        if not unit and dimension not in BARE:
            raise UnitError(f"{text!r} has no unit; a {dimension} reads like {example!r}")
        counted = dimension in BARE and all(symbol in _MULTIPLES for symbol, _ in _factors(unit))
        if exponents != expected and not counted:
            raise UnitError(f"{text!r} is {_measures(exponents)}, not a {dimension} (such as {example!r})")
    try:
        return float(Fraction(number) * factor)
    except OverflowError:
        raise UnitError(f"{text!r} is too large") from None


def format_quantity(value: float, unit: str, digits: int = 6) -> str:
    """An SI value written in `unit`, to `digits` significant digits and without exponents.

    >>> format_quantity(2.1e16, "PB/s"), format_quantity(0.5, "/min"), format_quantity(0.85, "%")
    ('21 PB/s', '30 /min', '85 %')
    """
    if value != value or value in (float("inf"), float("-inf")):
        return f"{value} {unit}".strip()
    inside = Fraction(value) / scale(unit)[0]
    rounded = Decimal(f"{float(inside):.{digits - 1}e}").normalize()
    return f"{rounded:f} {unit}".strip()
