"""Plans against full enumeration, and what is wrong with a plan file."""

from __future__ import annotations

from math import inf
from pathlib import Path

import numpy as np
import pytest

from infermodel.answers.plan import PlanAnswer
from infermodel.economics.band import Band
from infermodel.experiment import run
from infermodel.experiment.pricing import hourly_cost
from infermodel.report.human import usd
from infermodel.report.plan_page import doubts
from infermodel.scenario import ScenarioErrors, load, resolve
from infermodel.search.candidate import Size
from infermodel.search.layout import list_layouts
from infermodel.search.plan import (
    Option,
    Planned,
    break_even_usd,
    find_plan,
    judged,
    missed_with_one_down,
    on_front,
)
from infermodel.search.plan_schema import load_plan
from infermodel.search.plan_table import best_yaml, plan_rows

BASE = """\
title: small
requests: 80
seed: {seed}
traffic:
  arrivals: {{kind: poisson, rate: {rate} /min}}
  prompt_tokens: {{kind: lognormal, mean: {prompt}, cv: 0.6, min: 8, max: 4000}}
  output_tokens: {{kind: lognormal, mean: {output}, cv: 0.6, min: 4, max: 600}}
objectives: {{ttft_p90: {ttft} ms, tpot_p90: {tpot} ms}}
services:
  - {{name: S, model: {model}, fleet: {{system: dgx-h100}}, limits: {{max_context: 8192}}}}
"""
PLAN = """\
title: Which is cheapest?
base: base.yaml
spares: {spares}
most_systems: 6
replications: 2
fronts: {fronts}
candidates:
  - {{system: cs-3, price: {{purchase: {wafer} USD}}, devices_per_replica: [1, 2]}}
  - {{system: dgx-h100, price: {{purchase: 300000 USD}}, tensor_parallel: [1, 4], max_sequences: [2, 16]}}
  - {{system: dgx-b200, price: {{rental: {rent} USD/h}}, tensor_parallel: 8, max_sequences: [4]}}
"""


def problem(folder: Path, seed: int, *, fronts: bool) -> Path:
    """A random small plan, from a seed of its own."""
    draw = np.random.default_rng(seed)
    base = {
        "seed": seed,
        "rate": int(draw.choice([200, 1000, 4000, 12000])),
        "prompt": int(draw.integers(50, 900)),
        "output": int(draw.integers(20, 200)),
        "ttft": int(draw.choice([60, 200, 1000])),
        "tpot": int(draw.choice([2, 10, 30])),
        "model": "llama-3.1-8b",
    }
    (folder / "base.yaml").write_text(BASE.format(**base))
    plan = {
        "spares": int(draw.integers(0, 3)),
        "fronts": str(fronts).lower(),
        "wafer": int(draw.choice([300_000, 1_000_000, 2_500_000])),
        "rent": int(draw.choice([2, 4, 8])),
    }
    path = folder / "plan.yaml"
    path.write_text(PLAN.format(**plan))
    return path


def enumerated(path: Path) -> tuple[float, dict[int, int]]:
    """Dollars of the cheapest fleet, and the smallest of each layout: all of 1 to 6 systems simulated, no bounds."""
    plan = load_plan(path)
    cheapest, smallest = inf, {}
    asked = [(candidate, settings) for candidate in plan.candidates for settings in candidate.settings()]
    for number, (candidate, settings) in enumerate(asked):
        for systems in range(1, plan.most_systems + 1):
            try:
                alone = resolve(load(plan.base_path, plan.changes(candidate, settings, (Size(systems),))))
            except ScenarioErrors:  # fewer systems than a replica spans
                continue
            replicas = alone.services[0].pool.replicas
            scenario = resolve(
                load(plan.base_path, plan.changes(candidate, settings, (Size(systems + plan.spares, replicas),)))
            )
            summaries, missed = judged(scenario, plan.replications)
            if not missed:
                dollars = [hourly_cost(scenario.services[0], each.pool_power_w).total.mid for each in summaries]
                cheapest = min(cheapest, sum(dollars) / len(dollars))
                smallest.setdefault(number, systems)
    return cheapest, smallest


def check(folder: Path, seed: int) -> None:
    """Both kinds of plan against enumeration."""
    path = problem(folder, seed, fronts=True)
    cheapest, smallest = enumerated(path)
    found = find_plan(load_plan(path))
    assert {each.layout.number: each.systems for each in found.options if each.systems} == smallest
    assert (found.best.usd_per_h if found.best else inf) == pytest.approx(cheapest, rel=1e-12)
    pruned = find_plan(load_plan(problem(folder, seed, fronts=False)))
    assert pruned.best == found.best
    assert pruned.simulated <= found.simulated < found.fleets


@pytest.mark.parametrize("seed", [6])  # the quickest of them
def test_a_plan_equals_full_enumeration(tmp_path: Path, seed: int) -> None:
    check(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(6), *range(7, 24)])
def test_more_plans_equal_full_enumeration(tmp_path: Path, seed: int) -> None:
    check(tmp_path, seed)


def planned(folder: Path) -> Planned:
    return find_plan(load_plan(problem(folder, 0, fronts=True)))


def test_jobs_do_not_change_a_byte(tmp_path: Path) -> None:
    plan = load_plan(problem(tmp_path, 3, fronts=True), ["seed=4"])
    for jobs in (1, 2):
        PlanAnswer(find_plan(plan, jobs=jobs)).write(tmp_path / str(jobs))
    names = {each.name for each in (tmp_path / "1").iterdir()}
    assert {"plan.csv", "plan.html", "best.yaml", "fronts.svg", "searched.svg"} <= names
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    assert "with seed 4" in (tmp_path / "1" / "plan.html").read_text()


def test_other_seeds_confirm_the_cheapest_fleet(tmp_path: Path) -> None:
    path = problem(tmp_path, 0, fronts=False)
    base = tmp_path / "base.yaml"
    # 80 requests leave a percentile 90 to eight of them, which is luck; 3,000 leave it to 300.
    base.write_text(base.read_text().replace("requests: 80", "requests: 3000"))
    found = find_plan(load_plan(path))
    assert found.best is not None
    (tmp_path / "best.yaml").write_text(best_yaml(found))
    for seed in (101, 102, 103):
        (result,) = run(resolve(load(tmp_path / "best.yaml", [f"seed={seed}"]))).services
        assert result.summary.objectives_met, seed
        assert result.service.pool.systems == found.best.bought
        assert result.service.pool.replicas == found.best.replicas


def test_rows_say_why_there_is_no_fleet(tmp_path: Path) -> None:
    found = planned(tmp_path)
    for row, each in zip(plan_rows(found), found.options, strict=True):
        assert bool(row["reason"]) == (each.systems == 0)
    assert sum(row["best"] for row in plan_rows(found)) == 1


def test_a_front_keeps_what_nothing_beats(tmp_path: Path) -> None:
    (layout, *_) = list_layouts(load_plan(problem(tmp_path, 0, fronts=True)))
    # On the front: (1, 5), (2, 3), (4, 1); (2, 4) and (3, 3) are beaten, and the last is no fleet.
    points = [(1.0, 5.0), (2.0, 4.0), (2.0, 3.0), (3.0, 3.0), (4.0, 1.0), (0.5, 0.5)]
    options = tuple(
        Option(
            layout=type(layout)(i, layout.candidate, layout.settings),
            systems=i < 5,
            hourly=Band.exactly(usd),
            ttft_p99_s=seconds,
        )
        for i, (usd, seconds) in enumerate(points)
    )
    assert on_front(options, lambda each: each.ttft_p99_s) == {0, 2, 4}


def test_spares_are_paid_for_and_stand_by(tmp_path: Path) -> None:
    path = problem(tmp_path, 0, fronts=True)
    without = load_plan(path).model_copy(update={"spares": 0})
    without._file = path
    spared = load_plan(path).model_copy(update={"spares": 2})
    spared._file = path
    few, many = find_plan(without), find_plan(spared)
    assert many.best is not None
    (tmp_path / "best.yaml").write_text(best_yaml(many))
    (billed,) = run(resolve(load(tmp_path / "best.yaml"))).services
    assert billed.economics.hourly.total.mid == pytest.approx(many.best.usd_per_h, rel=1e-9)  # no electricity
    for a, b in zip(few.options, many.options, strict=True):
        assert a.systems == b.systems
        assert a.replicas == b.replicas
        if a.systems:
            assert b.bought == a.systems + 2
            # Nothing is shared between systems, so dollars without power grow with them; nobody priced electricity.
            assert b.usd_per_h == pytest.approx(a.usd_per_h * b.bought / a.systems)


def test_at_its_break_even_price_a_system_costs_as_much_as_its_rival(tmp_path: Path) -> None:
    path = problem(tmp_path, 0, fronts=True)
    base = tmp_path / "base.yaml"
    base.write_text(
        base.read_text() + "prices: {electricity: 0.1 USD/kWh, operations: {low: 10 %, mid: 20 %, high: 40 %}}\n"
    )

    def cheapest(found: Planned, name: str) -> Option:
        return min((o for o in found.options if o.layout.candidate.title == name), key=lambda each: each.usd_per_h)

    loose = ["objectives={ttft_p90: 2 s, tpot_p90: 50 ms}", "traffic.arrivals.rate=600 /min"]
    found = find_plan(load_plan(path, loose))
    price = break_even_usd(found, cheapest(found, "cs-3"))
    assert price > 0
    again = find_plan(load_plan(path, [*loose, f"candidates.0.price.purchase={price!r} USD"]))
    rival = min(cheapest(again, name).usd_per_h for name in ("dgx-h100", "dgx-b200"))
    assert cheapest(again, "cs-3").usd_per_h == pytest.approx(rival, rel=1e-9)
    assert all(np.isnan(break_even_usd(found, o)) for o in found.options if o.layout.candidate.title == "dgx-b200")


def test_dollars_carry_the_range_of_the_prices(tmp_path: Path) -> None:
    path = problem(tmp_path, 0, fronts=True)
    low, mid, high = 100_000, 300_000, 600_000
    loose = ["objectives={ttft_p90: 2 s, tpot_p90: 50 ms}", "traffic.arrivals.rate=600 /min"]
    loose.append("prices={electricity: 0 USD/kWh, operations: 0 %}")
    told = f"candidates.1.price.purchase={{low: {low} USD, mid: {mid} USD, high: {high} USD}}"
    (servers, *_) = [
        each for each in find_plan(load_plan(path, [*loose, told])).options if each.layout.candidate.title == "dgx-h100"
    ]
    # Power and people cost nothing, so that an hour's dollars are in proportion to the purchase.
    assert servers.systems
    assert servers.hourly.low == pytest.approx(servers.hourly.mid * low / mid)
    assert servers.per_mtok.high == pytest.approx(servers.per_mtok.mid * high / mid)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("system: cs-3", "system: cs-5", ":8:14: "),
        ("spares: 1", "spares: some", ":3:9: "),
        ("devices_per_replica: [1, 2]", "tensor_parallel: 1", "list devices_per_replica"),
        ("price: {rental: 4 USD/h}", "price: {}", "write purchase: or rental:"),
        ("tensor_parallel: [1, 4]", "tensor_parallel: []", "the list is empty"),
        ("system: dgx-b200", "system: dgx-b200, name: cs-3", "two candidates are called 'cs-3'"),
    ],
)
def test_a_mistake_is_answered_at_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = problem(tmp_path, 0, fronts=True)
    text = PLAN.format(spares=1, fronts="true", wafer=1, rent=4)
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ScenarioErrors) as refused:
        load_plan(path)
    assert said in str(refused.value)
    assert f"{path}:" in str(refused.value)


def test_a_base_without_objectives_is_refused(tmp_path: Path) -> None:
    path = problem(tmp_path, 0, fronts=True)
    base = tmp_path / "base.yaml"
    base.write_text("\n".join(line for line in base.read_text().splitlines() if not line.startswith("objectives")))
    with pytest.raises(ScenarioErrors, match="has no objectives"):
        load_plan(path)


def test_objectives_that_hold_with_one_down_take_one_more(tmp_path: Path) -> None:
    """Of alike systems one is down throughout: what is left is the fleet that would do with all up."""
    path = problem(tmp_path, 3, fronts=False)
    only = ["candidates=[{system: dgx-h100, price: {purchase: 300000 USD}, tensor_parallel: 8, max_sequences: 2}]"]
    only += [
        "spares=0",
        "replications=1",
        "requests=40",
        "objectives={ttft_p90: 300 ms}",
        "traffic.arrivals.rate=600 /min",
    ]
    (all_up,) = find_plan(load_plan(path, only)).options
    (one_down,) = find_plan(load_plan(path, [*only, "systems_down=1"])).options
    assert one_down.systems == all_up.systems + 1 > 1
    assert one_down.speed_tok_s == all_up.speed_tok_s


def test_a_profile_is_sized_at_its_busiest_step_and_priced_over_the_whole_of_it(tmp_path: Path) -> None:
    day = "{kind: profile, rates: [[0 s, 1000 /min], [60 s, 4000 /min]], repeat: 2 min}"
    text = BASE.format(seed=7, rate=4000, prompt=300, output=60, ttft=1000, tpot=30, model="llama-3.1-8b")
    steady = text.replace("requests: 80", "duration: 60 s\nwarm_up: 12 s")
    by_day = text.replace("{kind: poisson, rate: 4000 /min}", day).replace("requests: 80", "duration: 2 min")
    found = []
    for base in (steady, by_day):
        (tmp_path / "base.yaml").write_text(base)
        path = tmp_path / "plan.yaml"
        path.write_text(PLAN.format(spares=1, fronts="false", wafer=2_500_000, rent=4))
        found.append(find_plan(load_plan(path, ["replications=1"])))
    peak, whole = (each.best for each in found)
    assert peak is not None
    assert whole is not None
    assert (whole.systems, whole.usd_per_h) == (peak.systems, peak.usd_per_h)
    # the mean rate is 2,500 a minute: as many dollars over 0.625 of the tokens
    assert whole.usd_per_mtok == pytest.approx(peak.usd_per_mtok / 0.625, rel=1e-12)
    assert "kind: profile" in best_yaml(found[1])
    assert "warm_up: auto" in best_yaml(found[1])  # a fifth of the day is not cut
    # with its spare serving, too, a fleet of n + 1 of which one is down is the fleet of n that keeps every promise
    story = PlanAnswer(found[1]).story
    assert story.missed_with_one_down == ""
    assert any(f"it is {usd(peak.usd_per_mtok)}/Mtok, and priced over the whole" in said for said in doubts(story))
    (tmp_path / "plan.yaml").write_text(PLAN.format(spares=0, fronts="false", wafer=2_500_000, rent=4))
    bare = find_plan(load_plan(tmp_path / "plan.yaml", ["replications=1"]))
    assert bare.best is not None
    missed = missed_with_one_down(bare.plan, bare.best)
    assert missed is None if bare.best.bought == 1 else missed
