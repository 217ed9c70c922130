"""What whoever runs a fleet reads: one failure, parts of the time to the first token, alerts, commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.report.example_report import example, findings

from infermodel import api, experiment
from infermodel.report.findings import Findings
from infermodel.report.human import seconds, share
from infermodel.report.operations import SIGNALS, commands, first_token, one_down, thresholds

FLEET = {
    "title": "Two systems",
    "requests": 200,
    "warm_up": "0 s",
    "traffic": {
        "arrivals": {"kind": "poisson", "rate": "300 /min"},
        "prompt_tokens": {"kind": "fixed", "tokens": 500},
        "output_tokens": {"kind": "fixed", "tokens": 20},
    },
    "objectives": {"ttft_p99": "1 s"},
    "services": [{"name": "8B", "model": "llama-3.1-8b", "fleet": {"system": "cs-3", "systems": 2}}],
}


APART = {
    "services.0.fleet": {
        "pools": [
            {"name": "reads", "role": "prefill", "system": "dgx-h100", "tensor_parallel": 8},
            {"name": "writes", "role": "decode", "system": "dgx-h100", "tensor_parallel": 8, "systems": 2},
        ]
    }
}


@pytest.mark.parametrize(
    ("fleet", "name", "one"),
    [({}, "8B", "services.0.fleet.systems"), (APART, "8B, writes", "services.0.fleet.pools.1.systems")],
)
def test_with_one_of_two_down_a_pool_is_the_other_one(fleet: Mapping[str, Any], name: str, one: str) -> None:
    both, other = api.load(FLEET, set=fleet).resolved, api.load(FLEET, set={**fleet, one: 1}).resolved
    alone, found = experiment.run(other).services[0].summary, experiment.one_down(both)
    names = ("arrived", "ttft_p50_s", "ttft_p99_s", "tpot_p99_s", "e2e_mean_s", "attainment")
    assert list(found) == [name]
    assert [getattr(found[name], each) for each in names] == [getattr(alone, each) for each in names]
    assert experiment.one_down(other) == {}


def test_while_a_pool_is_down_the_other_has_all() -> None:
    """Two pools of one system, each request to the lighter one: with either down as a service of the other alone."""
    pools = "[{name: a, role: both, system: dgx-h100}, {name: b, role: both, system: dgx-h100}]"
    both = api.load(FLEET, set=[f"services.0.fleet={{first_router: {{kind: least_outstanding}}, pools: {pools}}}"])
    one = experiment.run(api.load(FLEET, set=["services.0.fleet={system: dgx-h100}"]).resolved).services[0].summary
    found = experiment.one_down(both.resolved)
    assert [name.split(", ")[1] for name in found] == ["a", "b"]
    for each in found.values():
        assert (each.ttft_p99_s, each.tpot_p99_s, each.e2e_mean_s) == (one.ttft_p99_s, one.tpot_p99_s, one.e2e_mean_s)


def test_what_one_failure_does_is_said() -> None:
    each = example()[0].services[0]
    pool = each.service.pool
    assert one_down(pool, None)[0] == "everything stops"
    assert one_down(replace(pool, name="reads"), None)[0] == "all of the pool stops"
    spared = replace(pool, systems=4, groups=2)  # half of them stand by
    down, _, (verdicts, queue), _ = one_down(spared, each.summary)
    assert down == "1 of 4"
    assert verdicts.startswith("keeps ")
    assert queue == "queue stays bounded"


def test_queue_and_prompt_make_the_time_to_the_first_token() -> None:
    told = findings()
    (row, *_) = first_token(told).rows
    requests, window = told.services[0].record.requests, told.result.window
    inside = window.holds(requests.arrived_at)
    waited, read = (
        requests.first_scheduled_at - requests.arrived_at,
        requests.first_token_at - requests.first_scheduled_at,
    )
    ttft = np.sort((waited + read)[inside])
    assert row[5:7] == [seconds(ttft[int(np.ceil(part * len(ttft))) - 1]) for part in (0.5, 0.99)]
    assert row[7] == share(waited[inside].sum() / ttft.sum())


def test_alerts_lie_between_capacity_and_promise() -> None:
    told = findings()
    each, capacity = told.services[1], told.capacities["DGX H100 8B"]
    held = capacity.summary
    assert held is not None
    rate, *others = list(thresholds(each, capacity))
    assert rate[0] == "requests a minute"
    assert float(str(rate[1]).replace(",", "")) == pytest.approx(0.8 * held.rpm, rel=0.05)  # two digits
    told_of = {row[0][0]: row for row in others}
    assert told_of["TTFT p90"][2] == "1 s"
    assert told_of["TTFT p90"][0][1] == SIGNALS["vllm"]["ttft"]
    assert list(thresholds(each, replace(capacity, summary=None))) == []


def test_engines_flags_are_there() -> None:
    ((name, replicas, (command, _)),) = commands(findings()).rows
    assert (name, replicas) == ("DGX H100 8B", "1")
    assert command.startswith("vllm serve ")
    wafers = Findings.of(replace(example()[0], services=example()[0].services[:1]), [], [])
    assert commands(wafers).rows == []
