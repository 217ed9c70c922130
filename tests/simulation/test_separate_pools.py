"""A pool that reads prompts and one that decodes: leaps, laws, and what follows on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any, Final, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.drawn_services import bits, specs
from tests.kit.toy_models import AffineModel

from infermodel.cost.block_pool import WindowGroups
from infermodel.metrics.laws import LAWS, check_laws
from infermodel.metrics.link_laws import LINK_LAWS
from infermodel.simulation import Horizon, Limits, LinkSpec, PoolSpec, ServiceSpec, one_pool, simulate
from infermodel.simulation.clients.joining import joining_s
from infermodel.simulation.handover import FirstToken, Overlap, Reserved
from infermodel.simulation.pool.router import SHARED_QUEUE
from infermodel.tables import HandoverTable, ServiceRecord
from infermodel.workload.lengths import Fixed
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import ClosedTraffic, ThinkTime, TraceTraffic

links = st.builds(
    LinkSpec,
    st.sampled_from([inf, 3e4, 400.0]),
    st.sampled_from([inf, 5e4, 700.0]),
    st.sampled_from([inf, 9e4, 1500.0]),
    latency_s=st.sampled_from([0.0, 0.003, 0.2]),
    hop_s=st.sampled_from([0.0, 0.004]),
    reserved=st.just("before_prefill"),
    overlap=st.sampled_from(get_args(Overlap)),
    layers=st.sampled_from([1, 32]),
    first_token=st.sampled_from(get_args(FirstToken)),
    kept_free_tokens=st.sampled_from([0, 0, 20]),
) | st.builds(
    LinkSpec,
    st.sampled_from([inf, 3e4, 400.0]),
    st.sampled_from([inf, 5e4, 700.0]),
    latency_s=st.sampled_from([0.0, 0.003, 0.2]),
    hop_s=st.sampled_from([0.0, 0.004]),
    first_token=st.sampled_from(get_args(FirstToken)),
    kept_free_tokens=st.sampled_from([0, 0, 20]),
)


def separate(reads: ServiceSpec, decodes: ServiceSpec, link: LinkSpec) -> ServiceSpec:
    """The pools of two services as one service, whose traffic is the first one's and which nothing befalls."""
    router = "round_robin" if decodes.pool.router == SHARED_QUEUE else decodes.pool.router
    steady = {"outages": (), "failures": None, "scaling": None}
    pools = (
        replace(reads.pool, role="prefill", **steady),
        replace(decodes.pool, role="decode", router=router, **steady),
    )
    return replace(reads, pools=pools, link=link)


separate_specs = st.builds(separate, specs, specs, links)


@settings(max_examples=35, deadline=None)
@given(separate_specs, st.integers(1, 40), st.integers(0, 1000))
def test_leaps_change_nothing_and_every_law_holds(spec: ServiceSpec, requests: int, seed: int) -> None:
    (leap,), (every,) = (
        simulate([spec], seed, Horizon(requests=requests), stepping=stepping) for stepping in ("leap", "every")
    )
    assert bits(leap) == bits(every)
    assert [each.law for each in check_laws(leap)] == [*LAWS, *LINK_LAWS]


# ---- on paper: steps of a second, tokens of a byte, blocks of four ---------------------------------------------------

SECOND = AffineModel(1.0, kv_tokens=400, block_tokens=4)
LIMITS = Limits(8, 64, 400)
AS_ABOVE: Final[Mapping[str, Any]] = {}
FREE = LinkSpec(inf, inf, first_token="prefill")


def rows_of(rows: list[tuple[float, int, int]], prompt_ids: list[int] | None = None) -> TraceTraffic:
    """Requests of (arrival, prompt, output)."""
    arrived, prompts, outputs = (np.array(column) for column in zip(*rows, strict=True))
    names = np.array(prompt_ids if prompt_ids is not None else [-1] * len(rows), np.int64)
    return TraceTraffic(Requests(arrived.astype(float), prompts, outputs, np.zeros(len(rows), np.int64), names))


def played(
    rows: list[tuple[float, int, int]],
    link: LinkSpec = FREE,
    reads: Mapping[str, Any] = AS_ABOVE,
    decodes: Mapping[str, Any] = AS_ABOVE,
    prompt_ids: list[int] | None = None,
) -> ServiceRecord:
    """Requests of (arrival, prompt, output) through two pools of one replica, with further fields of either."""
    pools = (
        PoolSpec(**{"step_model": SECOND, "limits": LIMITS, "role": "prefill", **reads}),
        PoolSpec(**{"step_model": SECOND, "limits": LIMITS, "role": "decode", **decodes}),
    )
    (record,) = simulate([ServiceSpec("service", rows_of(rows, prompt_ids), pools, link=link)], 1, Horizon())
    check_laws(record)
    return record


def handover(record: ServiceRecord) -> HandoverTable:
    assert record.link is not None
    return record.link.handover


def test_one_request_by_hand() -> None:
    """Read from 0 to 1; 16 bytes at 8 a second out, 32 in: 2 s, and 0.25 s of latency, after half a second between the
    pools: there at 3.75. Three more tokens at 4.75, 5.75, 6.75; where the last token is read again, a step later.
    """
    link = LinkSpec(8.0, 32.0, latency_s=0.25, hop_s=0.5)
    cases: tuple[tuple[FirstToken, float, float], ...] = (
        ("prefill", 1.0, 6.75),
        ("arrival", 3.75, 6.75),
        ("decode", 4.75, 7.75),
    )
    for first_token, first, last in cases:
        record = played([(0.0, 16, 4)], replace(link, first_token=first_token))
        way = handover(record)
        times = way.prefilled_at, way.reserved_at, way.begun_at, way.transferred_at, way.joined_at
        assert [each.tolist() for each in times] == [[1.0], [1.5], [1.5], [3.75], [3.75]]
        assert record.requests.first_token_at.tolist() == [first]
        assert record.requests.last_token_at.tolist() == [last]
        read = record.pools[0].timeline.columns
        assert (read["prompt_tokens"].sum(), read["output_tokens"].sum()) == (16, first_token != "decode")
        assert record.link is not None
        assert (record.link.link_bytes, record.link.out_busy_s.tolist(), record.link.in_busy_s.tolist()) == (
            16,
            [2],
            [0.5],
        )


@pytest.mark.parametrize(
    ("read_s", "out", "shared", "received"),
    [(4.0, 16.0, 32.0, 64.0), (1.0, 8.0, 32.0, 64.0), (1.0, 16.0, 4.0, 64.0), (1.0, 16.0, 32.0, 8.0)],
)
def test_a_tandem_of_deterministic_queues(read_s: float, out: float, shared: float, received: float) -> None:
    """Prompts one at a time, then three stretches of the link: the first passes all of them in the sum of reading and
    the slowest stretch, for it is sent on at once; after it one comes in every period of whatever is slowest.
    """
    link = LinkSpec(out, received, shared, first_token="prefill")
    reads = {"step_model": replace(SECOND, base_s=read_s), "limits": replace(LIMITS, max_batched_tokens=32)}
    way = handover(played([(0.0, 32, 2)] * 10, link, reads))
    slowest_s = 32 / min(out, shared, received)
    expected = read_s + slowest_s + max(read_s, slowest_s) * np.arange(10)
    assert way.transferred_at.tolist() == expected.tolist()


def test_with_an_infinitely_fast_link_and_nobody_else_two_pools_are_one() -> None:
    """One request at a time: TTFT is that of the pool that reads, TPOT that of the pool that decodes, to the bit."""
    model = AffineModel(0.01, 1e-4, 1.1e-6, 3.3e-5, 1e-8)
    slow = replace(model, base_s=0.05)
    rows = [(8.0 * number, 10 + 7 * number, 2 + 5 * number) for number in range(12)]
    both = [one_pool("alone", each, rows_of(rows), LIMITS) for each in (model, slow)]
    fast, late = (simulate([spec], 1, Horizon())[0].requests for spec in both)
    one = played(rows, reads={"step_model": model}, decodes={"step_model": model}).requests
    two = played(rows, reads={"step_model": model}, decodes={"step_model": slow}).requests
    assert one.first_token_at.tolist() == two.first_token_at.tolist() == fast.first_token_at.tolist()
    assert one.last_token_at.tolist() == fast.last_token_at.tolist()
    np.testing.assert_allclose(
        two.last_token_at - two.first_token_at, late.last_token_at - late.first_token_at, rtol=1e-12
    )


@pytest.mark.parametrize(
    ("overlap", "rate", "there"),
    [
        ("none", 16.0, 8.0),  # 64 bytes after 4 s
        ("chunks", 16.0, 5.0),  # three chunks of a second each have crossed, the last one follows
        ("chunks", 8.0, 9.0),  # the first is there at 1 s, and each takes 2 s: 3, 5, 7, 9
        ("layers", 16.0, 4.0 + 0.5),  # 7 of 8 layers could cross, and the link has had time for 56 bytes
        ("layers", 8.0, 4.0 + (64 - 8 * 3.5) / 8),  # for seven eighths of 4 s there was something to send: 28 bytes
    ],
)
def test_what_crosses_while_a_prompt_is_read(overlap: Overlap, rate: float, there: float) -> None:
    """Four chunks of 16 tokens, a second each."""
    link = LinkSpec(rate, inf, first_token="prefill", reserved="before_prefill", overlap=overlap, layers=8)
    record = played([(0.0, 64, 2)], link, {"limits": replace(LIMITS, max_batched_tokens=16)})
    way = handover(record)
    assert (way.reserved_at.tolist(), way.prefilled_at.tolist()) == ([0.0], [4.0])
    assert way.transferred_at.tolist() == [there]
    assert record.link is not None
    assert (record.link.link_bytes, record.link.out_busy_s.tolist()) == (64.0, [64 / rate])


def test_what_is_copied_stays_until_it_is_there() -> None:
    """Memory for the prompt of one at a time: the second is read when the first has been copied, 4 s after it."""
    small = {"step_model": replace(SECOND, kv_tokens=32)}
    record = played([(0.0, 32, 2)] * 2, LinkSpec(8.0, inf, first_token="prefill"), small)
    assert record.requests.first_scheduled_at.tolist() == [0.0, 5.0]
    assert record.requests.first_token_at.tolist() == [1.0, 6.0]


def test_whoever_finds_no_room_where_it_decodes_waits_where_it_was_read() -> None:
    """Memory for one: the second crosses when the first, which has five tokens at 5 s, is answered."""
    small = {"step_model": replace(SECOND, kv_tokens=36)}
    way = handover(played([(0.0, 32, 5)] * 2, replace(FREE, out_bytes_per_s=64.0), decodes=small))
    assert way.prefilled_at.tolist() == [1.0, 1.0]
    assert way.reserved_at.tolist() == [1.0, 5.5]
    assert way.transferred_at.tolist() == [1.5, 6.0]


def test_a_prompt_that_lies_there_already_does_not_cross_again() -> None:
    """Of 34 tokens 8 blocks are found in the decoding pool's own cache, and the ninth crosses."""
    caching = {"limits": replace(LIMITS, prefix_caching=True)}
    record = played([(0.0, 34, 2), (20.0, 34, 2)], FREE, decodes=caching, prompt_ids=[7, 7])
    way = handover(record)
    assert way.cached_tokens.tolist() == [0, 32]
    assert way.link_bytes.tolist() == [36.0, 4.0]
    assert record.pools[0].timeline.columns["prompt_tokens"].sum() == 68


def test_answers_of_one_token_end_where_the_prompt_is_read() -> None:
    for reserved in get_args(Reserved):
        record = played([(0.0, 16, 1), (0.0, 16, 2)], replace(FREE, reserved=reserved))
        assert record.requests.finished_at.tolist() == [1.0, 2.0]
        assert handover(record).link_bytes.tolist() == [0.0, 16.0]


def test_only_what_a_window_holds_crosses() -> None:
    """Two groups of layers, one sees 8 tokens: of 40 tokens it holds 3 blocks at most, the other all 10."""
    pooled = (WindowGroups.of(8, 1, 4, 64, 0),)
    model = replace(SECOND, pooled=pooled)
    record = played([(0.0, 40, 3)], FREE, {"step_model": model}, {"step_model": model})
    assert pooled[0].held == 3
    assert handover(record).link_bytes.tolist() == [(10 + 3) * 4.0]


def test_each_rank_has_its_share_of_the_cards() -> None:
    """Two ranks: two requests cross side by side, each at half of 16 bytes a second."""
    ranks = {"step_model": replace(SECOND, ranks=2)}
    way = handover(played([(0.0, 32, 2)] * 2, LinkSpec(inf, 16.0, first_token="prefill"), decodes=ranks))
    assert way.transferred_at.tolist() == [5.0, 5.0]
    alone = handover(played([(0.0, 32, 2)] * 2, LinkSpec(inf, 16.0, first_token="prefill")))
    assert alone.transferred_at.tolist() == [3.0, 5.0]


def test_users_of_two_pools_come_over_an_answer_of_both() -> None:
    """A prompt of 40 tokens takes 1 s, each of 20 tokens 0.5 s: a user comes every 2.2 s of the 11."""
    traffic = ClosedTraffic(5, Fixed(40), Fixed(20), ThinkTime(0.0), start="spread")
    pools = (
        PoolSpec(SECOND, LIMITS, role="prefill"),
        PoolSpec(replace(SECOND, base_s=0.5), LIMITS, role="decode"),
    )
    assert joining_s(ServiceSpec("service", traffic, pools, link=FREE)) == 11.0


def test_what_is_on_its_way_stays_there_while_other_services_go_on() -> None:
    """Transfers of 8 s, one after the other: when the first five requests are answered others are under way, and stay
    so, though a second service has an answer of 90 s to give.
    """
    pools = (PoolSpec(SECOND, LIMITS, role="prefill"), PoolSpec(SECOND, LIMITS, role="decode"))
    users = ClosedTraffic(5, Fixed(8), Fixed(2), start="together")
    spec = ServiceSpec("apart", users, pools, link=replace(FREE, shared_bytes_per_s=1.0))
    long = one_pool("long", SECOND, rows_of([(0.0, 8, 90)] * 2), LIMITS)
    (alone,), (beside, _) = (simulate(services, 1, Horizon(requests=5)) for services in ([spec], [spec, long]))
    begun = handover(alone).link_bytes > 0
    assert np.isnan(handover(alone).transferred_at[begun]).any()
    assert bits(beside) == bits(alone)
    check_laws(beside)
