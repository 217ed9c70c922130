"""KV memory by hand: ten blocks of 16 tokens; prompts of 40 tokens begin alike in two whole blocks."""

from __future__ import annotations

import numpy as np
import pytest

from infermodel.simulation.memory.ledger import BrokenLedger
from infermodel.simulation.memory.memory import HERE, Memory
from infermodel.simulation.recorder import RequestLog
from infermodel.workload.requests import Requests


def memory_and_log(prompt_ids: list[int], *, prefix_caching: bool = True) -> tuple[Memory, RequestLog]:
    log, count = RequestLog(), len(prompt_ids)
    forty, nothing = np.full(count, 40, np.int64), np.zeros(count, np.int64)
    log.extend(Requests(np.zeros(count), forty, forty, nothing, np.array(prompt_ids, np.int64)))
    return Memory(10, 16, log, prefix_caching=prefix_caching), log


def compute(memory: Memory, request: int, tokens: int) -> None:
    """A request takes what it finds of its prompt, and computes the rest."""
    found = memory.find(request, tokens - 1)
    cost, free = memory.cost(found, tokens), memory.free
    memory.take(request, found)
    memory.grow(-(-tokens // 16) - found.tokens // 16)
    assert memory.free == free - cost
    memory.publish(request)


def test_a_prompt_is_found_while_it_is_held_and_after() -> None:
    memory, log = memory_and_log([7, 7, 7])
    assert memory.find(0, 39).tokens == 0
    compute(memory, 0, 40)
    assert (memory.free, memory.cached) == (7, 0)
    found = memory.find(1, 39)
    assert (found.tokens, found.blocks, found.ready_at) == (32, 0, HERE)  # request 0 holds both: they cost nothing
    memory.give_back(0, 40)
    assert (memory.free, memory.cached, log.holding[0]) == (10, 2, -1)
    assert memory.find(1, 39).blocks == 2  # nobody holds them: they are taken from the free ones
    compute(memory, 1, 40)
    assert (memory.free, memory.cached) == (7, 0)
    compute(memory, 2, 40)
    assert memory.free == 6  # two blocks are shared, so the third request adds one
    memory.give_back(1, 40)
    assert (memory.free, memory.cached) == (7, 0)
    memory.grow(1)  # it decodes to 50 tokens: four blocks
    memory.give_back(2, 50)
    assert (memory.free, memory.cached) == (10, 2)


def test_no_more_is_found_than_was_asked_for() -> None:
    memory, _ = memory_and_log([7, 7])
    compute(memory, 0, 40)
    assert [memory.find(1, limit).tokens for limit in (15, 16, 31, 32, 39)] == [0, 16, 16, 32, 32]


def test_what_nobody_holds_makes_room_its_tail_first() -> None:
    memory, _ = memory_and_log([7, 8, 7])
    compute(memory, 0, 40)
    memory.give_back(0, 40)
    memory.grow(9)  # ten less two cached ones are eight: one of them goes
    assert (memory.free, memory.cached) == (1, 1)
    assert memory.find(2, 39).tokens == 16
    memory.grow(1)
    assert (memory.free, memory.cached, memory.find(2, 39).tokens) == (0, 0, 0)
    with pytest.raises(BrokenLedger, match="11 of 10 KV blocks"):
        memory.grow(1)


def test_whoever_computes_the_lost_tail_again_shares_it() -> None:
    memory, _ = memory_and_log([7, 7, 7])
    compute(memory, 0, 40)
    memory.give_back(0, 40)
    memory.grow(9)
    memory.grow(-9)
    compute(memory, 1, 40)  # finds one block, computes the second and third
    assert memory.find(2, 39).tokens == 32
    memory.give_back(1, 40)
    assert (memory.free, memory.cached) == (10, 2)


def test_power_that_goes_takes_everything_with_it() -> None:
    memory, log = memory_and_log([7, 7, 7])
    compute(memory, 0, 40)
    memory.reserve(10)
    memory.give_back(0, 40)
    memory.lose()
    assert (memory.free, memory.cached, memory.find(1, 39).tokens, log.holding[0]) == (10, 0, 0, -1)
    assert memory.may_reserve(10)
    assert not memory.may_reserve(11)


def test_without_a_prefix_cache_nothing_is_found() -> None:
    memory, log = memory_and_log([7, 7], prefix_caching=False)
    compute(memory, 0, 40)
    assert memory.find(1, 39).tokens == 0
    assert log.holding[0] == -1
    memory.give_back(0, 40)
    assert (memory.free, memory.cached) == (10, 0)
