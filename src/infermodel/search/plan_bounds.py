"""What the cost engine says of a layout before it is simulated: bounds that no run of it beats."""

from __future__ import annotations

from math import ceil, inf

from infermodel.cost.step import Batch, Chunk, Windowed
from infermodel.scenario.resolved import ResolvedService
from infermodel.search.estimate import decode_s, mean_lengths
from infermodel.workload.arrivals import Offline
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic

ALLOWANCE = 0.7
"""Of the rate bound's number of systems: a run that ends may leave work behind, and lengths vary around their means."""

SLACK = 0.95
"""Of a step's time: a step of one token is the shortest but for the kernels' tiles."""


def fewest_replicas(service: ResolvedService) -> int:
    """Replicas below which the traffic surely exceeds what decoding alone allows; 1 where nothing is known."""
    traffic = service.traffic
    if isinstance(traffic, ClosedTraffic) or (
        isinstance(traffic, OpenTraffic) and isinstance(traffic.arrivals, Offline)
    ):
        return 1
    return max(1, ceil(ALLOWANCE * traffic.mean_rate_per_s / replica_rate_ceiling(service)))


def replica_rate_ceiling(service: ResolvedService) -> float:
    """Requests/s that a replica finishes at most: prompts for nothing, at its best batch, half-grown contexts.

    Infinite with speculation, whose steps finish several tokens.
    """
    prompt, output = mean_lengths(service)
    if service.speculation is not None or output <= 1:
        return inf
    most = service.limits.max_sequences
    if not service.limits.prefix_caching:
        most = max(1, min(most, int(service.step_model.kv_memory.tokens / (prompt + output / 2))))
    batches = {most, *(1 << power for power in range(most.bit_length()))}
    return max(batch / decode_s(service, batch) for batch in batches if batch <= most) / (output - 1)


def out_of_reach(service: ResolvedService) -> str:
    """The first objective that not even the shortest request alone would keep; empty where there is none."""
    shortest_tpot_s, shortest_ttft_s = SLACK * token_s(service), SLACK * prompt_token_s(service)
    for each in service.objectives:
        fastest = {"tpot": shortest_tpot_s, "itl": shortest_tpot_s, "ttft": shortest_ttft_s}.get(each.metric)
        if each.metric == "output_speed" and shortest_tpot_s * each.limit > 1:
            return f"{each.name}: at most {1 / shortest_tpot_s:.4g} tok/s, alone"
        if fastest is not None and fastest > each.limit:
            return f"{each.name}: at least {fastest:.4g} s, alone"
    return ""


def token_s(service: ResolvedService) -> float:
    """Seconds of a decode step of one sequence with one token of context; 0 with speculation."""
    if service.speculation is not None:
        return 0.0
    windows = tuple(Windowed(1, 0) for _ in service.step_model.windows)
    return service.step_model.step(Batch(1, 1, 1, windows)).latency_s


def prompt_token_s(service: ResolvedService) -> float:
    """Seconds of the step of a prompt of one token."""
    nothing = tuple(Windowed(0, 0) for _ in service.step_model.windows)
    return service.step_model.step(Batch(0, 0, 0, nothing, 1, (Chunk(1, 0),), 1)).latency_s
