"""What a CFO reads: sums by hand from the dollars of an hour, and offers of others beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.report.example_report import example, findings

from infermodel.catalog import load_system
from infermodel.economics.band import Band
from infermodel.experiment.result import ServiceResult
from infermodel.report.findings import Findings
from infermodel.report.human import NONE, usd
from infermodel.report.money import bills, busiest_per_mean, counted, money, units
from infermodel.report.offers import OWN_LIST, rental_offers, token_offers, unpriced
from infermodel.simulation.scaling import ScalingSpec
from infermodel.workload.arrivals import Profile
from infermodel.workload.traffic import OpenTraffic


def wafer() -> ServiceResult:
    return example()[0].services[0]


def test_a_month_is_730_hours_and_a_year_8760() -> None:
    ((_, capital, running, *ends),) = bills([wafer()]).rows
    hour = wafer().economics.hourly
    assert [capital, running] == [
        usd(730 * (hour.capital.mid + hour.network.mid + hour.spares.mid)),
        usd(730 * (hour.power.mid + hour.colocation.mid + hour.operations.mid)),
    ]
    total = hour.total
    assert ends == [usd(hours * end) for hours in (730, 8760) for end in (total.low, total.mid, total.high)]


def test_what_does_not_hold_is_struck_out_and_says_why() -> None:
    doubtful = replace(wafer().summary, price_holds=False, price_reason="misses ttft_p90")
    told = Findings.of(replace(example()[0], services=(replace(wafer(), summary=doubtful),)), [], [])
    ((_, load, _, *figures),) = units(told, list(told.services)).rows
    assert load == ("over the run", "misses ttft_p90")
    assert all(str(figure).startswith("~~") and str(figure).endswith("~~") for figure in figures)


def test_tokens_are_bought_by_the_scenarios_own_list_or_the_newest_of_each_provider() -> None:
    first, *others = token_offers(wafer().service)
    assert (first.name, first.input_usd) == (OWN_LIST, pytest.approx(0.1e-6))
    assert others
    providers = [offer.name.rsplit("-20", 1)[0] for offer in others]
    assert len(set(providers)) == len(providers)
    assert all(offer.source for offer in others)


def test_from_so_many_tokens_a_day_owning_is_cheaper() -> None:
    told = findings()
    (table,) = [each for each in money(told) if each.title.startswith("Own")]
    row = next(row for row in table.rows if row[0] == "CS-3 8B" and str(row[1][0]).endswith(OWN_LIST))
    hour, held = wafer().economics.hourly.total, told.capacities["CS-3 8B"].summary
    assert held is not None
    for cell, end in zip(row[5:], (hour.low, hour.mid, hour.high), strict=True):
        tokens = 24 * end / 0.1e-6  # ten cents a million, in and out
        assert cell == (("never", f"holds {counted(1440 * held.tpm)}") if tokens > 1440 * held.tpm else counted(tokens))


def test_renting_is_compared_where_the_fleet_is_bought() -> None:
    rented = example()[0].services[1]
    (table,) = [each for each in money(findings()) if each.title.startswith("Own")]
    own = [row for row in table.rows if row[0] == rented.summary.service]
    assert own
    assert not [row for row in own if str(row[1][0]).startswith("rent:")]
    offers = rental_offers(rented.service.pool)
    assert offers == sorted(offers, key=lambda each: each.usd_per_device_s.mid)
    assert all("h100-sxm" in each.name for each in offers)
    said = unpriced(rented.service)
    assert said.startswith("no price given; the catalog has dgx-h100 and h100-sxm-")
    for system in ("vr-nvl72", "trn2-48xlarge"):
        pool = replace(rented.service.pool, system=load_system(system))
        asked = unpriced(replace(rented.service, pools=(pool,)))
        assert asked.startswith(f"no price given, and none found of {load_system(system).title}: name one under price")


def test_the_busiest_step_of_a_day() -> None:
    each = wafer()
    assert isinstance(each.service.traffic, OpenTraffic)
    day = replace(each.service.traffic, arrivals=Profile((0.0, 60.0), (1.0, 3.0), repeat_s=120.0))
    by_day = replace(each, service=replace(each.service, traffic=day), summary=replace(each.summary, rpm=120.0))
    assert busiest_per_mean(by_day, None) == 1.5  # 180 requests a minute over 120
    assert busiest_per_mean(by_day, 60.0) == 0.5  # the busier step comes after such a run
    assert busiest_per_mean(each, None) == 1
    free = replace(by_day, economics=replace(by_day.economics, blended_usd_per_mtok=Band.exactly(3.0)))
    told = Findings.of(replace(example()[0], services=(free,)), [], [])
    assert [row[1][0] for row in units(told, [free]).rows] == ["over the run", "at the busiest step"]
    doubtful = replace(free, summary=replace(free.summary, price_holds=False, price_reason="the queue grows"))
    _, busiest = units(told, [doubtful]).rows
    assert busiest[1] == ("at the busiest step", "the queue grows")
    assert all(str(figure).startswith("~~") for figure in busiest[3:])
    # Where replicas start and stop, neither the bill of the whole run nor a break-even is that of another load.
    pools = tuple(replace(pool, scaling=ScalingSpec(1, 1, "in_flight", 8.0)) for pool in free.service.pools)
    scaled = replace(free, service=replace(free.service, pools=pools))
    told = Findings.of(replace(example()[0], services=(scaled,)), [], [])
    assert [row[1][0] for row in units(told, [scaled]).rows] == ["over the run"]
    (offered,) = [each for each in money(told) if each.title.startswith("Own")]
    assert {row[5] for row in offered.rows if row[0] == scaled.summary.service} == {(NONE, "the bill follows the load")}
    assert bills([scaled]).lead.endswith("as in this run.")
