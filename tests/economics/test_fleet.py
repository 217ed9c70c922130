from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infermodel.economics.band import NOTHING, Band
from infermodel.economics.fleet import (
    YEAR_S,
    annuity,
    capital_usd_per_h,
    colocation_usd_per_h,
    owned,
    power_usd_per_h,
    rented,
)

KWH_J = 3.6e6
COLOCATION = Band.exactly(180 / (1000 * 730 * 3600))  # 180 USD/kW-month, 730 h a month


@pytest.mark.parametrize(
    ("interest", "periods", "factor"),
    [  # capital recovery factors A/P, as printed in engineering-economics tables
        (0.05, 10, 0.1295),
        (0.08, 10, 0.1490),
        (0.10, 5, 0.2638),
        (0.10, 20, 0.1175),
        (0.12, 3, 0.4163),
    ],
)
def test_annuity_is_the_capital_recovery_factor(interest: float, periods: int, factor: float) -> None:
    assert annuity(interest, periods) == pytest.approx(factor, abs=5e-5)


def test_annuity_is_a_mortgage_table() -> None:
    # 100,000 at 6 % over 30 years, 360 monthly payments: 599.55
    assert 100_000 * annuity(0.06 / 12, 360) == pytest.approx(599.55, abs=0.005)


@given(st.floats(-0.1, 0.5), st.integers(1, 40))
def test_annuity_pays_the_loan_off(interest: float, periods: int) -> None:
    debt = 1.0
    for _ in range(periods):
        debt = debt * (1 + interest) - annuity(interest, periods)
    assert debt == pytest.approx(0.0, abs=1e-6 * (1 + interest) ** periods + 1e-6)


def test_annuity_without_interest_is_a_straight_line() -> None:
    assert annuity(0.0, 4) == 0.25
    assert annuity(1e-9, 4) == pytest.approx(0.25, rel=1e-6)


@pytest.mark.parametrize(("interest", "periods"), [(0.05, 0), (0.05, -1), (-1.0, 3)])
def test_annuity_refuses_nonsense(interest: float, periods: float) -> None:
    with pytest.raises(ValueError, match="annuity"):
        annuity(interest, periods)


@pytest.mark.parametrize(("purchase", "published"), [(450_000, 19.0), (2_260_000, 70.7)])
def test_published_cost_of_a_cs3(purchase: float, published: float) -> None:
    """A published table has $19.0/h (bill of materials) and $70.7/h (average price): 4 years in a straight line.

    450,000 / 35,040 h = 12.84 and 2,260,000 / 35,040 h = 64.50; both plus 25 kW x 180 / 730 h = 6.16.
    """
    colocation = colocation_usd_per_h(25_000, COLOCATION)
    assert colocation.mid == pytest.approx(6.16, abs=0.005)
    cost = owned(purchase_usd=Band.exactly(purchase), life_s=4 * YEAR_S, colocation=colocation)
    assert cost.total.mid == pytest.approx(published, abs=0.05)


def test_power_by_hand() -> None:
    # 10 kW at a PUE of 1.1 and 0.0867 USD/kWh: 10 x 1.1 x 0.0867 = 0.9537 USD/h
    power = power_usd_per_h(10_000, Band.exactly(1.1), Band.exactly(0.0867 / KWH_J))
    assert power.mid == pytest.approx(0.9537)
    with pytest.raises(ValueError, match="PUE"):
        power_usd_per_h(10_000, Band(0.9, 1.1, 1.5), Band.exactly(0.0867 / KWH_J))


def test_owned_by_hand() -> None:
    # 876,000 over 10 years without interest: 10 USD/h; network 20 % and spares 5 %: 2 and 0.5; power 1.5 USD/h;
    # operations 10 % of the 14.0: 1.4; together 15.4
    cost = owned(
        purchase_usd=Band.exactly(876_000),
        life_s=10 * YEAR_S,
        network_share=Band.exactly(0.20),
        spares_share=Band.exactly(0.05),
        operations_share=Band.exactly(0.10),
        power=Band.exactly(1.5),
    )
    assert {name: part.mid for name, part in cost.parts.items()} == pytest.approx(
        {"capital": 10, "network": 2, "spares": 0.5, "power": 1.5, "colocation": 0, "operations": 1.4, "rental": 0}
    )
    assert cost.total.mid == pytest.approx(15.4)


def test_interest_makes_capital_dearer() -> None:
    # 8 % over 4 years: factor 0.30192; 450,000 x 0.30192 / 8,760 h = 15.51 USD/h
    assert capital_usd_per_h(Band.exactly(450_000), 4 * YEAR_S, 0.08).mid == pytest.approx(15.51, abs=0.005)


def test_price_range_is_carried() -> None:
    cost = owned(purchase_usd=Band(0.45e6, 1.0e6, 2.26e6), life_s=4 * YEAR_S, power=Band.exactly(2.0))
    assert cost.capital.high / cost.capital.low == pytest.approx(2.26 / 0.45)
    assert cost.total.low == pytest.approx(450_000 / 35_040 + 2)
    assert cost.total.high == pytest.approx(2_260_000 / 35_040 + 2)


def test_power_is_not_paid_twice() -> None:
    with pytest.raises(ValueError, match="includes the power"):
        owned(purchase_usd=NOTHING, life_s=YEAR_S, power=Band.exactly(1.0), colocation=Band.exactly(1.0))


def test_rent_by_hand() -> None:
    # eight GPUs at 2.99 USD/h
    cost = rented(8, Band.exactly(2.99 / 3600))
    assert cost.total.mid == pytest.approx(23.92)
    assert cost.capital == NOTHING


positive = st.floats(0, 1e9)
bands = st.tuples(positive, positive, positive).map(lambda cases: Band(*sorted(cases)))
shares = st.tuples(*[st.floats(0, 2)] * 3).map(lambda cases: Band(*sorted(cases)))


@given(bands, st.floats(0.1, 30), st.floats(0, 0.3), shares, shares, shares, bands)
def test_parts_sum_to_the_total(
    purchase: Band, years: float, interest: float, network: Band, spares: Band, operations: Band, power: Band
) -> None:
    cost = owned(
        purchase_usd=purchase,
        life_s=years * YEAR_S,
        interest=interest,
        network_share=network,
        spares_share=spares,
        operations_share=operations,
        power=power,
    )
    for case in ("low", "mid", "high"):
        parts = [getattr(part, case) for part in cost.parts.values()]
        capital = getattr(cost.capital, case)
        hardware = capital * (1 + getattr(network, case) + getattr(spares, case))
        by_hand = (hardware + getattr(power, case)) * (1 + getattr(operations, case))
        assert sum(parts) == pytest.approx(by_hand, rel=1e-9)
        assert getattr(cost.total, case) == pytest.approx(by_hand, rel=1e-9)
