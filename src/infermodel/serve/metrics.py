"""What a service does, in the words of vLLM's metrics (0.33.0) and the text format of Prometheus.

Times are those of the simulation. What clients of the background get counts as well: a fleet does not tell them apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from math import inf, isnan

from infermodel.serve.fleet import Fleet

EDGES_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 7.5),
    *(10.0, 15.0, 20.0, 40.0, 60.0, 120.0, 240.0, 480.0, 960.0),
)


class Histogram:
    """Counts by edges, as Prometheus has them."""

    def __init__(self) -> None:
        self.counts = [0] * (len(EDGES_S) + 1)
        self.sum = 0.0

    def note(self, value: float, times: int = 1) -> None:
        """So many more of a value."""
        self.counts[bisect_left(EDGES_S, value)] += times
        self.sum += value * times

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """In the text format."""
        total = 0
        for edge, count in zip((*EDGES_S, inf), self.counts, strict=True):
            total += count
            shown = "+Inf" if edge == inf else f"{edge:g}"
            yield f'{name}_bucket{{{labels},le="{shown}"}} {total}'
        yield f"{name}_sum{{{labels}}} {self.sum!r}"
        yield f"{name}_count{{{labels}}} {total}"


class Metrics:
    """Counts what is answered, and asks the fleet what is under way."""

    def __init__(self, fleet: Fleet, model: str) -> None:
        self._fleet = fleet
        shown = model.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        self._labels = f'engine="0",model_name="{shown}"'
        self._finished: dict[str, int] = {"length": 0, "stop": 0}
        self._prompt = self._generated = self._found = self._preempted = 0
        self._histograms = {
            "vllm:time_to_first_token_seconds": Histogram(),
            "vllm:inter_token_latency_seconds": Histogram(),
            "vllm:request_time_per_output_token_seconds": Histogram(),
            "vllm:e2e_request_latency_seconds": Histogram(),
            "vllm:request_queue_time_seconds": Histogram(),
        }
        self.refused = 0
        self.reasons: dict[int, str] = {}  # of answers under way that end otherwise than by themselves
        fleet.on_answered = self.count

    def count(self, request: int) -> None:
        """A request has been answered."""
        log = self._fleet.service.log
        sent, first, last = log.arrived_at[request], log.first_token_at[request], log.last_token_at[request]
        tokens = log.output_tokens[request]
        self._finished[self.reasons.pop(request, "stop")] += 1
        self._prompt += log.prompt_tokens[request]
        self._generated += tokens
        self._found += log.cached_tokens[request]
        self._preempted += log.preemptions[request]
        for name, value, times in (
            ("vllm:time_to_first_token_seconds", first - sent, 1),
            ("vllm:inter_token_latency_seconds", (last - first) / max(1, tokens - 1), tokens - 1),
            ("vllm:request_time_per_output_token_seconds", (last - first) / max(1, tokens - 1), int(tokens > 1)),
            ("vllm:e2e_request_latency_seconds", last - sent, 1),
            ("vllm:request_queue_time_seconds", log.first_scheduled_at[request] - sent, 1),
        ):
            if times and not isnan(value):
                self._histograms[name].note(value, times)

    def text(self) -> str:
        """All of them, one a line."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        service, lag, labels = self._fleet.service, self._fleet.lag, self._labels
        pool = service.pools[0]
        used = sum(each.kv_blocks_used for each in pool.replicas) / sum(each.kv_blocks for each in pool.replicas)
        running = sum(len(each.members) for replica in pool.replicas for each in replica.schedulers)
        for name, kind, value in (
            ("vllm:num_requests_running", "gauge", running),
            ("vllm:num_requests_waiting", "gauge", pool.waiting),
            ("vllm:kv_cache_usage_perc", "gauge", used),
            ("vllm:prompt_tokens_total", "counter", self._prompt),
            ("vllm:generation_tokens_total", "counter", self._generated),
            ("vllm:prefix_cache_queries_total", "counter", self._prompt),
            ("vllm:prefix_cache_hits_total", "counter", self._found),
            ("vllm:num_preemptions_total", "counter", self._preempted),
            ("infermodel:requests_refused_total", "counter", self.refused),
            ("infermodel:server_lag_seconds", "gauge", lag.recent_s),
            ("infermodel:server_lag_worst_seconds", "gauge", lag.worst_s),
            ("infermodel:server_late_total", "counter", lag.late),
            ("infermodel:server_due_total", "counter", lag.noted),
            ("infermodel:simulated_seconds", "gauge", self._fleet.now()),
        ):
            yield f"# TYPE {name} {kind}"
            yield f"{name}{{{labels}}} {value}"
        yield "# TYPE vllm:request_success_total counter"
        for reason, count in self._finished.items():
            yield f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {count}'
        for name, histogram in self._histograms.items():
            yield f"# TYPE {name} histogram"
            yield from histogram.lines(name, labels)
