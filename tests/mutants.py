"""Plant realistic bugs one by one into a copy of the program, and see whether its tests notice.

    python tests/mutants.py            # all, two at a time
    python tests/mutants.py 3 7        # only these

Ends with 1 if a bug survives. Each bug is a text that must stand exactly once in its file.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MOST_S = 60
"""Of processor time, so that the verdict does not depend on what else the machine does."""

UNSHRUNK = """
from hypothesis import Phase, settings
settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], database=None)
settings.load_profile("mutants")
"""
"""A bug that is found need not be found in its smallest form."""

RECURSIONS = "tests/simulation/test_queueing_recursions.py"
ENGINE = "tests/oracles/test_fleets_against_the_step_engine.py"
FRONT = "tests/simulation/test_front_end.py"
LEAP = "tests/simulation/test_leap_equals_every_step.py"
VLLM = "tests/oracles/test_fleets_against_vllm.py"
SGLANG = "tests/oracles/test_fleets_against_sglang.py"
HABITS = "tests/simulation/test_engine_habits.py"
MANY = "tests/oracles/test_many_fleets_against_vllm.py"
FINDS = "tests/simulation/test_what_prefix_caches_find.py"
LATENCY = "tests/metrics/test_latency.py"
CIW = "tests/oracles/test_another_program.py"
RUN_LAWS = "tests/simulation/test_laws_on_every_run.py"
WORK = "tests/cost/test_cost_work.py"
LAYERS = "tests/cost/test_cost_layers.py"
KINDS = "tests/formats/test_hf_kinds.py"


MEMORY = "tests/simulation/test_memory.py"
RANKS = "tests/simulation/test_ranks.py"
POOLS = "tests/oracles/test_pools_against_the_step_engine.py"
ROUTED = "tests/simulation/test_routers.py"
SEPARATE = "tests/simulation/test_separate_pools.py"
SEVERAL = "tests/simulation/test_several_pools.py"
MIXED = "tests/scenario/test_mixed_pools.py"
IMAGES = "tests/simulation/test_images.py"
ENCODING = "tests/cost/test_cost_images.py"
SIGNALS = "tests/simulation/test_signals.py"
PLANS = "tests/search/test_plan_pools.py"
APART = "tests/fidelity/test_fidelity_apart.py"
BOUNDS = "tests/search/test_plan_bounds.py"
RANK_STEPS = "tests/cost/test_cost_ranks.py"
COMES_AND_GOES = "tests/simulation/test_failures_and_scaling.py"
UPKEEP = "tests/scenario/test_upkeep.py"
MONTHS = "tests/search/test_availability.py"
OPERATIONS = "tests/report/test_report_operations.py"


class Mutant(NamedTuple):
    """A bug: what it is, the file under `src/infermodel`, a text and what replaces it, tests that should notice."""

    bug: str
    file: str
    text: str
    instead: str
    tests: str


MUTANTS = (
    Mutant("a KV block too few at whole blocks", "simulation/memory/ledger.py",
           "return -(-tokens // block_tokens)", "return tokens // block_tokens", ENGINE),
    Mutant("a block taken a step late", "simulation/replica/decoding.py",
           "last = (1 - step) %", "last = (-step) %", ENGINE),
    Mutant("the first admitted is preempted, not the last", "simulation/replica/queues.py",
           "return admitted[-1]", "return admitted[0]", ENGINE),
    Mutant("a preempted request goes to the back", "simulation/replica/queues.py",
           "give_back = deque.appendleft", "give_back = deque.append", ENGINE),
    Mutant("the most urgent is preempted", "simulation/replica/queues.py",
           "return max(admitted, key=lambda", "return min(admitted, key=lambda", ENGINE),
    Mutant("a preempted request forgets a token", "simulation/replica/members.py",
           "return had + 1\n", "return had\n", ENGINE),
    Mutant("a decode step takes no prompt budget", "simulation/replica/budget.py",
           "self._max_batched_tokens - decoding", "self._max_batched_tokens", RECURSIONS),
    Mutant("a seat too many", "simulation/replica/admission.py",
           "seats = self._limits.max_sequences - occupied", "seats = self._limits.max_sequences - occupied + 1",
           RECURSIONS),
    Mutant("the context starts a token short", "simulation/replica/members.py",
           "self.decoding.join(request, tokens + 1)", "self.decoding.join(request, tokens)", RECURSIONS),
    Mutant("a leap forgets how contexts grow", "simulation/replica/leap.py",
           "self.slope_s * (steps * (steps - 1) / 2)", "self.slope_s * (steps * (steps + 1) / 2)", RECURSIONS),
    Mutant("a slope of the wrong sign", "simulation/replica/leap.py",
           "steps * self.first_s + self.slope_s", "steps * self.first_s - self.slope_s", RECURSIONS),
    Mutant("a newcomer waits for the end of the leap", "simulation/replica/replica.py",
           "            if steps < self._rings_at:\n", "            if False:\n", LEAP),
    Mutant("blocks are given back a token short", "simulation/replica/members.py",
           "tokens = decoding.leave(request) - 1\n", "tokens = decoding.leave(request) - 2\n", LEAP),
    Mutant("a repaired system does not stand by", "simulation/pool/breakdowns.py",
           "            clock.process(repair(repaired_at, spares, clock))\n", "", COMES_AND_GOES),
    Mutant("what a rack loses passes through the rest of it", "simulation/pool/breakdowns.py",
           "            system.cut_off()\n", "            pass\n", COMES_AND_GOES),
    Mutant("a rack fails with its first system only", "simulation/lifetimes.py",
           "min(self.groups, groups - first) for first", "1 for first", COMES_AND_GOES),
    Mutant("systems of a rack fail apart over months", "search/availability.py",
           "rack.sizes(pool.groups)", "[1] * pool.groups", MONTHS),
    Mutant("the pool that is down is always the first", "experiment/one_down.py",
           "int(place == number)", "int(place == 0)", OPERATIONS),
    Mutant("pools fail together over months", "search/availability.py",
           "share = prod(", "share = min(", MONTHS),
    Mutant("a system works again with the first of what it was down for", "simulation/pool/system.py",
           "        if self._causes == 0:\n", "        if True:\n", COMES_AND_GOES),
    Mutant("a replica stops before its cooldown", "simulation/pool/scaler.py",
           "seen.replicas - kept[0][1]", "seen.replicas - asked", COMES_AND_GOES),
    Mutant("start-ups take no time", "simulation/pool/scaler.py",
           "self._clock.now + self._spec.start_up.draw(self._random)", "self._clock.now", COMES_AND_GOES),
    Mutant("stopped replicas are paid for", "tables.py",
           'POWERED | {"down"}', 'POWERED | {"down", "off"}', UPKEEP),
    Mutant("repairs are done one after the other", "metrics/birth_death.py",
           " * repair_s / (broken + 1))", " * repair_s)", MONTHS),
    Mutant("requests of a failed system are lost", "simulation/pool/pool.py",
           "                self.offer_again(request)\n                continue\n", "                continue\n",
           ENGINE),
    Mutant("a step under way at an outage stands", "simulation/replica/replica.py",
           "                done -= 1\n", "                pass\n", ENGINE),
    Mutant("finished requests still count as load", "simulation/pool/pool.py",
           "            self.load.add(self._log.replica[request], -1)\n        if self._scaler",
           "            pass\n        if self._scaler", ENGINE),
    Mutant("the highest numbered of equals is chosen", "simulation/pool/load.py",
           "return (mask & -mask).bit_length() - 1", "return mask.bit_length() - 1", ENGINE),
    Mutant("a rank of attention has all of the memory", "cost/block_pool.py",
           "tokens = self.tokens // self.ranks //", "tokens = self.tokens //", RANK_STEPS),
    Mutant("an idle rank misses a step as busy ones do", "simulation/replica/ranks.py",
           "if self._receiving.late and len(rank.members) else inf", "if self._receiving.late else inf", RANKS),
    Mutant("prompts for another pool are dealt to ranks as its own are", "engine.py",
           "self.handover_rank_router or self.rank_router", "self.rank_router", "tests/scenario/test_pools.py"),
    Mutant("of ranks with as many requests always the first", "simulation/replica/rank_router.py",
           "[(turn + i) % ranks for i in range(ranks)]", "list(range(ranks))", RANKS),
    Mutant("the fastest rank sets the step", "cost/ranks.py",
           "first = max(lines)", "first = min(lines)", RANK_STEPS),
    Mutant("experts see the tokens of the largest rank only", "cost/ranks.py",
           "decoding += own.decoding", "decoding = max(decoding, own.decoding)", RANK_STEPS),
    Mutant("a percentile one rank too high", "metrics/latency.py",
           "return max(rank, 1) - 1", "return max(rank, 1)", LATENCY),
    Mutant("TPOT over all tokens", "metrics/latency.py",
           "requests.output_tokens - 1, out=tpot_s", "requests.output_tokens, out=tpot_s", LATENCY),
    Mutant("TTFT without the time in the queue", "metrics/latency.py",
           '"ttft_s": requests.first_token_at - requests.arrived_at',
           '"ttft_s": requests.first_token_at - requests.first_scheduled_at', LATENCY),
    Mutant("a minute has 3,600 seconds", "economics/tokens.py",
           "(tokens_per_min * 60)", "(tokens_per_min * 3600)", "tests/economics/test_tokens.py"),
    Mutant("a rented hour has 60 seconds", "economics/fleet.py",
           "(devices * HOUR_S)", "(devices * 60)", "tests/economics/test_fleet.py"),
    Mutant("an annuity grows its interest the wrong way", "economics/fleet.py",
           "expm1(-periods * log1p(interest))", "expm1(periods * log1p(interest))", "tests/economics/test_fleet.py"),
    Mutant("GPU memory beyond the engine's share", "cost/memory.py",
           "device.memory_capacity_bytes * deployment.memory_utilisation - weights - beside",
           "device.memory_capacity_bytes - weights - beside", "tests/cost/test_cost_memory.py"),
    Mutant("the ring turns at the pace of its fastest stage", "cost/dataflow.py",
           "return max(stage.token_s(context) for stage in self.stages)",
           "return min(stage.token_s(context) for stage in self.stages)",
           "tests/cost/test_cost_dataflow.py tests/oracles/test_pipelines_and_loops.py"),
    Mutant("requests arrive before others complete", "simulation/alarm.py",
           "COMPLETE, ARRIVE, START = 1, 2, 3", "COMPLETE, ARRIVE, START = 2, 1, 3", ENGINE),
    Mutant("the last comes first among equals", "simulation/replica/queues.py",
           "heappush(self._heap, (self._priority[request], request))",
           "heappush(self._heap, (self._priority[request], -request))", ENGINE),
    Mutant("the turn is not passed on", "simulation/pool/pool.py",
           "            self.turn += 1\n", "", CIW),
    Mutant("a key that was away is owed turns", "simulation/replica/queues.py",
           "starts = max(self._now, self._ends.get(key, 0.0))", "starts = self._ends.get(key, 0.0)",
           "tests/simulation/test_gate.py"),
    Mutant("gaps of all sequences count once", "simulation/records/gaps.py",
           "self._total_s += float((n * (leaps.end_s - leaps.start_s)).sum())",
           "self._total_s += float((leaps.end_s - leaps.start_s).sum())", RUN_LAWS),
    Mutant("a step across two bins is in the first", "simulation/records/timeline.py",
           "share = seconds / (end - start)[which]", "share = np.where(bins == first[which], 1.0, 0.0)",
           "tests/simulation/test_timeline.py"),
    Mutant("a spent bucket is full at once", "workload/quotas.py",
           "                self._tokens[i] -= tokens\n", "", "tests/workload/test_rate_limits.py"),
    Mutant("a prompt is admitted when its first chunk fits", "simulation/replica/admission.py",
           "max(cost, memory.charge(found, target))", "cost", VLLM),
    Mutant("windows give nothing back while a prompt is computed", "simulation/replica/prompts.py",
           "            settled = done + chunk * (steps - 1 - self._ahead)",
           "            settled = 0", MEMORY),
    Mutant("a window that is full takes blocks on and on", "simulation/replica/decoding.py",
           "            grown += filling.growth(self.step, steps)",
           "            grown += filling.groups * self._crossings.within(self.step, steps, self.sequences)", VLLM),
    Mutant("a window's last block is forgotten", "cost/block_pool.py",
           "held = ceil((window + steps_in_flight - 1) / block_tokens) + 1",
           "held = ceil((window + steps_in_flight - 1) / block_tokens)", "tests/cost/test_cost_memory.py"),
    Mutant("what a step frees serves the next one", "simulation/replica/members.py",
           "        if leaving and not self._ahead:\n", "        if leaving:\n", MANY),
    Mutant("nobody looks who waits once others have left", "simulation/replica/scheduler.py",
           "return bounded or bool(self._arrived) or (bool(self.waiting.queue) and joins)",
           "return bounded or bool(self._arrived)", MANY),
    Mutant("a victim keeps what it had taken in the step", "simulation/replica/giving_way.py",
           "                taken -= share[1]\n", "", MANY),
    Mutant("an urgent newcomer hides who came before it", "simulation/replica/admission.py",
           "if queue.pass_over():\n                    continue\n                break\n            if arr",
           "break\n            if arr", MANY),
    Mutant("a token has its name before it is known", "simulation/replica/giving_way.py",
           "request in self._members.just_read else had - 1", "request in self._members.just_read else had", MANY),
    Mutant("requests pass the front end at once", "simulation/pool/front_end.py",
           "done_at = max(free_at[first], now) + work_s", "done_at = now + work_s", FRONT),
    Mutant("streamed tokens cost nothing", "simulation/pool/front_end.py",
           "share_s, since = work_s / len(self._free_at)", "share_s, since = 0.0", FRONT),
    Mutant("a replica counts tokens of the step that ends now", "simulation/replica/replica.py",
           "if self._settled_at_s < time:", "if self._settled_at_s <= time:", FRONT),
    Mutant("the cache claims one token too many", "simulation/memory/memory.py",
           "self._prefixes.find(text, limit // self.block_tokens)",
           "self._prefixes.find(text, -(-limit // self.block_tokens))", FINDS),
    Mutant("the first block of a text goes first, not its last", "simulation/memory/prefixes.py",
           "for first, end in reversed(held):\n            for piece in reversed(_run(first, end)):",
           "for first, end in held:\n            for piece in _run(first, end):", VLLM),
    Mutant("blocks of answers leave no trace in the line", "simulation/memory/memory.py",
           "prefixes.leave_nameless(cached)", "cached = 0", FINDS),
    Mutant("a block is found a step late", "simulation/memory/memory.py",
           "self._scheduled if self._findable_when", "self._computed if self._findable_when", FINDS),
    Mutant("whoever gives way leaves its blocks to nobody", "simulation/memory/memory.py",
           "        if cached:\n            if ended:", "        if cached:\n            if True:", VLLM),
    Mutant("newcomers find what this step writes over", "simulation/replica/scheduler.py",
           "memory.make_room(needed)  #", "memory.make_room(0)  #", VLLM),
    Mutant("a run that is cut loses its place in the line", "simulation/memory/prefixes.py",
           "Unheld.insert(upper, piece)", "self._unheld.append(upper)", FINDS),
    Mutant("burstiness is not squared", "workload/arrivals.py",
           "shape = 1 / cv**2", "shape = 1 / cv", "tests/workload/test_arrivals.py"),
    Mutant("a lognormal's mean is its median's", "workload/lengths.py",
           "return math.log(self.mean_tokens) - variance / 2, math.sqrt(variance)",
           "return math.log(self.mean_tokens), math.sqrt(variance)", "tests/workload/test_lengths.py"),
    Mutant("a trace played twice as fast takes twice as long", "workload/traffic.py",
           "return (self.to_s - self.from_s) / self.rate_scale", "return (self.to_s - self.from_s) * self.rate_scale",
           "tests/workload/test_traffic.py"),
    Mutant("the spread of n values over n", "metrics/confidence.py",
           "np.std(sample, ddof=1)", "np.std(sample, ddof=0)", "tests/metrics/test_confidence.py"),
    Mutant("requests of the last instant count twice", "metrics/steady.py",
           "(times >= self.start_s) & (times < self.end_s)", "(times >= self.start_s) & (times <= self.end_s)",
           "tests/metrics/test_steady.py tests/metrics/test_throughput.py"),
    Mutant("short answers that end while long ones are waited for count", "metrics/steady.py",
           " & (requests.arrived_at <= until_s)", "", "tests/metrics/test_steady.py"),
    Mutant("prompts hold nobody up", "simulation/replica/prompts_first.py",
           "            waits = True\n", "            waits = False\n", SGLANG),
    Mutant("a token after a wait came after a step", "simulation/replica/waits.py",
           "            if sequences and at > since:", "            if False:", SGLANG),
    Mutant("who waited is found by another's last token", "simulation/replica/waits.py",
           "                return since", "                return self.runs[0][0]", SGLANG),
    Mutant("the share of answers does not sink", "simulation/replica/answer_share.py",
           "        self._sunk += steps", "        self._sunk += 0", SGLANG),
    Mutant("the share sinks in mixed steps as well", "simulation/replica/prompts_first.py",
           "decodes_alone = not self._prompts.chunks and not", "decodes_alone = not", SGLANG),
    Mutant("a newcomer's own answer is not reckoned", "simulation/replica/answer_share.py",
           "tokens = rest + min(to_come, self._figures.longest) +", "tokens = rest +", SGLANG),
    Mutant("long answers are reckoned in full", "simulation/replica/answer_share.py",
           "        if rest > self._longest:", "        if False:", SGLANG),
    Mutant("who is turned away asks again at once", "simulation/replica/admission.py",
           "            answers.full = len(self._members) > 0", "            answers.full = False", SGLANG),
    Mutant("the share after a retraction looks no tokens ahead", "simulation/replica/answer_share.py",
           "(produced + self._figures.steps_ahead * requests)", "produced", SGLANG),
    Mutant("a busy server's share stays sunk when it rests", "simulation/replica/prompts_first.py",
           "            if most == 0 and not self.waiting.queue:", "            if False:", SGLANG),
    Mutant("the shortest prompt of equals gives way", "simulation/replica/giving_way.py",
           "step - prompts[each], -prompts[each])", "step - prompts[each], prompts[each])", SGLANG),
    Mutant("the longest answer gives way", "simulation/replica/giving_way.py",
           "at = min(range(len(produced))", "at = max(range(len(produced))", SGLANG),
    Mutant("who was retracted goes to the front", "simulation/replica/queues.py",
           "self.append(request)\n        self.rot", "self.appendleft(request)\n        self.rot", SGLANG),
    Mutant("newcomers are seen after any step", "simulation/replica/receiving.py",
           "looked -= (self._unreceived + steps) % self._interval", "looked -= 0", HABITS),
    Mutant("a long prompt is bounded though it is alone", "simulation/replica/prompts.py",
           "self.alone = requests == 1 and", "self.alone = requests == 0 and", HABITS),
    Mutant("answers longer than the window are cut off", "simulation/tally.py",
           "LONGEST_RUN / 2 * self._clock.now", "self._clock.now", "tests/simulation/test_end_of_run.py"),
    Mutant("calls wait for each other, and nobody waits for them", "search/probe.py",
           "typical.in_a_row * in_flight(service, load)", "in_flight(service, load)", "tests/search/test_capacity.py"),
    Mutant("prompts that nobody has seen yet bound the load", "search/probe.py",
           "cold = to_fill_caches(service)", "cold = 0", "tests/search/test_capacity.py"),
    Mutant("unfinished requests are left out of attainment", "metrics/summary.py",
           "share_of(float(good.sum()), counts.arrived)",
           "share_of(float(good.sum()), counts.finished)", "tests/metrics/test_summary.py"),
    Mutant("idle replicas draw no power", "metrics/throughput.py",
           'columns["joules"] + pool.idle_w * (up_s - columns["busy_s"])', 'columns["joules"]',
           "tests/metrics/test_throughput.py"),
    Mutant("KV heads are divided below one", "cost/work.py",
           "return max(1.0, attention.kv_heads / shard.tensor_parallel) * (attention",
           "return attention.kv_heads / shard.tensor_parallel * (attention", WORK),
    Mutant("a block is a little too small for a state", "cost/block_pool.py",
           "max(1, ceil(state_bytes / (block_tokens * token_bytes)))",
           "max(1, int(state_bytes / (block_tokens * token_bytes)))", LAYERS),
    Mutant("a state is read and not written back", "cost/states.py",
           "moved = 2.0 * state", "moved = 1.0 * state", LAYERS),
    Mutant("an indexer's picks are scored alone", "architecture/attention.py",
           "return self.kv_heads * (self.head_dim + self.value_head_dim) + index",
           "return self.kv_heads * (self.head_dim + self.value_head_dim)", KINDS),
    Mutant("the class's defaults overrule the file", "formats/hf/config.py",
           "{**_both(defaults, renamed), **_both(keys, renamed)}",
           "{**_both(keys, renamed), **_both(defaults, renamed)}", KINDS),
    Mutant("a list of what stays in 16 bits is not read", "formats/hf/quantisation.py",
           "if module.group not in groups or any(matches(entry, module) for entry in ignored):",
           "if module.group not in groups:", KINDS),
    Mutant("a prompt's tokens do not see themselves", "cost/work.py",
           "return new * before + new * (new + 1) / 2", "return new * before + new * (new - 1) / 2", WORK),
    Mutant("every token visits experts of its own", "cost/work.py",
           "return experts * (1.0 - float((1.0 - top_k / experts) ** tokens))",
           "return min(experts, top_k * tokens)", WORK),
    Mutant("drafts take nothing of the budget", "cost/speculative.py",
           "self._budget - sequences * self._each", "self._budget - sequences",
           "tests/oracles/test_drafts_against_vllm.py"),
    Mutant("each draft waits for the host", "cost/speculative.py", "host_step_s=0.0, host_sequence_s=0.0",
           "host_sequence_s=0.0", "tests/cost/test_cost_drafts.py"),
    Mutant("a draft layer does not see all verified tokens", "cost/speculative.py",
           "first = (plain.changed(tokens_each=self._each), 1)", "first = (plain, 1)",
           "tests/cost/test_cost_drafts.py"),
    Mutant("a draft layer joins one vector", "architecture/layer.py",
           "join = self.joined * (hidden * hidden + hidden)", "join = hidden * hidden + self.joined * hidden",
           "tests/formats/test_hf_kinds.py"),
    Mutant("a checkpoint's own bytes are not looked at", "cost/memory.py",
           "return (architecture.stored_bytes - 2.0 * beside) / counted", "return 1.0",
           "tests/formats/test_checkpoint.py"),
    Mutant("the token after the drafts is forgotten", "cost/speculation.py",
           "(1.0 - acceptance ** (drafted + 1)) / (1.0 - acceptance)",
           "(1.0 - acceptance**drafted) / (1.0 - acceptance)", "tests/cost/test_cost_speculation.py"),
    Mutant("a month is thirty days", "units.py",
           "Fraction(_YEAR_S, 12)", "Fraction(30 * 86400)", "tests/test_units.py"),
    Mutant("bits are bytes", "units.py",
           '"b": (Fraction(1, 8)', '"b": (Fraction(1)', "tests/test_units.py"),
    Mutant("cached input is free of charge", "economics/tokens.py",
           "tokens.uncached * input_usd_per_token + tokens.cached * cached",
           "tokens.uncached * input_usd_per_token", "tests/economics/test_tokens.py"),
    Mutant("what is to be copied is given back before", "simulation/replica/members.py",
           "                self.transit.kept[request] = Kept(tokens, windowed, tokens)\n                continue\n",
           "                self.transit.kept[request] = Kept(0, 0, 0)\n", POOLS),
    Mutant("what was copied is never given back", "simulation/replica/replica.py",
           "transit.released.append(request)", "pass", POOLS),
    Mutant("blocks are promised that are not there", "simulation/replica/arrivals.py",
           "return needed <= room and", "return needed <= room + 1 and", POOLS),
    Mutant("nothing is kept free of those who come", "simulation/replica/arrivals.py",
           "self._kept_free_tokens * (active + 1)", "self._kept_free_tokens * active", POOLS),
    Mutant("newcomers go before those who are there", "simulation/replica/arrivals.py",
           "self._members.seated >= self._max_sequences", "self._members.seated >= self._max_sequences - 1", POOLS),
    Mutant("a link without end", "simulation/pool/transfer.py",
           "done_at = begins_at + size / self.rate", "done_at = begins_at", POOLS),
    Mutant("a card sends to all at once", "simulation/pool/transfer.py",
           "begins_at = max(self._free_at[lane], at)", "begins_at = at", POOLS),
    Mutant("a transfer goes at the sender's rate", "simulation/pool/transfer.py",
           "max(sent_at, passed_at, received_at)", "sent_at", POOLS),
    Mutant("a router does not see what lies there", "simulation/pool/router.py",
           "rest = prompt - pool.cached_tokens(replica, request)", "rest = prompt", ROUTED),
    Mutant("a router does not see whom it has sent where", "simulation/pool/router.py",
           "pool.unread.tokens[replica] + ", "", ROUTED),
    Mutant("the last replica is never drawn", "simulation/pool/router.py",
           "pool.random.integers(len(pool.up))", "pool.random.integers(max(1, len(pool.up) - 1))", ROUTED),
    Mutant("the fullest memory is chosen", "simulation/pool/router.py",
           "(pool.kv_used(replica), replica)", "(-pool.kv_used(replica), replica)", ROUTED),
    Mutant("the first of two choices is taken", "simulation/pool/router.py",
           "return min(up[first], up[second], key=lambda", "return max([up[first]], key=lambda", ROUTED),
    Mutant("a hop takes no time", "simulation/pool/transfer.py",
           "now + self._spec.hop_s", "now", POOLS),
    Mutant("the prompt's last token is read twice for nothing", "simulation/replica/arrivals.py",
           "Prefill(request, tokens, tokens - 1, 1)", "Prefill(request, tokens, tokens - 2, 1)", POOLS),
    Mutant("an image is encoded with the chunk that ends it", "workload/images.py",
           "-((self.begins - tokens) // each)", "(tokens - self.begins) // each", IMAGES),
    Mutant("images of a prompt that is found are encoded again", "simulation/replica/prompts.py",
           "self.encoded = 0 if images is None else images.behind(done)", "self.encoded = 0", IMAGES),
    Mutant("patches see only the window in every layer of an encoder", "architecture/images.py",
           "(self.layers - self.windowed) * whole", "(self.layers - self.windowed) * near", ENCODING),
    Mutant("a first token that is thrown away counts", "simulation/replica/members.py",
           "thrown_away += self.transit.first_token == \"decode\"", "thrown_away += 0", SEPARATE),
    Mutant("the way between pools is in no gap", "simulation/replica/members.py",
           "if transit.first_token == \"prefill\" or self.waits.runs:", "if self.waits.runs:", SEPARATE),
    Mutant("more has crossed than there was time for", "simulation/pool/transfer.py",
           "return min(sendable, rate * max(", "return max(sendable, rate * max(", SEPARATE),
    Mutant("what lies there crosses again", "simulation/pool/transfer.py",
           "count = memory.whole * (-(-tokens // block) - found // block)",
           "count = memory.whole * -(-tokens // block)", SEPARATE),
    Mutant("the lightest pool is that with the fewest requests", "simulation/pool/first_router.py",
           "return self._open[number] / up if up else inf", "return float(self._open[number]) if up else inf", SEVERAL),
    Mutant("pools do not get lighter", "simulation/pool/first_router.py",
           "self._open[self._chosen[request]] -= 1", "self._open[self._chosen[request]] -= 0", SEVERAL),
    Mutant("requests wait for the repair of their pool", "simulation/pool/pool.py",
           "if not self._goes_elsewhere(request):\n", "if True:\n", SEVERAL),
    Mutant("a pool that is too short takes what another had", "simulation/pool/first_router.py",
           "if not pool.is_down and tokens <= self._most_tokens[number]", "if not pool.is_down", SEVERAL),
    Mutant("who waits does not go to the pool that works first", "simulation/pool/first_router.py",
           "                pool.offer_stranded()\n", "                pass\n", SEVERAL),
    Mutant("what is too long for a tenant's pool is let in", "simulation/pool/first_router.py",
           "> self._most_tokens[number]", "> max(self._most_tokens)", SEVERAL),
    Mutant("keys of a tenant go to pools in order", "scenario/resolve_pools.py",
           "for each in tenants for _ in range(each.keys)", "for each in tenants", MIXED),
    Mutant("a session does not stay", "simulation/pool/router.py",
           "home = None if session is None else pool.homes.get(session)", "home = None", SIGNALS),
    Mutant("a session goes back to where it was lost", "simulation/pool/router.py",
           "pool.homes[session] = chosen", "pool.homes.setdefault(session, chosen)", SIGNALS),
    Mutant("users of a loop are one session", "simulation/clients/users.py",
           "way.note_session(request, number)", "way.note_session(request, request)", SIGNALS),
    Mutant("replicas are read a reading late", "simulation/pool/signals.py",
           "number * self._every_s <= self._clock.now:", "(number - 1) * self._every_s <= self._clock.now:", SIGNALS),
    Mutant("memory is seen as it is between readings", "simulation/pool/signals.py",
           "return self._used[replica][0]", "return self._pool.kv_used(replica)", SIGNALS),
    Mutant("transfers go on when a service has ended", "simulation/pool/transfer.py",
           "self._tally.ended or self._ways.get(request) is not way:\n            return\n",
           "self._ways.get(request) is not way:\n            return\n", SEPARATE),
    Mutant("what is sent to a replica that fails arrives elsewhere", "simulation/pool/transfer.py",
           "self._ways[request] = other = Way()", "other = way", SEPARATE),
    Mutant("another receiver is asked for what is being read", "simulation/pool/transfer.py",
           "if way.given and not way.read:", "if not way.read and not way.given:", SEPARATE),
    Mutant("what a reader held for a copy survives its failure", "simulation/replica/members.py",
           "lost = list(transit.kept)", "lost = list(transit.kept)[:0]", SEPARATE),
    Mutant("answers given before a failure do not cross", "simulation/records/handovers.py",
           "self.answer_tokens.get(request, 0)", "0 * self.answer_tokens.get(request, 0)", SEPARATE),
    Mutant("blocks are set aside for whom nobody sends", "simulation/replica/arrivals.py",
           "if self._log.finished[request]:", "if False:", SEPARATE),
    Mutant("fixed fleets beside pools that scale are as large as may be", "experiment/beside.py",
           "[fixed_pool(pool, n) for n in pool.fixed]", "[fixed_pool(pool, max(pool.fixed)) for n in pool.fixed]",
           UPKEEP),
    Mutant("first requests of a row count as often as all others", "fidelity/disaggregated.py",
           "np.where(between, (SENT - 2) // (played - 2), 1)", "np.where(between, 1, 1)", APART),
    Mutant("every GPU gets every token, however many there are", "cost/kernels.py",
           "return gpus if gpus <= top_k else gpus *", "return gpus if gpus else gpus *",
           "tests/cost/test_cost_corners.py"),
    Mutant("bands are made of the rows that they are to hold", "fidelity/coverage.py",
           "if of(each.row) != fold]", "]", "tests/fidelity/test_fidelity_accuracy.py"),
    Mutant("users who leave at a row's end do not count", "fidelity/disaggregated.py",
           "lasts_s += (SENT - played)", "lasts_s += (SENT - 1 - played)", APART),
    Mutant("seats of a row are not dealt to ranks", "fidelity/disaggregated.py",
           "each = row.users // row.ranks", "each = row.users // row.decode.workers", APART),
    Mutant("layouts are compared at the end of their speeds", "fidelity/ranking.py",
           "speed = (low * high) ** 0.5", "speed = measured[0][-1][0]", APART),
    Mutant("the ratio of planned pools is turned round", "search/layout.py",
           "return parts_of(layout.settings[\"ratio\"])", "return parts_of(layout.settings[\"ratio\"])[::-1]", PLANS),
    Mutant("no spare is bought for planned pools", "search/layout.py",
           "part.systems + spares,", "part.systems + spares * (len(self.parts) == 1),", PLANS),
    Mutant("only the pool that reads loses systems in a plan", "search/plan.py",
           "for rest in rests if sum(rest) <= count]", "for rest in rests if not any(rest)]", PLANS),
    Mutant("a pool that decodes is charged with prompts", "search/plan_bounds.py",
           "each._replace(prompt_s=0.0, decoding=True) for", "each for", BOUNDS),
)  # fmt: skip


def judged(mutant: Mutant) -> str:
    """`caught`, `survived`, or `timed out`.

    Raises:
        ValueError: the text does not stand exactly once in the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("src", "tests"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        (copy / "conftest.py").write_text(UNSHRUNK)
        file = copy / "src" / "infermodel" / mutant.file
        source = file.read_text()
        if source.count(mutant.text) != 1:
            raise ValueError(f"{mutant.file}: {source.count(mutant.text)} times, not once: {mutant.text!r}")
        file.write_text(source.replace(mutant.text, mutant.instead))
        command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
        command += ["--hypothesis-seed=1", *mutant.tests.split()]
        environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
        limited = partial(resource.setrlimit, resource.RLIMIT_CPU, (MOST_S, MOST_S + 5))
        run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=False, preexec_fn=limited)
        if run.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return "timed out"
        if run.returncode not in (0, 1):  # 1: tests failed; anything else: they did not run
            raise RuntimeError(f"{mutant.bug}: pytest ended with {run.returncode}: {run.stdout.decode()[-500:]}")
        return "survived" if run.returncode == 0 else "caught"


def table() -> str:
    """The bugs as a Markdown table."""
    lines = [f"| {each.bug} | `{each.file}` | `{'`, `'.join(each.tests.split())}` |" for each in MUTANTS]
    return "\n".join([f"{len(MUTANTS)} bugs:", "", "| bug | file | tests that notice it |", "|---|---|---|", *lines])


def main(chosen: Sequence[int]) -> int:
    """Judge the chosen mutants, print a line for each, and say how many were not caught."""
    mutants = [MUTANTS[number] for number in chosen] if chosen else list(MUTANTS)
    missed = 0
    with ThreadPoolExecutor(2) as pool:
        for mutant, verdict in zip(mutants, pool.map(judged, mutants), strict=True):
            missed += verdict != "caught"
            print(f"| {mutant.bug} | `{mutant.file}` | {verdict} |", flush=True)
    print(f"{len(mutants) - missed} of {len(mutants)} caught")
    return missed


if __name__ == "__main__":
    sys.exit(min(main([int(number) for number in sys.argv[1:]]), 1))
