"""Fleets of two pools: what each of them is, the link between them, and what is refused at its place."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest
from tests.kit.scenario_files import refused, resolved

from infermodel.scenario import resolve, to_yaml
from infermodel.scenario.document import parse
from infermodel.scenario.validation import validate
from infermodel.simulation.handover import LinkSpec

APART = """\
title: Prompts here, answers there
requests: 100
traffic:
  arrivals: {kind: poisson, rate: 1 /s}
  prompt_tokens: {kind: fixed, tokens: 1000}
  output_tokens: {kind: fixed, tokens: 100}
services:
  - name: apart
    model: llama-3.1-70b
    engine: sglang
    precision: {weights: fp8}
    limits: {max_context: 8192}
    fleet:
      pools:
        - {name: writers, role: decode, system: hgx-h200, tensor_parallel: 2, limits: {max_sequences: 64}}
        - {name: readers, role: prefill, system: dgx-h100, systems: 2, tensor_parallel: 4, router: round_robin}
      link: {latency: 3 ms}
    price: {rental: 2.5 USD/h}
"""

WAFER = "services.0.fleet.pools.0={name: wafer, role: decode, system: cs-3, systems: 4, engine: cerebras}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "apart.yaml"
    path.write_text(APART)
    return path


def test_the_pool_that_reads_prompts_comes_first_whatever_the_order(file: Path) -> None:
    service = resolved(file).services[0]
    readers, writers = service.pools
    assert (readers.name, readers.role) == ("readers", "prefill")
    assert (readers.system.name, readers.systems, readers.replicas) == ("dgx-h100", 2, 4)
    assert (writers.name, writers.role, writers.system.name, writers.replicas) == ("writers", "decode", "hgx-h200", 4)
    assert (service.prefill_pool, service.decode_pool) == (readers, writers)


def test_a_pool_says_what_differs_and_has_the_rest_of_its_service(file: Path) -> None:
    readers, writers = resolved(file).services[0].pools
    assert (readers.router, writers.router) == ("round_robin", "least_outstanding")
    assert (readers.engine.name, writers.engine.name) == ("sglang", "sglang")
    assert (readers.engine.rank_router, writers.engine.rank_router) == ("random", "round_robin")
    assert readers.limits.max_context == 8192
    assert writers.limits.max_sequences == 64
    assert writers.limits.max_context == 131072  # limits of its own, none of the service's
    assert readers.deployment.precision.weights == writers.deployment.precision.weights == "fp8"


def test_the_link_has_a_card_a_gpu_and_the_habits_of_the_engine(file: Path) -> None:
    # One ConnectX-7 port of 400 Gb/s a GPU: 50 GB/s, four GPUs a replica send and two receive.
    assert resolved(file).services[0].link == LinkSpec(
        out_bytes_per_s=4 * 50e9,
        in_bytes_per_s=2 * 50e9,
        shared_bytes_per_s=inf,
        latency_s=0.003,
        hop_s=0.002,
        reserved="before_prefill",
        overlap="chunks",
        layers=80,
        first_token="arrival",
        kept_free_tokens=512,
    )


def test_what_the_link_says_comes_before_habits(file: Path) -> None:
    said = (
        "services.0.fleet.link={bandwidth: 10 GB/s, shared_bandwidth: 100 GB/s, reserved: after_prefill, overlap: none}"
    )
    link = resolved(file, said).services[0].link
    assert link is not None
    assert (link.out_bytes_per_s, link.in_bytes_per_s, link.shared_bytes_per_s) == (40e9, 20e9, 100e9)
    assert (link.reserved, link.overlap, link.first_token) == ("after_prefill", "none", "arrival")


def test_vllm_computes_the_last_token_of_a_prompt_again_where_it_decodes(file: Path) -> None:
    link = resolved(file, "services.0.engine=vllm").services[0].link
    assert link is not None
    assert (link.reserved, link.overlap, link.first_token) == ("after_prefill", "none", "decode")


def test_a_system_of_wafers_has_one_card(file: Path) -> None:
    service = resolved(file, WAFER).services[0]
    assert service.link is not None
    writers = service.decode_pool
    assert service.link.in_bytes_per_s == writers.devices_per_replica * writers.system.network.bandwidth


def test_without_a_link_said_there_is_one(file: Path) -> None:
    file.write_text(APART.replace("      link: {latency: 3 ms}\n", ""))
    link = resolved(file).services[0].link
    assert link is not None
    assert link.latency_s == 0.001


def test_the_resolved_scenario_loads_again_to_the_same_digest(file: Path) -> None:
    scenario = resolved(file, "services.0.speculation={draft: llama-3.2-1b, tokens: 3, acceptance: 0.7}")
    again = resolve(validate(parse(to_yaml(scenario), "again.yaml")))
    assert again.digest == scenario.digest
    assert [pool.speculation is None for pool in again.services[0].pools] == [True, False]


@pytest.mark.parametrize(
    "change",
    [
        "services.0.fleet.link.latency=4 ms",
        "services.0.fleet.link.bandwidth=49 GB/s",
        "services.0.fleet.pools.0.tensor_parallel=4",
        "services.0.fleet.pools.1.router=random",
        "services.0.fleet.pools.1.price={rental: 3 USD/h}",
    ],
)
def test_the_digest_knows_pools_and_link(file: Path, change: str) -> None:
    assert resolved(file, change).digest != resolved(file).digest


def test_a_pool_may_cost_something_else(file: Path) -> None:
    readers, writers = resolved(file, "services.0.fleet.pools.0.price={rental: 3.6 USD/h}").services[0].pools
    assert readers.prices.rental_usd_per_device_s is not None
    assert writers.prices.rental_usd_per_device_s is not None
    assert readers.prices.rental_usd_per_device_s.mid == pytest.approx(2.5 / 3600)
    assert writers.prices.rental_usd_per_device_s.mid == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "services.0.fleet.pools.0.role=prefill",
            ":15:9: services.0.fleet.pools: pools of the roles prefill, prefill",
        ),
        ("services.0.fleet.pools.0.role=both", "pools of the roles both, prefill; one of role prefill and one of role"),
        ("services.0.fleet.pools.0.name=readers", "is the name of another pool already"),
        (
            "services.0.fleet.system=dgx-h100",
            "services.0.fleet.system: 'system' stands beside 'pools'; write it in each",
        ),
        ("services.0.fleet.pools.1.tensor_parallel=32", "services.0.fleet.pools.1: a replica takes 32 devices"),
        ("services.0.fleet.pools.1.systems=0", "services.0.fleet.pools.1.systems"),
        ("services.0.fleet.pools.1.engine=cerebras", "services.0.fleet.pools.1.engine: 'cerebras' does not run on"),
        ("services.0.fleet.pools.0.limits.max_context=200000", "services.0.fleet.pools.0.limits.max_context"),
        ("services.0.limits.max_context=200000", "services.0.limits.max_context: Llama 3.1 70B reads"),
        (
            "services.0.fleet.pools.0.precision={weights: fp8, kv_cache: fp8}",
            "keeps keys and values in bf16, the other",
        ),
        ("services.0.fleet.link.bandwidth=0 GB/s", "services.0.fleet.link.bandwidth"),
        ("services.0.fleet.link={overlap: layers, reserved: after_prefill}", "services.0.fleet.link: overlap 'layers'"),
        ("services.0.fleet.pools.0.router=shared_queue", "a decoding pool without a queue for each replica"),
        ("services.0.outages=[{system: 0, at: 1 s, for: 2 s}]", "outages of the service name no pool"),
        ("services.0.fleet.link.bandwith=3 GB/s", "did you mean 'bandwidth'?"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(file: Path, change: str, said: str) -> None:
    assert any(said in each for each in refused(file, change)), refused(file, change)


def test_a_link_without_pools_leads_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    start, _, rest = APART.partition("    fleet:\n")
    path.write_text(f"{start}    fleet: {{system: dgx-h100, link: {{latency: 1 ms}}}}\n")
    assert rest
    assert any("services.0.fleet.link: leads nowhere: the fleet has no 'pools'" in each for each in refused(path))
    path.write_text(f"{start}    fleet: {{systems: 2}}\n")
    assert any("services.0.fleet: the key 'system' is missing" in each for each in refused(path))
