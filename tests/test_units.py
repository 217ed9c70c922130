"""Oracles: pint, and arithmetic done by hand."""

from fractions import Fraction

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infermodel import units
from infermodel.units import UnitError, format_quantity, parse

REGISTRY = pint.UnitRegistry()
for definition in ("USD = [money]", "tok = [token]", "FLOP = [operation]"):
    REGISTRY.define(definition)

# ours, pint's spelling of the same, pint's spelling of the SI unit
SAME_IN_PINT = [
    ("GB", "gigabyte", "byte"),
    ("GiB", "gibibyte", "byte"),
    ("KiB", "kibibyte", "byte"),
    ("PB/s", "petabyte / second", "byte / second"),
    ("Gb/s", "gigabit / second", "byte / second"),
    ("us", "microsecond", "second"),
    ("min", "minute", "second"),
    ("h", "hour", "second"),
    ("day", "day", "second"),
    ("week", "week", "second"),
    ("/min", "1 / minute", "1 / second"),
    ("GHz", "1 / nanosecond", "1 / second"),
    ("kWh", "kilowatt * hour", "joule"),
    ("MW", "megawatt", "joule / second"),
    ("TFLOP/s", "teraFLOP / second", "FLOP / second"),
    ("tok/s", "tok / second", "tok / second"),
    ("USD/Mtok", "USD / megatok", "USD / tok"),
    ("USD/kWh", "USD / kilowatt / hour", "USD / joule"),
    ("USD/GPU-h", "USD / hour", "USD / second"),
    ("USD/kW-week", "USD / kilowatt / week", "USD / joule"),
]


@pytest.mark.parametrize(("ours", "theirs", "si"), SAME_IN_PINT)
@given(number=st.floats(1e-6, 1e9))
def test_agrees_with_pint(ours: str, theirs: str, si: str, number: float) -> None:
    assert parse(f"{number!r} {ours}") == pytest.approx(REGISTRY.Quantity(number, theirs).to(si).magnitude, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("21 PB/s", "bandwidth", 21e15),
        ("44 GB", "bytes", 44e9),
        ("48 KiB", "bytes", 48 * 1024),
        ("1.2 Tb/s", "bandwidth", 150e9),  # 1.2e12 / 8
        ("5 us", "time", 5e-6),
        ("4 year", "time", 4 * 8760 * 3600),
        ("1 month", "time", 730 * 3600),  # 8760 / 12 hours
        ("30 /min", "rate", 0.5),
        ("90 req/min", "rate", 1.5),
        ("0.75 GHz", "frequency", 750e6),
        ("15.6 PFLOP/s", "flops_rate", 15.6e15),
        ("750 TOP/s", "flops_rate", 750e12),
        ("1,979 TFLOP/s", "flops_rate", 1.979e15),
        ("10.2 kW", "power", 10200),
        ("85 %", "share", 0.85),
        (0.85, "share", 0.85),
        ("1e9", "count", 1e9),  # YAML 1.1 hands this over as text
        (8, "count", 8),
        ("8k tok", "tokens", 8000),
        (8192, "tokens", 8192),
        ("450 tok/s", "token_rate", 450),
        ("60,000 tok/min", "token_rate", 1000),
        ("2.26 MUSD", "money", 2.26e6),
        ("3.6 USD/h", "money_per_time", 0.001),
        ("0.10 USD/Mtok", "money_per_token", 1e-7),
        ("0.36 USD/kWh", "money_per_energy", 1e-7),  # 0.36 / 3.6e6
        ("73 USD/kW-month", "money_per_power_time", 73 / (1000 * 730 * 3600)),
        ("-3 s", "time", -3),
        # as people write them
        ("120 rpm", "rate", 2),
        ("1.2k rpm", "rate", 20),
        ("3 qps", "rate", 3),
        ("120 requests per minute", "rate", 2),
        ("60k tpm", "token_rate", 1000),
        ("450 tokens/s", "token_rate", 450),
        ("3k", "tokens", 3000),
        ("128Ki", "tokens", 131072),
        ("8k tokens", "tokens", 8000),
        ("95%", "share", 0.95),
        ("95 percent", "share", 0.95),
        ("$3.60/h", "money_per_time", 0.001),
        ("3.6 $ per GPU per hour", "money_per_time", 0.001),
        ("3.6 USD/h/GPU", "money_per_time", 0.001),
        ("$0.10 per million tokens", "money_per_token", 1e-7),
        ("$380k", "money", 380000),
        ("36 cents/kWh", "money_per_energy", 1e-7),
        ("989 TFLOPS", "flops_rate", 989e12),
        ("400 Gbps", "bandwidth", 50e9),
        ("3.35 TB/sec", "bandwidth", 3.35e12),
        ("80 Gbytes", "bytes", 80e9),
        (".5s", "time", 0.5),
    ],
)
def test_by_hand(text: str | float, dimension: str, value: float) -> None:
    assert parse(text, dimension) == value


def test_rounds_once() -> None:
    # 0.1 * 1e-6 in floats is 9.999999999999999e-08
    assert parse("0.1 USD/Mtok", "money_per_token") == 1e-7
    assert parse("4.35 GB", "bytes") == 4350000000.0


@pytest.mark.parametrize(
    ("text", "dimension", "message"),
    [
        ("44 GBs", "bandwidth", "unknown unit 'GBs'; did you mean 'GB/s'?"),
        ("44 gb", "bytes", "unknown unit 'gb'; did you mean 'GB'?"),
        ("10 minuten", "time", "unknown unit 'minuten'; did you mean 'minute"),
        ("10m", "time", "unknown unit 'm'; write 'min', 'ms' or, for a million, 'M'"),
        ("128K", "tokens", "unknown unit 'K'; write 'k' for 1,000 or 'Ki' for 1,024"),
        ("5 €/h", "money_per_time", "unknown unit '€'; write prices in 'USD'"),
        ("0,5", "share", "has a comma that parts no thousands; write decimals with a point"),
        ("380k", "money", "'380k' is a plain number, not a money (such as '380 kUSD')"),
        ("50 %", "tokens", "'50 %' is a plain number, not a tokens"),
        ("5 furlongs", "time", "unknown unit 'furlongs'"),
        ("44 GB", "bandwidth", "'44 GB' is bytes, not a bandwidth (such as '3.35 TB/s')"),
        ("3 tok/s", "rate", "'3 tok/s' is a token rate, not a rate (such as '30 /min')"),
        ("3 GB-s", "rate", "'3 GB-s' is byte second, not a rate (such as '30 /min')"),
        ("10", "time", "'10' has no unit; a time reads like '10 min'"),
        (10, "time", "10 has no unit; a time reads like '10 min'"),
        ("fast", "time", "'fast' does not start with a number"),
        ("", "time", "'' does not start with a number"),
        ("1 USD/", "money", "unit 'USD/' has nothing after '/'"),
        ("1e400 s", "time", "'1e400 s' is too large"),
        ("1e999999999 s", "time", "unknown unit '999999'"),
        (True, "count", "True is not a quantity"),
        (None, "count", "None is not a quantity"),
        (float("nan"), "share", "nan is not a finite number"),
    ],
)
def test_errors_help(text: str, dimension: str, message: str) -> None:
    with pytest.raises(UnitError) as error:
        parse(text, dimension)
    assert message in str(error.value)


@given(st.floats(1e-30, 1e30), st.sampled_from([ours for ours, _, _ in SAME_IN_PINT] + ["%", "year", "USD/kW-month"]))
def test_a_printed_quantity_reads_back(value: float, unit: str) -> None:
    assert parse(format_quantity(value, unit, digits=17)) == pytest.approx(value, rel=1e-15)


def test_prints_without_exponents() -> None:
    assert format_quantity(1e-7, "USD/Mtok") == "0.1 USD/Mtok"
    assert format_quantity(123456789.0, "B") == "123457000 B"
    assert format_quantity(float("inf"), "s") == "inf s"
    assert format_quantity(0.0, "s") == "0 s"


def test_every_example_measures_its_dimension() -> None:
    for dimension, (_, example) in units.DIMENSIONS.items():
        assert parse(example, dimension) > 0


def test_scale_is_exact() -> None:
    assert units.scale("USD/Mtok")[0] == Fraction(1, 10**6)
