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
from infermodel.simulation import Horizon, Limits, LinkSpec, Outage, PoolSpec, ServiceSpec, one_pool, simulate
from infermodel.simulation.clients.joining import joining_s
from infermodel.simulation.handover import FirstToken, Overlap, Reserved
from infermodel.simulation.lifetimes import DrawnTime, FailureSpec
from infermodel.simulation.pool.router import SHARED_QUEUE
from infermodel.simulation.scaling import ScalingSpec
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
    """The pools of two services as one service, whose traffic is the first one's."""
    router = "round_robin" if decodes.pool.router == SHARED_QUEUE else decodes.pool.router
    pools = replace(reads.pool, role="prefill"), replace(decodes.pool, role="decode", router=router)
    return replace(reads, pools=pools, link=link)


separate_specs = st.builds(separate, specs, specs, links)


@settings(max_examples=35, deadline=None)
@given(separate_specs, st.integers(1, 40), st.integers(0, 1000))
def test_leaps_change_nothing_and_every_law_holds(spec: ServiceSpec, requests: int, seed: int) -> None:
    (leap,), (every,) = (
        simulate([spec], seed, Horizon(requests=requests), stepping=stepping) for stepping in ("leap", "every")
    )
    assert bits(leap) == bits(every)
    assert [each.law for each in check_laws(leap)][: len(LAWS) + len(LINK_LAWS)] == [*LAWS, *LINK_LAWS]


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


# ---- on paper: replicas that fail, two of each pool on systems of their own ------------------------------------------

TWO: Final[Mapping[str, Any]] = {"replicas": 2, "systems": 2}


def fails(at_s: float) -> dict[str, Any]:
    """A pool of two replicas whose first one is down from then on."""
    return {**TWO, "outages": (Outage(0, at_s, 1000.0),)}


def test_whoever_decodes_on_a_replica_that_fails_is_read_again() -> None:
    """Read from 0 to 1, tokens at 1, 2 (and 3, 4). The replica fails at 2.5, with two tokens given: 16 + 2 are read by
    3.5, which makes the third, and the fourth follows at 4.5 on the other replica. Where the last token is read again,
    all comes a second later, and so does the failure. 4 blocks of 4 bytes crossed in vain, then 5.
    """
    cases: tuple[tuple[FirstToken, float, float], ...] = (
        ("prefill", 2.5, 4.5),
        ("arrival", 2.5, 4.5),
        ("decode", 3.5, 6.5),
    )
    for first_token, fails_at, last in cases:
        record = played([(0.0, 16, 4)], replace(FREE, first_token=first_token), decodes=fails(fails_at))
        assert record.link is not None
        assert record.requests.finished_at.tolist() == [last]
        assert (record.link.link_bytes, record.link.lost_bytes, handover(record).link_bytes.tolist()) == (36, 16, [20])
        assert (record.requests.replica.tolist(), handover(record).answer_tokens.tolist()) == ([1], [2])
        assert record.pools[0].timeline.columns["prompt_tokens"].sum() == 16 + 18
        assert record.gaps.gaps == 3


def test_what_is_too_long_for_readers_is_read_where_it_decodes() -> None:
    """As above, with memory for the prompt alone where it was read: the other writer reads 18 tokens by 3.5."""
    record = played([(0.0, 16, 4)], FREE, {"step_model": replace(SECOND, kv_tokens=16)}, fails(2.5))
    assert record.requests.finished_at.tolist() == [4.5]
    assert [pool.timeline.columns["prompt_tokens"].sum() for pool in record.pools] == [16, 18]


def test_what_has_been_read_on_a_replica_that_fails_is_read_again() -> None:
    """Read by 1; 16 bytes at 8 a second until 3, but the reader fails at 2. The other reads from 2 to 3: the same 16
    tokens, there at 5; or 17 where the first had been given, which makes the second: 5 blocks, there at 5.5.
    """
    cases: tuple[tuple[FirstToken, float, int, float], ...] = (("arrival", 8.0, 1, 32), ("prefill", 7.5, 0, 36))
    for first_token, last, unseen, crossed in cases:
        link = LinkSpec(8.0, inf, first_token=first_token)
        for each in (link, replace(link, reserved="before_prefill")):
            record = played([(0.0, 16, 4)], each, reads=fails(2.0))
            assert record.link is not None
            assert record.requests.finished_at.tolist() == [last]
            assert (record.link.lost_tokens, record.link.lost_bytes, record.link.link_bytes) == (unseen, 16, crossed)
            assert handover(record).prefill_replica.tolist() == [1]


def test_what_is_read_is_sent_again_where_the_receiver_fails() -> None:
    """Under way from 1 to 3, the receiver fails at 2: the card is done with it at 3, then sends to the other until 5.
    Nothing is read again, though blocks were set aside before: three more tokens by 8.
    """
    link = LinkSpec(8.0, inf, first_token="arrival")
    for each in (link, replace(link, reserved="before_prefill")):
        record = played([(0.0, 16, 4)], each, decodes=fails(2.0))
        assert record.requests.finished_at.tolist() == [8.0]
        assert record.pools[0].timeline.columns["prompt_tokens"].sum() == 16
        assert (handover(record).begun_at.tolist(), handover(record).transferred_at.tolist()) == ([3.0], [5.0])


@pytest.mark.parametrize("fails_at", [0.5, 1.5])
def test_a_reader_reads_on_where_the_receiver_fails(fails_at: float) -> None:
    """Blocks are set aside at 0, on a replica that fails: a prompt of two steps is read on, and asked for anew half a
    second after it is read, at 2.5, when it comes at once. Three more tokens by 5.5.
    """
    link = LinkSpec(inf, inf, reserved="before_prefill", first_token="arrival", hop_s=0.5)
    record = played([(0.0, 128, 4)], link, decodes=fails(fails_at))
    assert record.requests.finished_at.tolist() == [5.5]
    assert record.pools[0].timeline.columns["prompt_tokens"].sum() == 128


def test_an_answer_that_ends_where_its_prompt_is_read_again_leaves_the_queue() -> None:
    """The first has 20 tokens and 5 of 8 blocks of the receiver when the second, read by 5, wants 4: it waits. Its
    reader fails at 6, the other reads it and its first token by 7, which makes the last of two. When the first is
    answered at 12 there is nobody to set blocks aside for; a third gets them.
    """
    rows = [(0.0, 16, 12), (4.0, 16, 2), (20.0, 16, 2)]
    small = {"step_model": replace(SECOND, kv_tokens=32)}
    record = played(rows, FREE, reads=fails(6.0), decodes=small)
    assert record.requests.finished_at.tolist() == [12.0, 7.0, 22.0]
    longer = played([rows[0], (4.0, 16, 3)], FREE, reads=fails(6.0), decodes=small)
    assert longer.requests.finished_at.tolist() == [12.0, 13.0]
    assert handover(longer).answer_tokens.tolist() == [0, 1]


def test_replicas_of_both_pools_stop_only_when_they_hold_nothing() -> None:
    """Two of each pool until 0.5, then one is enough. The second reader has read its prompt by 1 and holds it until it
    has crossed, at 3; the second writer, whose blocks were set aside before, has its three other tokens by 6.
    """
    link = LinkSpec(8.0, inf, reserved="before_prefill", first_token="prefill")
    scaling = ScalingSpec(1, 2, "in_flight", 100.0, 0.0, 0.5, cooldown_s=0.0, schedule=((0.0, 2), (0.5, 1)))
    scaled = {**TWO, "scaling": scaling}
    record = played([(0.0, 16, 4), (0.0, 16, 4)], link, scaled, scaled)
    assert record.requests.finished_at.tolist() == [6.0, 6.0]
    for pool, since, until in zip(record.pools, (0.5, 0.5), (3.0, 6.0), strict=True):
        assert pool.states is not None
        draining = pool.states.state == "draining"
        spans = pool.states.replica[draining], pool.states.start_s[draining], pool.states.end_s[draining]
        assert [each.tolist() for each in spans] == [[1], [since], [until]]


def test_failures_that_never_come_change_no_bit() -> None:
    never = {**TWO, "failures": FailureSpec(DrawnTime(1e9), DrawnTime(1.0))}
    rows = [(0.3 * i, 16 + i, 5) for i in range(30)]
    link = LinkSpec(16.0, inf, first_token="arrival")
    steady, failing = played(rows, link, TWO, TWO), played(rows, link, never, never)
    states = [pool.states for pool in failing.pools]
    assert all(states)
    assert bits(steady) == {name: values for name, values in bits(failing).items() if not name.startswith("states")}
