"""KV memory by hand: ten blocks of 16 tokens; prompts of 40 tokens begin alike in two whole blocks, answers have 40."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from infermodel.cost.block_pool import KvMemory, WindowGroups
from infermodel.engine import Findable
from infermodel.simulation import Limits
from infermodel.simulation.memory.ledger import BrokenLedger
from infermodel.simulation.memory.memory import HERE, NOTHING, Memory
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.replica.prompts import Prefill, Prompts
from infermodel.workload.requests import Requests


class Replica:
    """A memory, and what a scheduler would know of the requests: the tokens that they have, and those of this step."""

    def __init__(
        self,
        prompt_ids: Sequence[int],
        hashes: tuple[tuple[int, ...], ...] | None = None,
        *,
        caching: bool = True,
        findable: Findable = "scheduled",
        answers: bool = True,
        blocks: int = 10,
        prompt: int = 40,
        hash_tokens: int = 16,
        windows: tuple[WindowGroups, ...] = (),
    ) -> None:
        self.log, count = RequestLog(), len(prompt_ids)
        lengths, nothing = np.full(count, prompt, np.int64), np.zeros(count, np.int64)
        ids, hashed = np.array(prompt_ids, np.int64), hash_tokens if hashes else 0
        self.log.extend(Requests(np.zeros(count), lengths, nothing + 40, nothing, ids, hashes, hashed))
        limits = Limits(8, 100, 100, prefix_caching=caching, blocks_findable=findable, caches_answers=answers)
        self.done: dict[int, int] = {}
        self.step: dict[int, int] = {}
        self.memory = Memory(
            KvMemory(16 * blocks, 16, 1.0, 0.0, windows=windows),
            self.log,
            limits=limits,
            scheduled=lambda request: self.done[request] + self.step.get(request, 0),
            computed=self.done.__getitem__,
        )

    def found(self, request: int, limit: int = 39) -> int:
        return self.memory.find(request, limit).tokens

    def admit(self, request: int, tokens: int) -> int:
        """A request takes what it finds, and its step has tokens up to the given one; returns how many it finds."""
        found = self.memory.find(request, min(tokens, self.log.prompt_tokens[request]) - 1)
        self.memory.take(request, found)
        self.done[request], self.step[request] = found.tokens, tokens - found.tokens
        return found.tokens

    def run(self, request: int, tokens: int = 0) -> None:
        """Its step is done; the next one has so many tokens."""
        before, after = self.done[request], self.done[request] + self.step[request]
        self.memory.grow(-(-after // 16) + (-before // 16))
        self.done[request], self.step[request] = after, tokens

    def compute(self, request: int, tokens: int = 40) -> int:
        """Admit a request, and let it get so many tokens at once."""
        free = self.memory.free
        found = self.memory.find(request, self.log.prompt_tokens[request] - 1)
        cost = self.memory.cost(found, tokens)
        self.admit(request, tokens)
        self.run(request)
        assert self.memory.free == free - cost
        return found.tokens

    def end(self, request: int) -> None:
        self.memory.give_back(request, self.done.pop(request), ended=True)

    def preempt(self, request: int) -> None:
        self.memory.give_back(request, self.done.pop(request))
        self.log.preemptions[request] += 1

    @property
    def counts(self) -> tuple[int, int]:
        return self.memory.free, self.memory.cached


def test_a_prompt_is_found_while_it_is_held_and_after() -> None:
    replica = Replica([7, 7, 7])
    assert replica.found(0) == 0
    replica.compute(0)
    assert replica.counts == (7, 0)
    found = replica.memory.find(1, 39)
    assert (found.tokens, found.blocks, found.ready_at) == (32, 0, HERE)  # request 0 holds both: they cost nothing
    replica.end(0)
    assert (*replica.counts, replica.log.holding[0]) == (10, 2, -1)
    assert replica.memory.find(1, 39).blocks == 2  # nobody holds them: they are taken from the free ones
    replica.compute(1)
    assert replica.counts == (7, 0)
    replica.compute(2)
    assert replica.memory.free == 6  # two blocks are shared, so the third request adds one
    replica.end(1)
    assert replica.counts == (7, 0)
    replica.step[2] = 10
    replica.run(2)  # it decodes to 50 tokens: four blocks, three of them full
    replica.end(2)
    assert replica.counts == (10, 3)


def test_no_more_is_found_than_was_asked_for() -> None:
    replica = Replica([7, 7])
    replica.compute(0)
    assert [replica.found(1, limit) for limit in (15, 16, 31, 32, 39)] == [0, 16, 16, 32, 32]


def test_what_nobody_holds_makes_room_its_tail_first() -> None:
    replica = Replica([7, 8, 7])
    replica.compute(0)
    replica.end(0)
    replica.memory.grow(9)  # ten less two cached ones are eight: one of them goes
    assert replica.counts == (1, 1)
    assert replica.found(2) == 16
    replica.memory.grow(1)
    assert (*replica.counts, replica.found(2)) == (0, 0, 0)
    with pytest.raises(BrokenLedger, match="11 of 10 KV blocks"):
        replica.memory.grow(1)


WINDOW = WindowGroups(window=32, groups=1, held=3, most=5)
"""One group of layers that sees 32 tokens: three blocks of 16 hold what it sees wherever it begins, five a prompt."""


def test_what_windows_take() -> None:
    """Of 200 tokens layers that see all hold 13 blocks. A prompt of which 96 are done gives the blocks before token
    96 - 31 = 65 back, four of its 13; what decodes holds three.
    """
    memory = Replica([-1], blocks=20, windows=(WINDOW,)).memory
    assert [memory.cost(NOTHING, tokens) for tokens in (16, 48, 200)] == [2, 6, 26]
    assert [memory.charge(NOTHING, tokens) for tokens in (16, 48, 200)] == [2, 6, 18]
    assert [memory.in_windows(200, done) for done in (0, 31, 96, 199)] == [13, 13, 9, 3]
    assert [memory.held(tokens) for tokens in (16, 48, 49, 200)] == [2, 6, 7, 16]


def test_windows_that_move_push_prompts_out() -> None:
    """Of ten blocks two hold a prompt that is found again, and eight nothing. A window takes five and gives them back,
    to the end of the line; it takes four more, the three left and the prompt's last one.
    """
    replica = Replica([7, 7])
    replica.compute(0)
    replica.end(0)
    assert (*replica.counts, replica.found(1)) == (10, 2, 32)
    replica.memory.turn_over(5)
    assert (*replica.counts, replica.found(1)) == (10, 7, 32)
    replica.memory.turn_over(4)
    assert (*replica.counts, replica.found(1)) == (10, 10, 16)
    replica.memory.turn_over(50)
    assert (*replica.counts, replica.found(1)) == (10, 10, 0)


def test_room_that_is_spoken_for_is_made_before_others_look() -> None:
    replica = Replica([7, 7])
    replica.compute(0)
    replica.end(0)
    replica.memory.make_room(8)
    assert (*replica.counts, replica.found(1)) == (10, 2, 32)  # eight blocks hold nothing
    replica.memory.make_room(9)
    assert (*replica.counts, replica.found(1)) == (10, 1, 16)


def test_whoever_computes_the_lost_tail_again_shares_it() -> None:
    replica = Replica([7, 7, 7])
    replica.compute(0)
    replica.end(0)
    replica.memory.grow(9)
    replica.memory.grow(-9)
    replica.compute(1)  # finds one block, computes the second and third
    assert replica.found(2) == 32
    replica.end(1)
    assert replica.counts == (10, 2)


@pytest.mark.parametrize(
    ("findable", "scheduled", "half", "whole"),
    [("scheduled", 16, 32, 32), ("computed", 0, 16, 32), ("prompt_done", 0, 0, 32)],
)
def test_from_when_on_a_block_is_found(findable: Findable, scheduled: int, half: int, whole: int) -> None:
    replica = Replica([7, 7], findable=findable)
    replica.admit(0, 20)
    assert replica.found(1) == scheduled  # the step with 20 tokens is composed
    replica.run(0, 20)
    assert replica.found(1) == half  # it is done, the one with the other 20 is composed
    replica.run(0)
    assert replica.found(1) == whole


def test_the_same_blocks_may_lie_there_twice() -> None:
    replica = Replica([7, 7, 7], prompt=32)
    replica.compute(0, 32)
    assert replica.compute(1, 32) == 16  # the last token must be computed, and its block with it
    replica.end(0)
    assert replica.counts == (8, 1)  # the first block is held still, the second one lies there twice
    replica.memory.make_room(8)  # that of request 0 goes
    assert replica.found(2, 31) == 16
    assert replica.found(2, 32) == 32
    replica.end(1)
    assert replica.counts == (10, 2)


def test_answers_are_found_by_prompts_that_go_on_from_there() -> None:
    # Names 1 to 5 are a text of 80 tokens, 40 of them an answer; 1 and 2 lie within the prompt.
    for answers, expected in ((True, 64), (False, 32)):
        replica = Replica([-1, -1], ((1, 2, 3, 4, 5), (1, 2, 3, 4, 5)), answers=answers)
        replica.compute(0)
        replica.step[0] = 39  # the 40th token of the answer is never read
        replica.run(0)
        replica.end(0)
        assert replica.counts == (10, expected // 16)
        assert replica.found(1, 79) == expected


def test_texts_part_within_a_run() -> None:
    replica = Replica([-1] * 4, ((1, 2, 3, 4), (1, 2, 5, 6), (1, 2, 5, 7), (1, 9)), blocks=20, prompt=72)
    assert [replica.compute(request, 72) for request in range(3)] == [0, 32, 48]
    assert replica.found(3, 71) == 16
    for request in (1, 0, 2):
        replica.end(request)
    assert replica.counts == (20, 7)  # seven names are there, 1 to 7
    replica.memory.make_room(20 - 5)  # request 1 went first, of what nobody held any more its last block first: 6; 4
    assert [replica.found(request, 71) for request in range(3)] == [48, 48, 64]


def test_whoever_gives_way_finds_its_own_blocks_again() -> None:
    cases: list[tuple[Findable, int, int]] = [("scheduled", -1, 64), ("scheduled", 7, 64), ("computed", 7, 32)]
    for findable, names, kept in cases:
        replica = Replica([names, names, names], findable=findable)
        replica.compute(0)
        replica.step[0] = 25
        replica.run(0)  # 65 tokens: four full blocks and a token
        replica.preempt(0)
        assert replica.counts == (10, kept // 16)
        assert replica.found(1) == (32 if names == 7 else 0)  # others: the prompt, if it is the same
        assert replica.found(0, 64) == kept
        replica.memory.make_room(10 - kept // 16 + 1)  # its last block goes
        assert replica.found(0, 64) == kept - 16


def test_answers_that_nobody_looks_for_push_out_what_went_before_them() -> None:
    replica = Replica([7, -1, 7])
    replica.compute(0)
    replica.end(0)
    replica.compute(1)
    replica.step[1] = 39
    replica.run(1)  # five blocks, the last with 15 of 16 tokens
    replica.end(1)
    assert replica.counts == (10, 6)  # two of the prompt, four of the text nobody looks for
    replica.memory.make_room(5)  # four hold nothing; the next to go is the prompt's tail
    assert replica.found(2) == 16
    assert replica.counts == (10, 5)


def test_names_of_larger_or_smaller_blocks_than_the_engine_s() -> None:
    wide = Replica([-1, -1, -1], ((1, 2), (1, 2), (1, 3)), hash_tokens=64, blocks=20, prompt=150)
    wide.compute(0, 150)
    assert wide.found(1, 149) == 128
    assert wide.found(2, 149) == 64
    wide.end(0)
    wide.memory.make_room(20 - 5)  # of the blocks under two names, eight, five are left; the ninth went first
    assert wide.found(1, 149) == 80
    narrow = Replica([-1, -1], ((1, 2, 3, 4), (1, 2, 3, 5)), hash_tokens=8)
    narrow.compute(0)
    assert narrow.found(0) == 32
    assert narrow.found(1) == 16  # the second block is named by its end


def test_power_that_goes_takes_everything_with_it() -> None:
    replica = Replica([7, 7, 7])
    replica.compute(0)
    replica.memory.reserve(10)
    replica.end(0)
    replica.memory.lose()
    assert (*replica.counts, replica.found(1), replica.log.holding[0]) == (10, 0, 0, -1)
    assert replica.memory.may_reserve(10)
    assert not replica.memory.may_reserve(11)


def test_without_a_prefix_cache_nothing_is_found() -> None:
    replica = Replica([7, 7], caching=False)
    replica.compute(0)
    assert replica.found(1) == 0
    assert replica.log.holding[0] == -1
    replica.end(0)
    assert replica.counts == (10, 0)


@pytest.mark.parametrize(("ahead", "in_last_step", "left"), [(False, 4, 3), (True, 6, 4)])
def test_a_prompt_gives_back_what_is_behind_its_window_step_by_step(ahead: bool, in_last_step: int, left: int) -> None:
    """Four steps of 32 tokens: eight blocks of all layers, and eight of those with a window of 32, of which some are
    back before the last step. It computes tokens 96 to 127, and token 96 looks back on token 65, in the fifth block.
    An engine that composes the last step while the third runs still holds what token 64 looks back on, token 33. After
    the four, token 128 looks back on 97, and three blocks are the least that is held; composed ahead, on 65 as before.
    """
    memory = Replica([-1], blocks=40, prompt=160, windows=(WindowGroups(32, 1, 3, 5),)).memory
    prompts = Prompts(memory, {}, ahead=ahead)
    prompts.prefills.append(Prefill(0, 160, 0, 32))
    assert prompts.growth_of_all(4) == 8 + in_last_step
    assert prompts.advance(4) == (128, [])
    assert memory.used == 8 + left
