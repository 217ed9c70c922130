"""Traffic as a scenario writes it: arrivals, lengths, repeated prompts, priorities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infermodel.formats.own_log import UNITS
from infermodel.scenario.errors import named
from infermodel.scenario.schema.lengths import FromTrace, LengthsField
from infermodel.scenario.schema.session import SESSIONS, Session
from infermodel.scenario.schema.types import (
    MOST_PROMPTS,
    MOST_USERS,
    Burstiness,
    Index,
    Name,
    PositiveSeconds,
    PositiveShare,
    Rate,
    Ratio,
    RequestCount,
    Seconds,
    Share,
    Tokens,
    Weights,
)
from infermodel.scenario.schema.values import (
    Block,
    ByKind,
    Choice,
    Kind,
    Quantity,
    Refusals,
    Whole,
    refusal,
    refuse,
    refuse_below,
)
from infermodel.workload.trace import FORMATS


class RateSteps(Kind):
    """A list of [from, rate], the first from 0."""

    _start = Quantity("time", "s", at_most=366 * 86400.0)
    _rate = Quantity("rate", "/s", at_most=1e9)

    def read(self, value: object) -> tuple[tuple[float, float], ...]:
        """Pairs of seconds and requests a second."""
        if not isinstance(value, list) or not value:
            refuse("expected a list such as [[0 h, 10 /min], [8 h, 100 /min]]")
        steps: list[tuple[float, float]] = []
        for i, pair in enumerate(value):
            if not isinstance(pair, list) or len(pair) != 2:
                refuse_below([((i,), refusal("expected a pair such as [8 h, 100 /min]"))])
            start = 0.0 if pair[0] == 0 and not isinstance(pair[0], bool) else self._start.read(pair[0])
            steps.append((start, self._rate.read(pair[1])))
            if i == 0 and start != 0:
                refuse_below([((0,), refusal("the first step of a profile starts at 0 s"))])
            if i and start <= steps[i - 1][0]:
                refuse_below([((i,), refusal("starts before the step above it; starts increase"))])
        if not any(rate for _, rate in steps):
            refuse("all rates are zero")
        return tuple(steps)

    def write(self, value: tuple[tuple[float, float], ...]) -> list[list[str]]:
        """The same in seconds."""
        return [[self._start.write(start), self._rate.write(rate)] for start, rate in value]

    def unit(self) -> str:
        """For the reference table."""
        return "list of [time, rate]"


class Constant(Block):
    """One request every 1/rate."""

    rate: Rate = Field(description="requests a unit of time")


class Poisson(Block):
    """Independent arrivals."""

    rate: Rate = Field(description="mean requests a unit of time")


class Gamma(Block):
    """Independent gaps with a chosen burstiness."""

    rate: Rate = Field(description="mean requests a unit of time")
    cv: Burstiness = Field(description="standard deviation of a gap over its mean; 1 is Poisson, more is burstier")


class Profile(Block):
    """A rate that varies over the day, in steps."""

    rates: Annotated[tuple[tuple[float, float], ...], RateSteps()] = Field(description="from when which rate holds")
    repeat: PositiveSeconds | None = Field(
        default=None, description="length of the day; the last rate stays if omitted"
    )
    cv: Burstiness = Field(default=1.0, description="burstiness within a step; 1 is Poisson")

    @model_validator(mode="after")
    def _repeats_after_its_last_step(self) -> Self:
        last, _ = self.rates[-1]
        if self.repeat is not None and self.repeat <= last:
            refuse_below([(("repeat",), refusal(f"must be later than the last step, which starts at {last:g} s"))])
        return self


class Closed(Block):
    """A fixed number of users, each sending the next request after the last answer."""

    users: Annotated[int, Whole(at_most=MOST_USERS)] = Field(description="how many, at most a million")
    think_time: Seconds = Field(default=0.0, description="mean pause between an answer and the next request")
    think_time_law: Annotated[Literal["fixed", "exponential"], Choice("law", ("fixed", "exponential"))] = Field(
        default="fixed", description="how the pause varies"
    )
    start: Annotated[Literal["spread", "together"], Choice("start", ("spread", "together"))] = Field(
        default="spread",
        description="when users send their first request: spread over a mean answer and pause, as in a running "
        "service, or together, as benchmark tools do",
    )


class Offline(Block):
    """A batch job: all requests are there at the start."""

    requests: RequestCount = Field(description="how many, at most a hundred million")


class LogColumns(Block):
    """Where a log of your own has what is played; a name with dots reaches into an object."""

    arrived: Name = Field(description="column of arrivals: ISO stamps, or numbers")
    prompt: Name = Field(description="column of prompts' tokens, such as usage.prompt_tokens")
    output: Name = Field(description="column of answers' tokens")
    session: Name | None = Field(
        default=None, description="column of conversations: a turn's prompt begins with the text before it"
    )
    cached: Name | None = Field(
        default=None, description="column of prompt tokens that were cached; they are not computed"
    )
    key: Name | None = Field(default=None, description="column of keys: those of the tenants of `rate_limits`")
    unit: Annotated[str, Choice("unit", tuple(UNITS))] | None = Field(
        default=None, description="of times that are numbers; the log's size or name may say it"
    )


class Trace(Block):
    """Replay of a log."""

    file: Name = Field(description="beside the scenario, from here, in `data/traces/` or `$INFERMODEL_TRACES`")
    format: Annotated[str, Choice("trace format", tuple(FORMATS))] | None = Field(
        default=None, description="what wrote the file; or `columns`"
    )
    columns: LogColumns | None = Field(default=None, description="of a log of your own: CSV, JSON lines or Parquet")
    rate_scale: Ratio = Field(default=1.0, description="2 plays twice as fast")
    start: Seconds = Field(default=0.0, alias="from", description="start of the window, in the log's time")
    end: PositiveSeconds | None = Field(default=None, alias="to", description="end of the window; the log's if omitted")
    repeat: Annotated[int, Whole(at_most=100_000)] = Field(default=1, description="how many times over")

    @model_validator(mode="after")
    def _format_or_columns(self) -> Self:
        if (self.format is None) == (self.columns is None):
            refuse_below([(("format",), refusal("a trace needs `format` or `columns`, one of the two"))])
        return self

    @model_validator(mode="after")
    def _window_has_a_length(self) -> Self:
        if self.end is not None and self.end <= self.start:
            refuse_below([(("to",), refusal(f"must be later than 'from', which is {self.start:g} s"))])
        return self


class Prefix(Block):
    """What prompts have in common: whole texts that come again, system prompts that they begin with, or a share that is
    known to be cached.
    """

    distinct_prompts: Annotated[int, Whole(at_most=MOST_PROMPTS)] | None = Field(
        default=None, description="how many texts there are, at most ten million; each keeps its length"
    )
    system_prompts: Annotated[int, Whole(at_most=MOST_PROMPTS)] | None = Field(
        default=None, description="how many texts of `tokens` there are that prompts begin with, each as likely"
    )
    tokens: Tokens | None = Field(
        default=None, description="of a system prompt, which count into `prompt_tokens`; required with `system_prompts`"
    )
    share: PositiveShare | None = Field(
        default=None, description="of requests that begin with a system prompt; all if omitted"
    )
    cached: Share | None = Field(
        default=None, description="of every prompt that need not be computed, whatever else is known of the cache"
    )
    order: Annotated[Literal["cyclic", "uniform"], Choice("order", ("cyclic", "uniform"))] = Field(
        default="cyclic", description="of distinct prompts: in turn, or each time any"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = ("distinct_prompts", "system_prompts", "cached")
        said = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(said) != 1:
            what = f"'{said[0]}' and '{said[1]}' stand together" if said else "says nothing of the prompts"
            refuse(what, f"one of {', '.join(kinds)}")
        if self.system_prompts is not None and self.tokens is None:
            refuse("the key 'tokens' is missing", "such as tokens: 2000")
        if self.system_prompts is None:
            for key in ("tokens", "share"):
                if getattr(self, key) is not None:
                    refuse_below([((key,), refusal("is of system prompts", "give system_prompts, too"))])
        return self


class ImageSize(Kind):
    """Width and height in pixels, such as 1024x768."""

    def read(self, value: object) -> tuple[int, int]:
        """Width and height."""
        sides = value.lower().removesuffix("px").strip().split("x") if isinstance(value, str) else ()
        numbers = [int(side) for side in sides if side.strip().isdecimal() and len(side) < 8]
        if len(sides) != 2 or len(numbers) != 2:
            refuse(f"expected width and height in pixels, got {named(value)}", "such as 1024x768")
        if not all(MOST_PIXELS >= side >= 1 for side in numbers):
            refuse(f"each side of an image has 1 to {MOST_PIXELS:,} pixels")
        return numbers[0], numbers[1]

    def write(self, value: tuple[int, int]) -> str:
        """The same as text."""
        return f"{value[0]}x{value[1]}"

    def unit(self) -> str:
        """For the reference table."""
        return "pixels, `1024x768`"


MOST_PIXELS = 100_000
"""Of a side of an image."""

MOST_IMAGES = 10_000
"""Of a prompt."""


class Images(Block):
    """Images in prompts, before the text and after a system prompt; how many tokens one takes is the model's rule."""

    size: Annotated[tuple[int, int], ImageSize()] = Field(description="width and height of each")
    per_request: Annotated[int, Whole(at_most=MOST_IMAGES)] = Field(default=1, description="how many")
    share: PositiveShare | None = Field(default=None, description="of requests that hold any; all if omitted")


class Priorities(Block):
    """Shares of requests by priority."""

    levels: tuple[Index, ...] = Field(min_length=1, description="lower numbers go first")
    shares: Weights | None = Field(default=None, description="of each level; equal if omitted")

    @model_validator(mode="after")
    def _one_share_a_level(self) -> Self:
        if self.shares is not None and len(self.shares) != len(self.levels):
            said = refusal(f"{len(self.shares)} shares for {len(self.levels)} levels; give one each")
            refuse_below([(("shares",), said)])
        if self.shares is not None and not sum(self.shares):
            refuse_below([(("shares",), refusal("all shares are zero"))])
        return self


ARRIVALS: Mapping[str, type[Block]] = {
    "constant": Constant,
    "poisson": Poisson,
    "gamma": Gamma,
    "profile": Profile,
    "closed": Closed,
    "offline": Offline,
    "trace": Trace,
}
Arrivals = Constant | Poisson | Gamma | Profile | Closed | Offline | Trace


class Traffic(Block):
    """Who sends what, and when."""

    arrivals: Annotated[Arrivals, ByKind("arrivals", ARRIVALS)] = Field(description="when requests come")
    prompt_tokens: LengthsField | None = Field(default=None, description="lengths of prompts; the trace's if omitted")
    output_tokens: LengthsField | None = Field(default=None, description="lengths of answers; the trace's if omitted")
    prefix: Prefix | None = Field(default=None, description="what prompts have in common; nothing if omitted")
    images: Images | None = Field(
        default=None, description="in prompts, their tokens beside `prompt_tokens`; none if omitted"
    )
    priorities: Priorities | None = Field(default=None, description="for the queue `priority`; all equal if omitted")
    session: Annotated[Session, ByKind("session", SESSIONS)] | None = Field(
        default=None,
        description="arrivals are questions of `prompt_tokens`, each worked on by calls with `output_tokens` each",
    )

    @model_validator(mode="after")
    def _lengths_come_from_somewhere(self) -> Self:
        replayed = isinstance(self.arrivals, Trace)
        said: Refusals = []
        for key in ("prompt_tokens", "output_tokens"):
            lengths = getattr(self, key)
            if replayed:
                continue
            if lengths is None:
                said.append(((key,), refusal(f"the key '{key}' is missing", "such as {kind: fixed, tokens: 1000}")))
            elif isinstance(lengths, FromTrace):
                said.append(((key, "kind"), refusal("only arrivals of kind trace bring lengths of their own")))
        if replayed:
            for key in ("prefix", "images", "priorities"):
                if getattr(self, key) is not None:
                    said.append(((key,), refusal("a trace brings its own; remove the key")))
        if self.session is not None and isinstance(self.arrivals, Trace | Closed):
            said.append((("session",), refusal("questions come by a law of arrivals, neither from a trace nor closed")))
        if self.session is not None:
            for key in ("prefix", "priorities"):
                if getattr(self, key) is not None:
                    said.append(((key,), refusal("calls of a question share what they read; remove the key")))
            if self.images is not None:
                said.append((("images",), refusal("images in calls of a question are not modelled; remove the key")))
        if said:
            refuse_below(said)
        return self

    @property
    def is_finite(self) -> bool:
        """Whether the requests end by themselves."""
        return isinstance(self.arrivals, Trace | Offline)
