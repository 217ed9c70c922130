"""The step-by-step player against vLLM's released scheduler itself: random cases, equal in every step and token.

A script, not a test: it needs the released package, of which it imports the scheduler only (no GPU, no model). In an
environment of its own, on Python 3.11:

    pip install vllm==0.33.0
    python -m tests.oracles.against_vllm 0 500    # seeds from, to; status 1 if one differs

Drawn are asynchronous scheduling or not, priorities, windows, drafts, stop tokens, prefixes that are shared, chains of
calls, watermark, threshold for long prompts, memory from scarce to ample. Ranks in lockstep are not: they are engine
cores of their own processes. What the engine does around its scheduler (`EngineCore.step`, `step_with_batch_queue`) is
written here a second time, as a queue of batches before a GPU that works first in, first out.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from heapq import heappop, heappush
from math import nan
from random import Random
from types import SimpleNamespace
from typing import Any

import torch
from tests.oracles.vllm_blocks import Memory
from tests.oracles.vllm_engine import Answered, Engine
from tests.oracles.vllm_scheduler import Job, Scheduler
from vllm.sampling_params import SamplingParams
from vllm.utils.hashing import get_hash_fn_by_name
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler as ReleasedScheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec, SlidingWindowSpec
from vllm.v1.outputs import DraftTokenIds, ModelRunnerOutput
from vllm.v1.request import Request

HASH = get_hash_fn_by_name("sha256")


@dataclass
class Case:
    """An engine and who asks it."""

    ahead: bool
    block: int
    windows: tuple[int | None, ...]
    caching: bool
    seats: int
    budget: int
    policy: str
    whole: bool
    long_prompt: int
    drafts: int
    lookahead: int
    lookahead_names: int
    watermark: float
    capacity: int
    jobs: list[Job]

    def accepted(self, job: Job, produced: int) -> int:
        return (job.number * 7 + produced * 13) % (self.drafts + 1)


class Quiet(SimpleNamespace):
    """A part of the engine's settings: what is not said is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def settings_of(case: Case) -> Quiet:
    """What the released scheduler reads of the engine's settings."""
    batches, k = 2 if case.ahead else 1, case.drafts
    drafts = Quiet(
        num_speculative_tokens=k,
        max_num_new_slots_for_drafting=0,
        use_eagle=lambda: case.lookahead > 0,
        use_eagle_block_drop=lambda: False,
        needs_eagle_block_drop=lambda: False,
    )
    return Quiet(
        scheduler_config=Quiet(
            max_num_seqs=case.seats,
            max_num_batched_tokens=case.budget,
            long_prefill_token_threshold=case.long_prompt,
            policy=case.policy,
            watermark=case.watermark,
            prefill_schedule_interval=1,
            scheduler_reserve_full_isl=case.whole,
            enable_chunked_prefill=True,
            async_scheduling=case.ahead,
        ),
        cache_config=Quiet(num_gpu_blocks=case.capacity + 1, enable_prefix_caching=case.caching),
        model_config=Quiet(max_model_len=1 << 20, runner_type="generate"),
        parallel_config=Quiet(
            data_parallel_index=0,
            decode_context_parallel_size=1,
            prefill_context_parallel_size=1,
            pipeline_parallel_size=1,
            data_parallel_size=1,
        ),
        observability_config=Quiet(per_request_spec_decode_metrics="none"),
        ec_manager_config=Quiet(get_encoder_cache_manager_obj=lambda: None),
        speculative_config=drafts if k else None,
        num_speculative_tokens=k,
        num_lookahead_tokens=case.lookahead,
        num_prefill_lookahead_tokens=case.lookahead_names,
        num_hash_lookahead_tokens=case.lookahead_names,
        use_v2_model_runner=True,
        max_in_flight_tokens=case.budget * batches,
        max_concurrent_batches=batches,
        aux_output_config=Quiet(enabled=False),
    )


@dataclass
class Launched:
    """A batch on its way: what was scheduled, for whom it samples, and when it is done."""

    output: Any
    samples: dict[str, bool]
    seconds: float
    done: float = nan


class Released:
    """The released scheduler, jobs by its names for them, and a made-up model that samples their answers."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.known: dict[str, Any] = {}
        init_none_hash(HASH)
        shape = {"block_size": case.block, "num_kv_heads": 1, "head_size": 8, "dtype": torch.float16}
        specs = [
            SlidingWindowSpec(sliding_window=w, **shape) if w else FullAttentionSpec(**shape) for w in case.windows
        ]
        groups = [KVCacheGroupSpec([f"layer {i}"], spec) for i, spec in enumerate(specs)]
        self.scheduler = (AsyncScheduler if case.ahead else ReleasedScheduler)(
            vllm_config=settings_of(case),
            kv_cache_config=KVCacheConfig(num_blocks=case.capacity + 1, kv_cache_tensors=[], kv_cache_groups=groups),
            structured_output_manager=Quiet(
                accept_tokens=lambda request, tokens: True, validate_tokens=lambda request, tokens: tokens
            ),
            block_size=case.block,
            hash_block_size=case.block,
        )
        self.hasher = get_request_block_hasher(case.block, HASH, case.lookahead_names) if case.caching else None

    def add(self, job: Job) -> None:
        sampling = SamplingParams(max_tokens=1 << 20 if job.stops else len(job.answer), ignore_eos=not job.stops)
        if job.stops:
            sampling.stop_token_ids = [job.answer[-1]]
        request = Request(
            f"{job.number:09d}",
            list(job.prompt),
            sampling,
            None,
            arrival_time=job.arrived + job.number * 2.0**-32,  # a clock tells two apart that come at one moment
            priority=job.priority,
            block_hasher=self.hasher,
        )
        self.known[request.request_id] = (job, request)
        self.scheduler.add_request(request)

    def launch(self, now: float) -> Launched:
        output = self.scheduler.schedule()
        admitted = {each.req_id for each in output.scheduled_new_reqs}
        decoding: list[int] = []
        chunks: list[tuple[int, int]] = []
        samples: dict[str, bool] = {}
        for name, new in output.num_scheduled_tokens.items():
            job, request = self.known[name]
            before = request.num_computed_tokens - new
            samples[name] = not request.is_prefill_chunk
            if name in admitted or job.reads_prompt:
                chunks.append((new, before))
            else:
                decoding.append(before + 1)
            if name in admitted and job.scheduled != job.scheduled:
                job.scheduled, job.cached = now, before
            job.reads_prompt = request.is_prefill_chunk
        for name in output.preempted_req_ids or ():
            self.known[name][0].preemptions += 1
        finishing = sum(samples.values()) - len(decoding)
        return Launched(output, samples, step_s(decoding, chunks, finishing) if samples else 0.0)

    def book(self, batch: Launched, now: float) -> list[Job]:
        names, drafted = list(batch.samples), batch.output.scheduled_spec_decode_tokens
        tokens: list[list[int]] = []
        had = {}
        for name in names:
            job, request = self.known[name]
            had[name] = None if request.is_finished() else request.num_output_tokens
            at = len(job.answer) if request.is_finished() else request.num_output_tokens
            brought = 1 + min(len(drafted.get(name, ())), self.case.accepted(job, at)) if batch.samples[name] else 0
            tokens.append([job.answer[i] if i < len(job.answer) else 0 for i in range(at, at + brought)])
        places = {name: i for i, name in enumerate(names)}
        self.scheduler.update_from_output(
            batch.output, ModelRunnerOutput(req_ids=names, req_id_to_index=places, sampled_token_ids=tokens)
        )
        if self.case.drafts and not self.case.ahead:
            live = [name for name in names if batch.samples[name]]
            self.scheduler.update_draft_token_ids(DraftTokenIds(live, [[-1] * self.case.drafts for _ in live]))
        for name, before in had.items():
            if before is not None:
                job, request = self.known[name]
                job.token_times += [now] * (request.num_output_tokens - before)
                job.finished = request.is_finished()
        return [self.known[name][0] for name in names if had[name] is not None and self.known[name][0].finished]


Steps = list[tuple[float, float, dict[int, int]]]


def released(case: Case, answered: Answered) -> tuple[list[Job], Steps]:
    """The engine's loop around its scheduler."""
    engine, steps = Released(case), []
    coming: list[tuple[float, int, Job]] = []
    everybody: list[Job] = []

    def expect(more: Iterable[Job]) -> None:
        for job in more:
            everybody.append(job)
            heappush(coming, (job.arrived, job.number, job))

    expect(deepcopy(case.jobs))
    batches: deque[Launched] = deque()
    now = gpu_free = 0.0
    in_vain = 0
    while coming or batches or engine.scheduler.has_requests():
        if coming and (in_vain > 5 or not (batches or engine.scheduler.has_requests())):
            now = max(now, coming[0][0])
        elif in_vain > 5:
            break
        while coming and coming[0][0] <= now:
            engine.add(heappop(coming)[2])
        executed = False
        if engine.scheduler.has_requests():
            batch = engine.launch(now)
            executed = bool(batch.samples)
            start = max(now, gpu_free)
            gpu_free = batch.done = start + batch.seconds
            if executed:
                shares = {int(name): new for name, new in batch.output.num_scheduled_tokens.items()}
                steps.append((start, batch.seconds, shares))
            batches.append(batch)
            if len(batches) < (2 if case.ahead else 1) and (executed or engine.scheduler.has_requests()):
                continue
        if batches:
            batch = batches.popleft()
            in_vain = 0 if executed or batch.done > now else in_vain + 1
            now = max(now, batch.done)
            for job in engine.book(batch, now):
                expect(answered(job, now))
    return sorted(everybody, key=lambda job: (job.arrived, job.number)), steps


def played(case: Case, answered: Answered) -> tuple[list[Job], Steps]:
    """The step-by-step player."""
    in_flight = case.budget * (2 if case.ahead else 1)
    core = Scheduler(
        Memory(case.capacity, case.block, case.windows, case.caching, in_flight, case.lookahead_names),
        case.seats,
        case.budget,
        case.policy,
        case.ahead,
        case.whole,
        long_prompt=case.long_prompt,
        drafts=case.drafts,
        lookahead=case.lookahead,
        watermark=int(case.watermark * (case.capacity + 1)),
        accepted=case.accepted,
    )
    engine = Engine([core], step_s)
    jobs = engine.play(deepcopy(case.jobs), answered)
    steps = [(at, lasts, {share.job.number: share.new for share in step[0]}) for at, lasts, step in engine.steps]
    return jobs, steps


def step_s(decoding: list[int], chunks: list[tuple[int, int]], finishing: int) -> float:
    """Exact in binary, so that sums are equal in any order."""
    prompt = sum(new / 128 + new * before / 65536 for new, before in chunks)
    return 1 / 4 + len(decoding) / 64 + sum(decoding) / 4096 + prompt + finishing / 256


def drawn(draw: Random) -> Case:
    """A case: most memories hold little more than the longest request."""
    drafts, windows = draw.choice([0, 0, 0, 1, 3]), draw.choice([(None,)] * 4 + [(None, 24), (40,), (None, 12, 12)])
    lookahead = draw.choice([0, drafts])
    seats, block = draw.choice([1, 2, 4, 8, 16]), draw.choice([4, 8, 16])
    texts = [[10_000 * (i + 1) + word for word in range(draw.randint(1, 120))] for i in range(draw.randint(1, 4))]
    pause, now, said = draw.choice([0, 0, 1 / 4, 2, 8]), 0.0, 1_000_000
    jobs: list[Job] = []
    for number in range(draw.randint(1, 40)):
        now += round(draw.expovariate(1) * pause * 8) / 8
        start = draw.choice(texts)[: draw.randint(0, 130)] if draw.random() < 0.7 else []
        if jobs and draw.random() < 0.2:
            earlier = draw.choice(jobs)
            start = [*earlier.prompt, *list(earlier.answer)[: draw.randint(0, len(earlier.answer))]]
        own, answer = draw.randint(1, 60), draw.choice([1, 1, 2, 5, draw.randint(1, 60)])
        words, said = range(said, said + own + answer), said + own + answer
        stops = draw.random() < 0.3
        jobs.append(Job(number, now, [*start, *words[:own]], list(words[own:]), draw.choice([0, 0, 1, 2]), stops))
    longest = max(len(job.prompt) + len(job.answer) for job in jobs) + 2 * drafts + 160
    needed = len(windows) * (longest // block + 4)
    return Case(
        ahead=draw.random() < 0.6,
        block=block,
        windows=windows,
        caching=draw.random() < 0.85,
        seats=seats,
        budget=max(draw.choice([16, 24, 32, 64, 128, 256]), seats * (1 + drafts)),
        policy=draw.choice(["fcfs", "fcfs", "priority"]),
        whole=draw.random() < 0.8,
        long_prompt=draw.choice([0, 0, 0, 10, 40]),
        drafts=drafts,
        lookahead=lookahead,
        lookahead_names=draw.choice([0, 1]) if lookahead and len(windows) == 1 else 0,
        watermark=draw.choice([0.0, 0.0, 0.05]),
        capacity=needed + draw.choice([0, 0, 1, 5, needed // 2, 3 * needed, 1000]),
        jobs=jobs,
    )


def conversation(seed: int, first: int) -> Callable[[Job, float], list[Job]]:
    """In three of ten cases answers bring further questions, which begin as the last exchange did."""
    talks = Random(seed).random() < 0.3

    def answered(job: Job, at: float) -> list[Job]:
        draw = Random(seed * 1000 + job.number)
        if not talks or job.number >= 3 * first or draw.random() < 0.2:
            return []
        own = [5_000_000 + job.number * 100 + i for i in range(draw.randint(1, 9))]
        prompt = [*[*job.prompt, *job.answer][: draw.randint(0, 100)], *own]
        answer = [9_000_000 + job.number * 100 + i for i in range(draw.randint(1, 20))]
        return [Job(job.number + first, at + draw.choice([0, 0, 0.5, 3.25]), prompt, answer, draw.choice([0, 1]))]

    return answered


def main(start: int, end: int) -> int:
    differ = preemptions = found = 0
    for seed in range(start, end):
        case = drawn(Random(seed))
        theirs, steps = released(case, conversation(seed, len(case.jobs)))
        ours, own_steps = played(case, conversation(seed, len(case.jobs)))
        fates = [
            [(job.number, job.scheduled, job.cached, job.preemptions, job.token_times) for job in jobs]
            for jobs in (theirs, ours)
        ]
        if fates[0] != fates[1] or steps != own_steps:
            differ += 1
            print(f"seed {seed} differs")
        preemptions += sum(job.preemptions for job in ours)
        found += sum(job.cached > 0 for job in ours)
    print(f"{differ} of {end - start} differ; {preemptions} preemptions, {found} requests found a prefix")
    return int(differ > 0)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
