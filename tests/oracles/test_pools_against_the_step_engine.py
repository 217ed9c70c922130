"""Separate prefill and decode: every request against two kinds of machine and a link, played step by step.

All constants are multiples of a power of two, so that sums are exact in any order and times must be equal, not close.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.toy_models import AffineModel
from tests.oracles.played import requests as columns_of
from tests.oracles.played import rows_of
from tests.oracles.pools_engine import Job, Kind, Pools, Wire

from infermodel.simulation import Horizon, Limits, LinkSpec, PoolSpec, ServiceSpec, Stepping, simulate
from infermodel.tables import ServiceRecord
from infermodel.workload.traffic import TraceTraffic

BASE, SEQUENCE, CONTEXT, TOKEN, PAIR = 2.0**-6, 2.0**-10, 2.0**-20, 2.0**-14, 2.0**-22
BLOCK = 4

Row = tuple[float, int, int, int]


def step_s(contexts: list[int], chunks: list[tuple[int, int]]) -> float:
    """The toy law, written out: a base, and so much a sequence, a token of context, of prompt, and a pair of them."""
    prompt = sum(new * (TOKEN + PAIR * before) for new, before in chunks)
    return BASE + SEQUENCE * len(contexts) + CONTEXT * sum(contexts) + prompt


def one_base(contexts: list[int], chunks: list[tuple[int, int]]) -> float:
    """Every step takes the same: arrivals, transfers and the steps of all machines meet on one grid."""
    return BASE


def pool(kind: Kind, role: Any) -> PoolSpec:
    costs = (BASE,) if kind.step_s is one_base else (BASE, SEQUENCE, CONTEXT, TOKEN, PAIR)
    model = AffineModel(*costs, kv_tokens=kind.blocks * kind.block, block_tokens=kind.block)
    limits = Limits(kind.seats, kind.budget, 1 << 30, chunked_prefill=kind.chunked, schedules_ahead=kind.ahead)
    return PoolSpec(model, limits, kind.machines, router=kind.router, role=role)


def rate(seconds: float) -> float:
    return 1 / seconds if seconds else float("inf")


def spec_of(rows: Sequence[Row], reading: Kind, decoding: Kind, wire: Wire, **more: Any) -> ServiceSpec:
    link = LinkSpec(
        rate(wire.out_s),
        rate(wire.in_s),
        rate(wire.shared_s),
        wire.latency,
        wire.hop,
        reserved="before_prefill" if wire.before else "after_prefill",
        first_token=wire.first_token,
        kept_free_tokens=wire.kept_free,
        **more,
    )
    pools = pool(reading, "prefill"), pool(decoding, "decode")
    return ServiceSpec("service", TraceTraffic(columns_of(rows)), pools, link=link)


def check(
    rows: Sequence[Row], reading: Kind, decoding: Kind, wire: Wire, stepping: Stepping = "leap", **more: Any
) -> tuple[ServiceRecord, list[Job]]:
    """Play both; every request, every time, to the last bit."""
    jobs = [Job(number, at, prompt, output) for number, (at, prompt, output, _) in enumerate(rows)]
    Pools(reading, decoding, wire).play(jobs)
    (record,) = simulate([spec_of(rows, reading, decoding, wire, **more)], 1, Horizon(), stepping=stepping)
    assert record.link is not None
    table, handed = record.requests, record.link.handover
    for got, expected in (
        (table.first_scheduled_at, [job.scheduled for job in jobs]),
        (handed.prefilled_at, [job.read for job in jobs]),
        (handed.reserved_at, [job.reserved for job in jobs]),
        (handed.begun_at, [job.begun for job in jobs]),
        (handed.transferred_at, [job.there for job in jobs]),
        (handed.joined_at, [job.joined for job in jobs]),
        (table.first_token_at, [job.first for job in jobs]),
        (table.finished_at, [job.last for job in jobs]),
        (handed.prefill_replica, [job.reader for job in jobs]),
        (table.preemptions, [job.preemptions for job in jobs]),
    ):
        np.testing.assert_array_equal(got, expected)
    crossed = [job.decoder for job in jobs if job.output > 1]
    assert table.replica[table.output_tokens > 1].tolist() == crossed
    return record, jobs


# Gaps that are multiples of a step's base meet step boundaries exactly; zero gaps are bursts.
gaps = st.integers(0, 24).map(lambda steps: steps * BASE / 4) | st.sampled_from([0.0, 0.0, BASE])
kinds = st.builds(
    Kind,
    st.integers(1, 3),
    st.sampled_from([step_s, one_base]),
    seats=st.integers(1, 8),
    budget=st.integers(8, 60),
    blocks=st.integers(20, 40),
    block=st.just(BLOCK),
    router=st.sampled_from(["round_robin", "least_outstanding"]),
    ahead=st.booleans(),
    chunked=st.booleans(),
)
times = st.sampled_from([0.0, BASE / 256, BASE / 32, BASE / 8])
wires = st.builds(
    Wire,
    times,
    times,
    times,
    latency=st.sampled_from([0.0, BASE / 2, BASE * 1.25]),
    hop=st.sampled_from([0.0, BASE, BASE / 8]),
    before=st.booleans(),
    first_token=st.sampled_from(["prefill", "arrival", "decode"]),
    kept_free=st.sampled_from([0, 0, 6]),
)


def test_the_draws_wait_for_everything() -> None:
    """Forty requests of 30 + 20 tokens that come at once, little memory in both pools and a slow link: they wait for
    blocks, for the link and for a seat, and give way; the tests below would prove little otherwise.
    """
    kind = Kind(2, step_s, seats=3, budget=40, blocks=24, block=BLOCK)
    record, jobs = check([(0.0, 30, 20, 0)] * 40, kind, kind, Wire(BASE / 2, BASE / 256, first_token="prefill"))
    assert sum(job.reserved > job.read for job in jobs) > 10
    assert sum(job.begun > job.reserved for job in jobs) > 10
    assert sum(job.joined > job.there + BASE for job in jobs) > 5
    assert record.requests.preemptions.sum() > 10


drawn = st.tuples(rows_of(gaps, 40, 30), kinds, kinds, wires, st.sampled_from(["leap", "every"]))


@settings(max_examples=50, deadline=None)
@given(drawn)
def test_every_request(case: tuple[list[Row], Kind, Kind, Wire, Stepping]) -> None:
    check(*case)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(drawn)
def test_every_request_of_many_fleets(case: tuple[list[Row], Kind, Kind, Wire, Stepping]) -> None:
    check(*case)


@settings(max_examples=30, deadline=None)
@given(
    rows_of(gaps, 40, 20),
    kinds,
    kinds,
    st.builds(Wire, times, times, times, before=st.just(True), first_token=st.sampled_from(["arrival", "prefill"])),
    st.sampled_from(["chunks", "layers"]),
)
def test_what_crosses_while_prompts_are_read(
    rows: list[Row], reading: Kind, decoding: Kind, wire: Wire, overlap: str
) -> None:
    """Of four layers three can cross, or whatever the last chunk leaves; two ends of a link have one rate here."""

    def but_the_last_chunk(job: Job, chunk: int) -> float:
        return float((job.prompt - chunk) // BLOCK * BLOCK)

    sendable = but_the_last_chunk if overlap == "chunks" else lambda job, chunk: job.size * 0.75
    check(rows, reading, decoding, replace(wire, sendable=sendable), overlap=overlap, layers=4)
