"""A report's material, made by the real program from a small scenario: three fleets, their capacities, some claims."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from infermodel.experiment import Capacity, Result, Verdict, run
from infermodel.report.findings import Findings
from infermodel.scenario import load, resolve
from infermodel.search.capacity import find_capacity

SCENARIO = """
title: What do a CS-3 and an H100 server deliver?
description: Chat traffic on Llama 3.1.
seed: 1
requests: 300
traffic:
  arrivals: {kind: poisson, rate: 120 /min}
  prompt_tokens: {kind: lognormal, mean: 900, cv: 0.7, min: 16, max: 6000}
  output_tokens: {kind: fixed, tokens: 40}
objectives: {ttft_p90: 1 s, tpot_p90: 50 ms}
services:
  - name: CS-3 8B
    model: llama-3.1-8b
    fleet: {system: cs-3}
    limits: {max_context: 8192, max_sequences: 32}
    price: {purchase: cs-3, list: cerebras-2024-08}
  - name: DGX H100 8B
    model: llama-3.1-8b
    fleet: {system: dgx-h100, replicas: 1}
    limits: {max_context: 8192, max_sequences: 32}
    price: {rental: h100-sxm-lambda-2024-10}
  - name: CS-3 70B
    model: llama-3.1-70b
    fleet: {system: cs-3, systems: 4}
    limits: {max_context: 8192, max_sequences: 32}
    price: {purchase: cs-3, list: cerebras-2024-08}
claims:
  - {id: C01, statement: 8B on one CS-3 runs at 1800 tokens/s, published: 1800, unit: tok/s, source: launch article,
     answer: {service: CS-3 8B, value: output_speed_alone}}
"""


@cache
def example() -> tuple[Result, tuple[Capacity, ...], tuple[Verdict, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.yaml"
        path.write_text(SCENARIO, encoding="utf-8")
        scenario = resolve(load(path))
    capacities = tuple(find_capacity(scenario, service, width=0.3) for service in scenario.services)
    return run(scenario), capacities, VERDICTS


def verdict(id: str, statement: str, published: float, unit: str, modelled: float | None, **more: Any) -> Verdict:
    given = {
        "ratio": None if modelled is None else modelled / published,
        "used_to_fit": False,
        "verdict": "follows",
        "reason": "",
        "source": "launch article, 2024-08-28",
        **more,
    }
    return Verdict(id=id, statement=statement, published=published, unit=unit, modelled=modelled, **given)


VERDICTS = (
    verdict(
        "C01",
        "Llama 3.1 8B on one CS-3 runs at 1,800 tokens/s per user",
        1800,
        "tok/s",
        1800,
        used_to_fit=True,
        low=1500,
        high=2200,
        reason="the wafer's clock is fitted to this figure",
        bounds={"bandwidth roofline": 1.3e6, "measured clock, nothing fitted": 1943},
    ),
    verdict(
        "C05",
        "Llama 3.1 70B on four CS-3 runs at 450 tokens/s per user",
        450,
        "tok/s",
        478,
        low=400,
        high=560,
        reason="predicted by the constants that were fitted to 8B",
    ),
    verdict("C02", "90 tokens/s on a hyperscaler's GPU endpoint", 90, "tok/s", 156, verdict="does not follow"),
    verdict(
        "C07",
        "10 cents per million tokens for 8B",
        0.10,
        "USD/Mtok",
        0.31,
        low=0.12,
        high=0.55,
        verdict="follows only if the systems cost what their parts cost",
    ),
    verdict("C23", "21 PB/s is 7,000 times the bandwidth of an H100", 7000, "x", 6269),
    verdict("C36", "the lowest price of all", 1, "x", None, verdict="cannot be known", reason="no baseline is named"),
)


def findings() -> Findings:
    return Findings.of(*example())


HOSTILE = "=cmd|' /C calc'!A0 <script>alert(1)</script> ../../etc/passwd $x_1$ \u4e2d\u6587 \"q\" \n&"


def hostile() -> tuple[Result, tuple[Capacity, ...], tuple[Verdict, ...]]:
    """The same with every name and sentence that a user's file can hold replaced by something nasty."""
    result, capacities, verdicts = example()
    first = result.services[0]
    renamed = replace(
        first, summary=replace(first.summary, service=HOSTILE), service=replace(first.service, name=HOSTILE)
    )
    changed = replace(
        result,
        services=(renamed, *result.services[1:]),
        scenario=replace(result.scenario, title=HOSTILE, description=HOSTILE, notes=(HOSTILE,)),
    )
    return (
        changed,
        (replace(capacities[0], service=HOSTILE, note=HOSTILE), *capacities[1:]),
        (replace(verdicts[0], id=HOSTILE, statement=HOSTILE, reason=HOSTILE, source=HOSTILE), *verdicts[1:]),
    )
