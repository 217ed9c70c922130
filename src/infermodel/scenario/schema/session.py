"""Questions and conversations of several calls as a scenario writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infermodel.scenario.schema.lengths import LengthsField
from infermodel.scenario.schema.types import MOST_CALLS, MOST_SYSTEM_TOKENS, CallCount, Seconds
from infermodel.scenario.schema.values import Block, Choice, Whole, refuse


class Chain(Block):
    """Calls one after the other, each reading all before it: an agent with tools."""

    calls: CallCount = Field(description="how many, at most 10 000")
    added: LengthsField | None = Field(default=None, description="tokens that a tool adds before each further call")
    wait: Seconds = Field(default=0.0, description="for the tool, before each further call")


class Conversation(Block):
    """A user and the service in turns, each prompt being all that was said before and what the user says then."""

    turns: CallCount = Field(description="of the user, at most 10 000; on average with `turns_law: geometric`")
    turns_law: Annotated[Literal["fixed", "geometric"], Choice("law", ("fixed", "geometric"))] = Field(
        default="fixed", description="`geometric`: after each turn a conversation may end, whenever that is"
    )
    user_tokens: LengthsField = Field(description="that the user adds in each turn after the first")
    think_time: Seconds = Field(default=0.0, description="from an answer until the user has written the next turn")
    think_time_law: Annotated[Literal["fixed", "exponential"], Choice("law", ("fixed", "exponential"))] = Field(
        default="exponential", description="of that time"
    )
    system_tokens: Annotated[int, Whole(tokens=True, at_most=MOST_SYSTEM_TOKENS)] | None = Field(
        default=None,
        description="of a system prompt that all conversations begin with, beside `prompt_tokens`; at most a million",
    )


class BestOf(Block):
    """Several answers to the same question at once."""

    answers: CallCount = Field(description="how many, at most 10 000")
    verdict: LengthsField | None = Field(
        default=None, description="output of a last call that reads them all; no such call if omitted"
    )


class TreeSearch(Block):
    """Partial answers grown level by level, the best of each level kept."""

    depth: CallCount = Field(description="levels; a question has at most 10 000 calls")
    width: CallCount = Field(description="continuations of each kept answer")
    keep: CallCount = Field(description="answers kept of each level")

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        calls = tree_calls(self.depth, self.width, self.keep)
        if calls > MOST_CALLS:
            refuse(f"would take {calls} calls a question, more than {MOST_CALLS}", "fewer levels, or narrower ones")
        return self


def tree_calls(depth: int, width: int, keep: int) -> int:
    """Calls of a question that is searched as a tree: `width` in the first level, then as many for each kept answer.

    >>> tree_calls(3, 4, 2), tree_calls(3, 1, 9)
    (20, 3)
    """
    level = total = width
    for _ in range(1, depth):
        level = min(keep, level) * width
        total += level
    return total


SESSIONS: Mapping[str, type[Block]] = {
    "chain": Chain,
    "conversation": Conversation,
    "best_of": BestOf,
    "tree_search": TreeSearch,
}
Session = Chain | Conversation | BestOf | TreeSearch
