"""Step models of replicas that decode with drafts: a round drafts k tokens and verifies them all at once.

In expectation the mean pace is what counts: a step of the simulation gives each sequence one token and takes a round's
time over the tokens that a round yields. Sampled, a step is a whole round, and the simulation draws what it yields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import accumulate
from math import floor
from operator import mul

from infermodel.architecture import PRECISION_BYTES, ModelArchitecture
from infermodel.cost import drafts
from infermodel.cost.block_pool import KvMemory
from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment
from infermodel.cost.drafts import Drafter
from infermodel.cost.forever import FOREVER
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.graphs import of_rounds
from infermodel.cost.least_step import LeastStep
from infermodel.cost.placement import Placement, Sizes, best_cut, with_draft
from infermodel.cost.speculation import expected_tokens_by_position, kv_memory_beside
from infermodel.cost.step import Batch, DecodeLine, DoesNotFit, Ramp, StepCost, StepModel
from infermodel.cost.wafer import draft_ring
from infermodel.engine import Engine
from infermodel.hardware import System, WaferDevice


@dataclass(frozen=True)
class Speculation:
    """How tokens are drafted.

    Attributes:
        acceptances: of each of the k drafts in order, the probability that it is right where all before it were.
        draft: what drafts; None: n-grams looked up in the text, which cost nothing.
        sampled: whether each round's yield is drawn; else every round yields its mean.
        by: whose layers they are.
        least, most: acceptances at the ends of their range; none: they are taken for known.
    """

    acceptances: tuple[float, ...]
    draft: ModelArchitecture | None = None
    sampled: bool = False
    by: Drafter = "model"
    least: tuple[float, ...] = ()
    most: tuple[float, ...] = ()

    @property
    def drafted(self) -> int:
        """k."""
        return len(self.acceptances)

    @property
    def tokens_per_round(self) -> float:
        """Mean tokens that a round yields for each sequence."""
        return expected_tokens_by_position(self.acceptances)

    def at(self, place: float) -> Speculation:
        """The same with all acceptances at a place in their range: -1 at its lower end, 1 at its upper.

        >>> Speculation((0.8, 0.6), least=(0.7, 0.5), most=(0.9, 0.8)).at(0.5).acceptances
        (0.8500000000000001, 0.7)
        """
        ends = self.most if place > 0 else self.least
        if not ends:
            return self
        moved = (mid + abs(place) * (end - mid) for mid, end in zip(self.acceptances, ends, strict=True))
        return replace(self, acceptances=tuple(moved))

    def chances(self) -> tuple[float, ...]:
        """Probability that at least 1, 2, ..., k drafts are accepted."""
        return tuple(accumulate(self.acceptances, mul))


class SpeculativeModel:
    """A replica whose decoding sequences draft and verify; implements `cost.step.StepModel`.

    On GPUs a draft takes turns with the model on the same devices and reads each prompt too; the host launches a round
    as one step. What reads the hidden states of the model goes over all verified tokens first. In a ring a draft
    has cores of its own: sequences draft while others verify, and prompts pass through both at once.
    """

    def __init__(
        self,
        model: StepModel,
        draft: StepModel | None,
        speculation: Speculation,
        kv_memory: KvMemory,
        max_batched_tokens: int,
        placement: Placement | None = None,
    ) -> None:
        self.model, self.draft, self.speculation, self.kv_memory = model, draft, speculation, kv_memory
        self.placement = placement
        self.windows, self.devices = model.windows, model.devices
        self.idle_w, self.peak_flops, self.peak_bandwidth = model.idle_w, model.peak_flops, model.peak_bandwidth
        self._tokens = 1.0 if speculation.sampled else speculation.tokens_per_round
        self._budget = max_batched_tokens
        self._each = speculation.drafted + 1
        self._rings = _uniform(model, draft)
        self._sees_windows = draft is not None and draft.windows == model.windows

    def full_batch(self, running: int, prompt_tokens: int) -> tuple[int, int]:
        """As of the model."""
        return self.model.full_batch(running, prompt_tokens)

    def least_laws(self) -> tuple[LeastStep, ...]:
        """None is known: a round yields several tokens."""
        return ()

    def prompt_tokens_per_step(self, sequences: int, longest_context: int) -> int:
        """Prompt tokens of a round beside the verified ones, shared out over the steps that it stands for.

        Each sequence takes k + 1 tokens of what an engine does in a step (vLLM 0.33). Where they take all of it nothing
        is left for prompts; in a ring, whose slots turn without end, always one.
        """
        slots = self.model.prompt_tokens_per_step(sequences * self._each, longest_context)
        if not sequences:
            return slots
        room = min(slots, self._budget - sequences * self._each)
        if room <= 0 and not isinstance(self.model, Ring):
            return 0
        return max(1, floor(room / self._tokens))

    def step(self, batch: Batch) -> StepCost:
        """Cost of one step: a token for each sequence in expectation, a whole round where rounds are sampled."""
        return self.ramp(batch).first()

    def decode_line(self, sequences: int, context_tokens: int) -> DecodeLine | None:
        """None: a step is a share of a round."""
        return None

    def ramp(self, batch: Batch) -> Ramp:
        """Cost of the next step, or of many where rounds are not sampled and no prompts are in progress."""
        if not batch.sequences:
            return self._prompts(batch)
        if self.speculation.sampled or batch.chunks:
            cost = self._round(batch)
            return _flat(cost, 1.0)
        if isinstance(self.model, GpuStepModel):
            return self._pace(batch)
        if self._rings is not None:
            return self._pace_of_ring(batch, *self._rings)
        return _flat(self._round(batch), self._tokens)

    def _prompts(self, batch: Batch) -> Ramp:
        """Prompts alone."""
        ramp = self.model.ramp(batch)
        if self.draft is None or isinstance(self.model, Ring):
            return ramp
        return _flat(_added(self.model.step(batch), self.draft.step(self._seen(batch))), 1.0)

    def _seen(self, batch: Batch) -> Batch:
        """A batch as the draft sees it: images are encoded once, for the model."""
        batch = batch.changed(images=()) if batch.images else batch
        return batch if self._sees_windows else batch.changed(windowed=())

    def _drafting(self, batch: Batch) -> tuple[tuple[Batch, int], ...]:
        """What the draft works on in a round, and how often: a token for each draft, or first all verified ones."""
        if self.draft is None:
            return ()
        plain, drafted = self._seen(batch), self.speculation.drafted
        if self.speculation.by == "model" or isinstance(self.model, Ring):
            return ((plain, drafted),)
        first = (plain.changed(tokens_each=self._each), 1)
        return (first, (plain, drafted - 1)) if drafted > 1 else (first,)

    def _round(self, batch: Batch) -> StepCost:
        """Cost of one step with prompts, or of a round.

        With prompts a step is its share of a round without them and what they add to the verification.
        """
        bare = batch.changed(chunks=(), finishing_chunks=0, images=())
        decode = _scaled(self._verified(bare), 1.0 / self._tokens if batch.chunks else 1.0)
        if not batch.chunks:
            return decode
        with_prompts = self.model.step(batch.changed(tokens_each=self._each))
        alone = self.model.step(bare.changed(tokens_each=self._each))
        cost = _added(decode, _added(with_prompts, _scaled(alone, -1.0)))
        if self.draft is not None and not isinstance(self.model, Ring):
            read = Batch(0, 0, 0, (), 1, batch.chunks, batch.finishing_chunks)
            cost = _added(cost, self.draft.step(read))
        return cost._replace(bound_by=with_prompts.bound_by)

    def _verified(self, batch: Batch) -> StepCost:
        """Cost of drafting and verifying, without prompts."""
        drafted = self.speculation.drafted
        verifying = self.model.step(batch.changed(tokens_each=self._each))
        if self.draft is None:
            return verifying
        if not (isinstance(self.model, Ring) and isinstance(self.draft, Ring)):
            drafting = [_scaled(self.draft.step(work), times) for work, times in self._drafting(batch)]
            return reduce(_added, drafting, verifying)._replace(bound_by=verifying.bound_by)
        plain = batch.changed(windowed=())
        ahead_s = drafted * self.draft.token_latency_s(batch.longest_context)
        ahead_s += sum(self.model.slot_s(batch.longest_context + position) for position in range(drafted))
        ahead_s += self.model.token_latency_s(batch.longest_context + drafted, batch.sequences)
        latency_s = max(verifying.latency_s, ahead_s, drafted * self.draft.busy_s(plain))
        return verifying._replace(latency_s=latency_s, joules=self.model.power_w * latency_s)

    def _pace(self, batch: Batch) -> Ramp:
        """Plain rounds on GPUs: their costs are lines over the contexts, and so is the pace."""
        each, share = self._each, 1.0 / self._tokens
        verify = self.model.ramp(batch.changed(tokens_each=each))
        steps = (verify.steps - 1) * each + 1
        costs = [(first * share, slope * share / each) for first, slope in _lines(verify)]
        for work, times in self._drafting(batch):
            assert self.draft is not None
            draft = self.draft.ramp(work)
            steps = min(steps, (draft.steps - 1) * work.tokens_each + 1)
            costs = [
                (first + times * share * more, slope + times * share * more_slope / work.tokens_each)
                for (first, slope), (more, more_slope) in zip(costs, _lines(draft), strict=True)
            ]
        (first_s, slope_s), (joules, more_joules), (flops, more_flops), (moved, more_moved) = costs
        return Ramp(steps, first_s, slope_s, joules, more_joules, flops, more_flops, moved, more_moved, verify.bound_by)

    def _pace_of_ring(self, batch: Batch, model: Ring, draft: Ring | None) -> Ramp:
        """Plain rounds in a ring of equal stages: the longest of three times that are lines over the contexts."""
        drafted, each, share = self.speculation.drafted, self._each, 1.0 / self._tokens
        sequences, longest = batch.sequences, batch.longest_context
        stage = model.stages[0]
        verifying = batch.changed(tokens_each=each)
        ahead_s = drafted * stage.token_s(longest + (drafted - 1) / 2)
        ahead_s += model.token_latency_s(longest + drafted, sequences)
        ahead_slope_s = (drafted + model.turns * stage.layers) * stage.per_context_s
        lines = [(model.busy_s(verifying), sequences * each * stage.per_context_s)]
        if draft is not None:
            small = draft.stages[0]
            ahead_s += drafted * draft.token_latency_s(longest)
            ahead_slope_s += drafted * draft.turns * small.layers * small.per_context_s
            bare = batch.changed(windowed=())
            lines.append((drafted * draft.busy_s(bare), drafted * sequences * small.per_context_s))
        lines.append((ahead_s, ahead_slope_s))
        first_s, slope_s = max(lines)
        steps = FOREVER
        for other_s, other_slope_s in lines:
            if other_slope_s > slope_s:
                steps = min(steps, int(min(FOREVER, (first_s - other_s) / (other_slope_s - slope_s))) + 1)
        verify = model.ramp(verifying)
        return Ramp(
            steps,
            first_s * share,
            slope_s * share,
            model.power_w * first_s * share,
            model.power_w * slope_s * share,
            verify.first_flops * share,
            verify.slope_flops * share / each,
            verify.first_bytes * share,
            verify.slope_bytes * share / each,
            "latency" if first_s == ahead_s else "compute",
        )


def _uniform(model: StepModel, draft: StepModel | None) -> tuple[Ring, Ring | None] | None:
    """Rings whose layers are all alike and see the whole context; None for any others."""
    if not isinstance(model, Ring) or len(model.stages) > 1 or model.windows:
        return None
    if draft is None:
        return model, None
    return (model, draft) if isinstance(draft, Ring) and len(draft.stages) == 1 else None


def _lines(ramp: Ramp) -> list[tuple[float, float]]:
    """First and slope of seconds, joules, FLOPs and bytes."""
    return [
        (ramp.first_s, ramp.slope_s),
        (ramp.first_joules, ramp.slope_joules),
        (ramp.first_flops, ramp.slope_flops),
        (ramp.first_bytes, ramp.slope_bytes),
    ]


def _flat(cost: StepCost, tokens: float) -> Ramp:
    """A single step of a cost shared out over so many tokens."""
    seconds, joules, flops, moved, bound = _scaled(cost, 1.0 / tokens)
    return Ramp(1, seconds, 0.0, joules, 0.0, flops, 0.0, moved, 0.0, bound)


def _scaled(cost: StepCost, factor: float) -> StepCost:
    return StepCost(
        cost.latency_s * factor, cost.joules * factor, cost.flops * factor, cost.bytes * factor, cost.bound_by
    )


def _added(one: StepCost, other: StepCost) -> StepCost:
    return StepCost(
        one.latency_s + other.latency_s,
        one.joules + other.joules,
        one.flops + other.flops,
        one.bytes + other.bytes,
        one.bound_by,
    )


def speculative_model(
    architecture: ModelArchitecture, system: System, deployment: Deployment, engine: Engine, speculation: Speculation
) -> SpeculativeModel:
    """A replica that decodes with drafts.

    A draft model runs in the precision of the model: on a wafer on the idle cores of one wafer, whose memory it shares
    with layers; on GPUs on all of the replica's.

    Raises:
        DoesNotFit: the draft leaves no room for keys and values, or drafts on LPUs, which nobody published.
    """
    rounds, draft = of_rounds(engine, speculation.drafted + 1), speculation.draft
    model = step_model(architecture, system, deployment, rounds)
    budget, device, precision = deployment.max_batched_tokens, system.device, deployment.precision
    if draft is None:
        placement = model.placement if isinstance(model, Ring) else None
        return SpeculativeModel(model, None, speculation, model.kv_memory, budget, placement)
    if draft.windows and draft.windows != architecture.windows:
        raise DoesNotFit(f"{draft.title} has attention windows; a draft model sees the whole context")
    memory = model.kv_memory
    if isinstance(model, Ring) and isinstance(device, WaferDevice):
        draft_bytes = draft.kv_bytes_per_token(PRECISION_BYTES[precision.kv_cache])
        cores = device.cores * (1 - device.region_share)
        sizes = with_draft(Sizes.of(architecture, precision), Sizes.of(draft, precision))
        usable = device.memory_capacity_bytes * device.memory_usable_share
        cut = best_cut(sizes, model.devices, usable, engine.memory_reserve_bytes)
        tokens = cut.kv_tokens // memory.block_tokens * memory.block_tokens if cut else 0
        if cut is None or not tokens:
            raise DoesNotFit(f"{architecture.title} with {draft.title} does not fit on {model.devices} {device.title}")
        room = KvMemory(tokens, memory.block_tokens, memory.bytes_per_token + draft_bytes, cut.weights_bytes)
        return SpeculativeModel(model, draft_ring(draft, system, cores, precision), speculation, room, budget, cut)
    if isinstance(model, Ring):
        raise DoesNotFit(f"draft models on {device.title} are not modelled; draft from n-grams")
    laid_out = drafts.layout(speculation.by, deployment)
    rounds = replace(rounds, graph_sizes=engine.graph_sizes, host_step_s=0.0, host_sequence_s=0.0)
    # The host's gap is the round's, and of several layers that draft one works at a time.
    one = replace(draft, layers=draft.layers[:1]) if speculation.by == "mtp" else draft
    beside = step_model(one, system, laid_out, rounds)
    copies = len(draft.layers) if speculation.by == "mtp" else 1
    kv_bytes = beside.kv_memory.bytes_per_token * copies
    room = kv_memory_beside(memory, drafts.draft_bytes(speculation.by, draft, laid_out), kv_bytes)
    if room.tokens < memory.block_tokens:
        raise DoesNotFit(f"{architecture.title} with {draft.title} leaves no room for keys and values")
    return SpeculativeModel(model, beside, speculation, room, budget)


def replica_model(
    architecture: ModelArchitecture,
    system: System,
    deployment: Deployment,
    engine: Engine,
    speculation: Speculation | None,
) -> StepModel:
    """The step model of a replica, with drafts or without.

    Raises:
        DoesNotFit: see `step_model` and `speculative_model`.
    """
    if speculation is None:
        return step_model(architecture, system, deployment, engine)
    return speculative_model(architecture, system, deployment, engine, speculation)


def accepted(chances: Sequence[float], draw: float) -> int:
    """Drafts accepted in a round, for a number drawn evenly from [0, 1).

    >>> [accepted((0.5, 0.25), draw) for draw in (0.1, 0.3, 0.6)]
    [2, 1, 0]
    """
    return sum(draw < chance for chance in chances)
