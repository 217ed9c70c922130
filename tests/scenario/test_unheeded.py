"""What a run does not heed is said before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from infermodel.scenario import load, resolve

SCENARIO = """\
title: T
duration: 10 min
capacity: false
traffic:
  arrivals: {kind: poisson, rate: 60 /min}
  prompt_tokens: {kind: fixed, tokens: 100}
  output_tokens: {kind: fixed, tokens: 10}
services:
  - name: G
    model: llama-3.1-8b
    fleet: {system: dgx-h100, systems: 2}
    limits: {max_context: 8192}
"""
TENANTS = "services.0.rate_limits={tenants: [{name: a, priority: 0}, {name: b, priority: 1}]}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["services.0.outages=[{system: 0, at: 9 min, for: 5 min}]"], []),
        (
            ["services.0.outages=[{system: 0, at: 10 min, for: 5 min}]"],
            ["G: an outage never happens: it is from 600 s, though requests come until 600 s alone"],
        ),
        ([TENANTS], ["G: tenants' priority changes nothing: write queue: priority (or fair) in the service"]),
        ([TENANTS, "services.0.queue=priority"], []),
        ([TENANTS.replace("priority: 1", "priority: 0")], []),
    ],
)
def test_what_is_not_heeded_is_said(tmp_path: Path, changes: list[str], said: list[str]) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    assert list(resolve(load(tmp_path / "s.yaml", changes)).notes) == said
