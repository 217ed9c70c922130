"""Services of several pools that each do all of a request: what their language says, and what they answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.scenario_files import refused, resolved

from infermodel.experiment import ServiceResult, run
from infermodel.metrics.schema import measures
from infermodel.scenario import resolve, to_yaml
from infermodel.scenario.document import parse
from infermodel.scenario.validation import validate
from infermodel.simulation import Outage
from infermodel.simulation.handover import ByPromptLength, ByTenant, Lightest

MIXED = """\
title: Short prompts here, long ones there
requests: 120
warm_up: 0 s
traffic:
  arrivals: {kind: poisson, rate: 12 /s}
  prompt_tokens: {kind: lognormal, mean: 1000, cv: 1, max: 4000}
  output_tokens: {kind: lognormal, mean: 60, cv: 1, max: 400}
services:
  - name: mixed
    model: llama-3.1-8b
    router: round_robin
    limits: {max_context: 8192}
    fleet:
      pools:
        - {name: small, role: both, system: dgx-h100, tensor_parallel: 4}
        - {name: large, role: both, system: dgx-h100, tensor_parallel: 4, outages: [{system: 0, at: 900 s, for: 1 s}]}
    rate_limits:
      tenants: [{name: paying, keys: 2, share: 1}, {name: free, share: 3}]
    price: {rental: 2 USD/h}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.yaml"
    path.write_text(MIXED)
    return path


def test_each_pool_does_all_and_says_what_differs(file: Path) -> None:
    (service,) = resolved(file).services
    small, large = service.pools
    assert (small.role, large.role, service.link, service.first_router) == ("both", "both", None, None)
    assert (small.outages, large.outages) == ((), (Outage(0, 900.0, 1.0),))


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("{kind: prompt_length, bounds: [2k]}", ByPromptLength((2000,))),
        ("{kind: tenant, pools: {free: large, paying: small}}", ByTenant((0, 0, 1))),
        ("{kind: least_outstanding}", Lightest()),
        ("{kind: in_turn}", None),
    ],
)
def test_a_first_router_is_read_and_written(file: Path, said: str, rule: object) -> None:
    scenario = resolved(file, f"services.0.fleet.first_router={said}")
    assert scenario.services[0].first_router == rule
    again = resolve(validate(parse(to_yaml(scenario), "again.yaml")))
    assert again.digest == scenario.digest != resolved(file).digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("fleet.first_router={kind: prompt_length, bounds: [1000, 2000]}", "bounds: 2 bounds for 2 pools; one fewer"),
        ("fleet.first_router={kind: prompt_length, bounds: [2000, 1000]}", "is not above the bound before it"),
        ("fleet.first_router={kind: tenant, pools: {free: lage, paying: small}}", "did you mean 'large'?"),
        ("fleet.first_router={kind: tenant, pools: {free: large}}", "names the tenants free, and rate_limits paying,"),
        ("fleet.first_router={kind: length}", "no kind of first router named 'length'"),
        ("fleet.link={latency: 1 ms}", "leads nowhere: each of the pools does all of a request"),
        ("outages=[{system: 0, at: 1 s, for: 1 s}]", "outages of the service name no pool; write outages in each pool"),
        ("fleet.pools.1.outages=[{system: 3, at: 1 s, for: 1 s}]", "services.0.fleet.pools.1.outages.0.system"),
        ("fleet={system: dgx-h100, first_router: {kind: in_turn}}", "has no choice: the fleet has no 'pools'"),
    ],
)
def test_what_cannot_be_is_refused(file: Path, change: str, said: str) -> None:
    assert any(said in each for each in refused(file, f"services.0.{change}")), refused(file, f"services.0.{change}")


def answered(file: Path, *changes: str) -> ServiceResult:
    (result,) = run(resolved(file, *changes)).services
    return result


def test_pools_in_turn_answer_as_one_pool_of_all(file: Path) -> None:
    """Every time of a request to the bit; sums over replicas in another order; dollars of both."""
    fleet = "{system: dgx-h100, systems: 2, tensor_parallel: 4}"
    one, two = answered(file, f"services.0.fleet={fleet}"), answered(file)
    assert two.record.requests.last_token_at.tobytes() == one.record.requests.last_token_at.tobytes()
    for name in measures(one.summary):
        assert getattr(two.summary, name) == pytest.approx(getattr(one.summary, name), rel=1e-12, nan_ok=True), name
    assert two.economics.hourly == one.economics.hourly
    assert [row.replicas for row in two.summary.pools] == [2, 2]
    assert two.economics.split is not None
    assert one.economics.split is not None
    shares = [each.split.input_usd_per_mtok.mid for each in (one.economics, two.economics)]
    assert shares[1] == pytest.approx(shares[0], rel=0.05)  # the mean batch of each pool is rounded


def test_tenants_and_lengths_go_where_they_belong(file: Path) -> None:
    record = answered(file, "services.0.fleet.first_router={kind: tenant, pools: {free: large, paying: small}}").record
    assert record.pool_of is not None
    assert [set(record.pool_of[tenant.requests].tolist()) for tenant in record.tenants] == [{0}, {1}]
    record = answered(file, "services.0.fleet.first_router={kind: prompt_length, bounds: [1000]}").record
    assert record.pool_of is not None
    assert record.pool_of.tolist() == (record.requests.prompt_tokens > 1000).astype(int).tolist()
