"""The floor: a bare event loop that leaps over steps with the same cost law, and keeps no ledger and no records.

Continuous batching on several replicas behind least-outstanding-requests, as fast as plain Python does it: one loop,
lists by replica, cost from tables. It knows no KV memory, no preemption, no priorities, no windows, no energy, no gaps
between tokens and no SimPy, and returns nothing but the time at which each request finished.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf, sqrt

from infermodel.cost.step import Batch, Chunk, StepModel

ROWS = 32
"""Prompts of a step are looked up by its tokens, rounded to so many."""


@dataclass(frozen=True)
class CostTable:
    """A step model as tables: a step of n sequences takes `decode_s[n] + per_context_s[n] x contexts`, with p prompt
    tokens `rows_s[(n + p) / ROWS] + per_context_s[n] x contexts`.

    Attributes:
        budget: prompt tokens of a step beside n sequences.
    """

    decode_s: list[float]
    per_context_s: list[float]
    rows_s: list[float]
    budget: list[int]


def cost_table(model: StepModel, seats: int, max_batched_tokens: int, prompt_tokens: int) -> CostTable:
    """Ask a step model for all that the loop will need, at contexts of 1,000 tokens and prompts of `prompt_tokens`."""
    numbers = range(1, seats + 1)
    lines = [model.ramp(Batch(n, 1000 * n, 1000)) for n in numbers]
    slopes = [0.0, *(line.slope_s / n for n, line in zip(numbers, lines, strict=True))]
    decode_s = [0.0, *(line.first_s - 1000 * n * slopes[n] for n, line in zip(numbers, lines, strict=True))]
    rows_s = [0.0]
    for rows in range(ROWS, max_batched_tokens + 2 * ROWS, ROWS):
        whole, rest = divmod(rows, prompt_tokens)
        chunks = (*(Chunk(prompt_tokens, 0),) * whole, *((Chunk(rest, 0),) if rest else ()))
        rows_s.append(model.ramp(Batch(0, 0, 0, (), 1, chunks, len(chunks))).first_s)
    budget = [min(max_batched_tokens - n, model.prompt_tokens_per_step(n, 1000)) for n in (0, *numbers)]
    return CostTable(decode_s, slopes, rows_s, budget)


def heap_loop(
    table: CostTable,
    arrived_at: Sequence[float],
    prompt_tokens: Sequence[int],
    output_tokens: Sequence[int],
    *,
    replicas: int,
    seats: int,
) -> list[float]:
    """Finish times of the requests, seconds."""
    decode_s, per_context_s, rows_s, budgets = table.decode_s, table.per_context_s, table.rows_s, table.budget
    count = len(arrived_at)
    finished_at = [inf] * count
    agenda: list[tuple[float, int, int]] = []  # (end of a leap, replica, ticket)
    everyone = range(replicas)
    load, tickets = [0] * replicas, [0] * replicas
    waiting: list[deque[int]] = [deque() for _ in everyone]
    finishes: list[list[tuple[int, int]]] = [[] for _ in everyone]  # heap of (decode step, request)
    joining: list[list[int]] = [[] for _ in everyone]  # requests whose prompts are in progress
    rest = [0] * replicas  # prompt tokens still to do
    step, sequences, contexts = [0] * replicas, [0] * replicas, [0] * replicas
    anchor_s, first_s, slope_s = [0.0] * replicas, [0.0] * replicas, [0.0] * replicas
    leap = [0] * replicas  # steps of the leap under way, 0: idle
    following = 0
    while True:
        if following < count and not (agenda and agenda[0][0] < arrived_at[following]):
            now = arrived_at[following]
            replica = load.index(min(load))
            load[replica] += 1
            waiting[replica].append(following)
            following += 1
            if leap[replica]:
                if not rest[replica] and sequences[replica] < seats:  # join at the next boundary
                    first, slope, elapsed = first_s[replica], slope_s[replica], now - anchor_s[replica]
                    linear = first - slope / 2
                    steps = int(2 * elapsed / (linear + sqrt(linear * linear + 2 * slope * elapsed)))
                    end = anchor_s[replica] + steps * first + slope * (steps * (steps - 1) / 2)
                    if end < now:
                        end += first + slope * steps
                        steps += 1
                    if steps < leap[replica]:
                        leap[replica] = steps
                        tickets[replica] = ticket = tickets[replica] + 1
                        heappush(agenda, (end, replica, ticket))
                continue
        elif agenda:
            now, replica, ticket = heappop(agenda)
            if tickets[replica] != ticket:
                continue
            # Settle the leap: contexts grow, requests finish, prompts complete.
            steps, decoding = leap[replica], sequences[replica]
            step[replica] = reached = step[replica] + steps
            contexts[replica] += steps * decoding
            heap = finishes[replica]
            while heap and heap[0][0] <= reached:
                _, request = heappop(heap)
                finished_at[request] = now
                contexts[replica] -= prompt_tokens[request] + output_tokens[request]
                sequences[replica] -= 1
                load[replica] -= 1
            if rest[replica]:
                rest[replica] = left = max(0, rest[replica] - steps * budgets[decoding])
                if not left:
                    for request in joining[replica]:
                        if output_tokens[request] > 1:
                            heappush(heap, (reached + output_tokens[request] - 1, request))
                            contexts[replica] += prompt_tokens[request] + 1
                            sequences[replica] += 1
                        else:
                            finished_at[request] = now
                            load[replica] -= 1
                    joining[replica] = []
        else:
            return finished_at
        # Start the next leap.
        decoding = sequences[replica]
        queue = waiting[replica]
        if queue and not rest[replica] and decoding < seats:
            taken, left = [], budgets[decoding]
            while queue and decoding + len(taken) < seats and (prompt_tokens[queue[0]] <= left or not taken):
                request = queue.popleft()
                left -= prompt_tokens[request]
                taken.append(request)
            joining[replica] = taken
            rest[replica] = budgets[decoding] - left
        if rest[replica]:
            tokens = min(rest[replica], budgets[decoding])
            first = rows_s[(decoding + tokens + ROWS // 2) // ROWS] + per_context_s[decoding] * contexts[replica]
            steps = -(-rest[replica] // budgets[decoding])
        elif decoding:
            first = decode_s[decoding] + per_context_s[decoding] * contexts[replica]
            steps = 1 << 40
        else:
            leap[replica] = 0
            continue
        if decoding:
            steps = min(steps, finishes[replica][0][0] - step[replica])
        slope = per_context_s[decoding] * decoding
        anchor_s[replica], first_s[replica], slope_s[replica], leap[replica] = now, first, slope, steps
        tickets[replica] = ticket = tickets[replica] + 1
        heappush(agenda, (now + steps * first + slope * (steps * (steps - 1) / 2), replica, ticket))
