"""Which pools a request may go through, and what a link may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.kit.toy_models import AffineModel

from infermodel.simulation import ByPromptLength, Limits, LinkSpec, PoolSpec, ServiceSpec
from infermodel.simulation.handover import Lightest
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Fixed
from infermodel.workload.traffic import OpenTraffic

LINK = LinkSpec(50e9, 50e9)
BOTH = PoolSpec(AffineModel(0.01), Limits(4, 64, 100))
PREFILL, DECODE = replace(BOTH, role="prefill", name="first"), replace(BOTH, role="decode", name="second")


def service(*pools: PoolSpec, link: LinkSpec | None = None) -> ServiceSpec:
    return ServiceSpec("chat", OpenTraffic(Poisson(1.0), Fixed(8), Fixed(8)), pools, link=link)


def test_a_prompt_may_be_as_long_as_the_first_pool_reads_and_an_answer_as_the_second_holds() -> None:
    short, long = Limits(4, 64, 40), Limits(4, 64, 100)
    spec = service(replace(PREFILL, limits=short), replace(DECODE, limits=long), link=LINK)
    assert (spec.longest_prompt, spec.most_tokens) == (39, 100)
    assert (service(BOTH).longest_prompt, service(BOTH).most_tokens) == (99, 100)


@pytest.mark.parametrize(
    ("pools", "link", "message"),
    [
        ((), None, "pools of the roles none"),
        ((BOTH, BOTH), LINK, "a link that leads nowhere"),
        ((BOTH, PREFILL), None, "both, prefill; requests go through one of some of role both, or"),
        ((DECODE, PREFILL), LINK, "decode, prefill"),
        ((PREFILL,), LINK, "prefill; requests"),
        ((BOTH,), LINK, "a link that leads nowhere"),
        ((PREFILL, DECODE), None, "needs a link"),
        ((PREFILL, replace(DECODE, router="shared_queue")), LINK, "a queue for each replica"),
    ],
)
def test_other_ways_are_refused(pools: tuple[PoolSpec, ...], link: LinkSpec | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        service(*pools, link=link)


def test_a_first_router_knows_of_every_pool() -> None:
    two = replace(service(BOTH, BOTH), first_router=ByPromptLength((50,)))
    assert (two.most_tokens, two.longest_prompt) == (100, 99)
    for pools, link, said in (((BOTH,), None, "both"), ((PREFILL, DECODE), LINK, "prefill, decode")):
        with pytest.raises(ValueError, match=f"a first router for 2 pools of role both, and pools of the roles {said}"):
            replace(service(*pools, link=link), first_router=ByPromptLength((50,)))
    with pytest.raises(ValueError, match="a first router for pools of role both, and pools of the roles prefill"):
        replace(service(PREFILL, DECODE, link=LINK), first_router=Lightest())
    for bounds in ((0,), (5, 5), (8, 3)):
        with pytest.raises(ValueError, match="each above the one before"):
            ByPromptLength(bounds)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out_bytes_per_s": 0.0}, "without bandwidth"),
        ({"shared_bytes_per_s": float("nan")}, "without bandwidth"),
        ({"latency_s": -1.0}, "0 or more"),
        ({"overlap": "layers"}, "reserved before the prompt is read"),
    ],
)
def test_links_that_carry_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(LINK, **changes)
