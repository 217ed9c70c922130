"""Plans of fleets that read prompts in one pool and decode in another."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from infermodel.answers.plan import PlanAnswer
from infermodel.experiment import run
from infermodel.scenario import ResolvedScenario, ScenarioErrors, load, resolve
from infermodel.search.candidate import Size
from infermodel.search.plan import Planned, find_plan, judged, judged_without, missed_with_one_down
from infermodel.search.plan_schema import load_plan
from infermodel.search.plan_table import best_yaml, plan_rows

BASE = """\
title: small
requests: 50
traffic:
  arrivals: {kind: poisson, rate: 9000 /min}
  prompt_tokens: {kind: lognormal, mean: 1500, cv: 0.6, min: 8, max: 4000}
  output_tokens: {kind: lognormal, mean: 20, cv: 0.6, min: 4, max: 100}
objectives: {ttft_p90: 250 ms, tpot_p90: 8 ms}
services:
  - name: S
    model: llama-3.1-8b
    fleet: {system: dgx-h100}
    limits: {max_context: 8192, max_sequences: 16}
"""
PLAN = """\
title: Which ratio is cheapest?
base: base.yaml
spares: 1
most_systems: 4
replications: 1
candidates:
  - name: apart
    ratios: [1:1, 4:2]
    pools:
      - {role: decode, system: dgx-h100, price: {purchase: 300000 USD}, tensor_parallel: 4, max_batched_tokens: [256]}
      - {role: prefill, system: dgx-h100, price: {purchase: 300000 USD}, tensor_parallel: 8}
  - {system: dgx-h100, price: {purchase: 300000 USD}, tensor_parallel: 4}
"""
RATIOS = {"1:1": (1, 1), "2:1": (2, 1)}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """The plan above, answered."""
    return find_plan(load_plan(written(tmp_path_factory.mktemp("plan"), PLAN)))


def written(folder: Path, plan: str) -> Path:
    """The plan's file beside its base."""
    (folder / "base.yaml").write_text(BASE)
    path = folder / "plan.yaml"
    path.write_text(plan)
    return path


def test_pools_in_a_ratio_equal_full_enumeration(found: Planned) -> None:
    """Every number of systems of each pool whose ratio is one of the two, simulated without bounds."""
    plan, smallest = found.plan, {}
    for each in found.options[:-1]:
        candidate, settings = plan.candidates[0], each.layout.settings
        for reads, decodes in product(range(1, 4), repeat=2):
            first, second = RATIOS[settings["ratio"]]
            if reads * second != decodes * first or reads + decodes > plan.most_systems:
                continue
            sizes = (Size(reads, reads), Size(decodes, 2 * decodes))
            _, missed = judged(resolve(load(plan.base_path, plan.changes(candidate, settings, sizes))), 1)
            if not missed:
                smallest.setdefault(each.layout.number, (reads, decodes))
    sizes = {
        row["layout"]: (row["prefill_systems"], row["decode_systems"])
        for row in plan_rows(found)[:-1]
        if row["systems"]
    }
    assert sizes == smallest
    assert len(set(smallest.values())) > 1  # the ratio matters


def test_the_best_fleet_of_pools_is_billed_as_planned(found: Planned, tmp_path: Path) -> None:
    best = min(found.options[:-1], key=lambda each: each.usd_per_h)
    assert best.bought == best.systems + 2  # a spare of each pool
    (tmp_path / "best.yaml").write_text(best_yaml(Planned(found.plan, found.options, best)))
    (service,) = run(resolve(load(tmp_path / "best.yaml"))).services
    assert service.economics.hourly.total.mid == pytest.approx(best.usd_per_h, rel=1e-9)
    assert service.summary.replicas == best.replicas
    assert missed_with_one_down(found.plan, best) == ""  # its spares serve, too: no less is left than was sized


def test_the_table_has_columns_of_pools(found: Planned, tmp_path: Path) -> None:
    PlanAnswer(found).write(tmp_path / "report")
    header, *rows = (tmp_path / "report" / "plan.csv").read_text().splitlines()
    of_pools = "ratio,prefill_systems,decode_systems,prefill_tensor_parallel,decode_tensor_parallel,"
    assert header.endswith(f",{of_pools}decode_max_batched_tokens")
    assert [line.rpartition("1:1")[0] != "" for line in rows] == [True, False, False]
    assert "1 spare system of each pool" in (tmp_path / "report" / "plan.html").read_text()


def test_limits_that_a_pool_lists_are_the_base_s_but_for_those(found: Planned) -> None:
    (fleet,) = resolve(
        load(
            found.plan.base_path,
            found.plan.changes(found.plan.candidates[0], found.options[0].layout.settings, (Size(1), Size(1))),
        )
    ).services
    reads, decodes = (pool.limits for pool in fleet.pools)
    assert (decodes.max_batched_tokens, decodes.max_sequences, decodes.max_context) == (256, 16, 8192)
    assert reads.max_batched_tokens != 256


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ((), [True, False]),
        (("objectives={tpot_p90: 3.25 ms}", "traffic.arrivals.rate=4500 /min"), [False, True]),
    ],
)
def test_objectives_hold_whichever_pool_loses_a_system(
    tmp_path: Path, changes: tuple[str, ...], needed: list[bool]
) -> None:
    """Systems are alike: a pool of two of which one is down is a pool of one. Either pool may be what misses."""
    plan = load_plan(written(tmp_path, PLAN), ["systems_down=1", *changes])
    settings = next(iter(plan.candidates[0].settings()))
    pairs = plan.changes(plan.candidates[0], settings, (Size(2, 2), Size(2, 4)))
    fleet = resolve(load(plan.base_path, pairs))
    (service,) = fleet.services

    def halved(number: int) -> ResolvedScenario:
        pools = list(service.pools)
        pools[number] = replace(pools[number], systems=1, groups=1, replicas=pools[number].replicas // 2)
        return replace(fleet, services=(replace(service, pools=tuple(pools)),))

    told = [judged(halved(number), 1)[1] for number in (0, 1)]
    assert [bool(missed) for missed in told] == needed
    assert judged_without(1, fleet, 1)[1] == told[needed.index(True)]
    assert judged_without(2, fleet, 1)[1] == "every objective, with no system of a pool up,"
    assert not judged_without(0, fleet, 1)[1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1:1", "1:0", "expected a ratio, got '1:0'; such as 1:2"),
        ("role: decode", "role: prefill", "pools of the roles prefill, prefill; one of role prefill and one of role"),
        ("name: apart", "name: apart\n    system: dgx-h100", "'system' stands beside 'pools'; write it in each pool"),
        ("{system: dgx-h100, price", "{system: dgx-h100, ratios: 1:1, price", "is for candidates with 'pools'"),
        ("role: decode, system: dgx-h100", "role: decode, system: cs-3", "list devices_per_replica"),
    ],
)
def test_a_mistake_in_pools_is_answered(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in PLAN
    with pytest.raises(ScenarioErrors) as refused:
        load_plan(written(tmp_path, PLAN.replace(old, new, 1)))
    assert said in str(refused.value)
