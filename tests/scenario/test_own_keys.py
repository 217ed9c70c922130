"""Keys of a log and those of the tenants of a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from infermodel.scenario import load, resolve
from infermodel.scenario.errors import ScenarioErrors
from infermodel.workload.traffic import TraceTraffic

SCENARIO = """
title: Whose requests these are
traffic:
  arrivals: {kind: trace, file: log.csv, columns: {arrived: at_s, prompt: prompt, output: output, key: team}}
services:
  - name: one
    model: qwen3-8b
    fleet: {system: dgx-h100}
    objectives: {ttft_p99: 1 s, itl_p99: 1 s}
    rate_limits:
      tenants:
        - {name: red, objectives: {e2e_p95: 9 s}}
        - {name: blue, keys: 2, limits: [{period: 1 min, requests: 3}]}
  - {name: other, model: qwen3-8b, fleet: {system: dgx-h100}}
"""


def resolved(folder: Path, *teams: str) -> list[list[int] | None]:
    rows = "".join(f"{i},10,5,{team}\n" for i, team in enumerate(teams))
    (folder / "log.csv").write_text("at_s,prompt,output,team\n" + rows)
    (folder / "s.yaml").write_text(SCENARIO)
    found = []
    for service in resolve(load(folder / "s.yaml")).services:
        assert isinstance(service.traffic, TraceTraffic)
        key = service.traffic.requests.key
        found.append(None if key is None else key.tolist())
    return found


def test_keys_are_numbered_as_the_tenants_have_them(tmp_path: Path) -> None:
    # A tenant's only key has its name, others have numbers; the second service has no quotas.
    assert resolved(tmp_path, "blue-2", "red", "blue-1") == [[2, 0, 1], None]


def test_a_tenant_without_objectives_has_those_of_its_service(tmp_path: Path) -> None:
    resolved(tmp_path, "red")
    named, other = resolve(load(tmp_path / "s.yaml")).services
    assert [[each.name for each in promised] for promised in named.tenant_objectives] == [["e2e_p95"], ["ttft_p99"]]
    assert other.tenant_objectives == ()
    with pytest.raises(ScenarioErrors, match="gaps between tokens are known of all tenants together; write tpot"):
        load(tmp_path / "s.yaml", ["services.0.rate_limits.tenants.0.objectives={itl_p99: 1 s}"])


def test_a_key_that_no_tenant_has(tmp_path: Path) -> None:
    with pytest.raises(ScenarioErrors) as caught:
        resolved(tmp_path, "red", "blue", "green", "")
    said = str(caught.value)
    assert "s.yaml:11:" in said
    assert "the log has keys that no tenant has: none at all, 'blue', 'green'" in said
    assert "those of the tenants are red, blue-1, blue-2" in said
