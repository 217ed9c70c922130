#!/usr/bin/env bash
# vllm 0.33.0, sglang 0.5.23: with speculation, inter-token latency is the time of a step to one and of a token to the other.
#
# Expected: `inter_token_latency_seconds` is what it says in both: the time between two tokens, one value for each.
# Instead:  vLLM observes each step once, however many tokens it gave, so its mean is the step; SGLang shares the step out
#           and observes every token. vLLM's `request_time_per_output_token_seconds` is by tokens, but an answer of one
#           token enters it as 0 s.
# Output:   steps of 30 ms with 3 tokens: vLLM 30 ms in 4 values, SGLang 10 ms in 12; vLLM's time per output token 10 ms,
#           of a one-token answer 0 ms
# Matters:  the same server on the same dashboard is three times slower in vLLM, and turning speculation on looks like a
#           loss there: the step grows and nothing shows that it gives more.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install prometheus-client==0.26.0 msgspec==0.23.0
"${pip[@]}" download --no-deps --only-binary=:all: vllm==0.33.0 --dest "$dir"
"${pip[@]}" download --no-deps --only-binary=:all: --python-version 3.11 sglang==0.5.23 --dest "$dir"
for wheel in "$dir"/*.whl; do "$dir/venv/bin/python" -m zipfile --extract "$wheel" "$dir/wheel"; done
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import importlib.util
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

from prometheus_client import Histogram


def module(path, *needed):
    for part in needed:  # what it imports; not used by what is run below
        sys.modules[part] = MagicMock()
    spec = importlib.util.spec_from_file_location(path.rpartition("/")[2], f"{sys.argv[1]}/{path}.py")
    loaded = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


vllm = module("vllm/v1/metrics/stats", "vllm", "vllm.envs", "vllm.compilation.cuda_graph", "vllm.logger",
              "vllm.v1.metrics.cache_hit_source", "vllm.v1.metrics.perf", "vllm.v1.spec_decode.metrics")
sglang = module("sglang/srt/observability/metrics_collector", "sglang.srt.disaggregation.utils",
                "sglang.srt.model_executor.forward_batch_info", "sglang.srt.observability.scheduler_stage_metrics",
                "sglang.srt.observability.utils", "sglang.srt.runtime_context", "sglang.srt.server_args",
                "sglang.srt.utils", "sglang.srt.utils.gauge_histogram")


def vllm_answer(*steps):
    """The gaps that vLLM observes and its time per output token, of steps of (time in s, tokens)."""
    request, gaps = vllm.RequestStateStats(), []
    for step, (at, tokens) in enumerate(steps):
        iteration = vllm.IterationStats()
        iteration.compute_nans_in_logits = False
        output = SimpleNamespace(new_token_ids=[0] * tokens, prefill_stats=None, events=None)
        iteration.update_from_output(output, at, step == 0, request, None, None)
        gaps += iteration.inter_token_latencies_iter
    iteration.update_from_finished_request("stop", "1", 10, None, request)
    return gaps, iteration.finished_requests[0].mean_time_per_output_token


gaps, per_token = vllm_answer((1.0, 1), *((1.0 + 0.030 * step, 3) for step in range(1, 5)))
_, alone = vllm_answer((1.0, 1))
histogram = Histogram("gaps", "of SGLang", ["model"], buckets=[0.001 * limit for limit in range(1, 50)])
collector = SimpleNamespace(histogram_inter_token_latency=histogram, _histogram_cls=None)
for _ in range(4):
    sglang.TokenizerMetricsCollector.observe_inter_token_latency(collector, {"model": "m"}, 0.030, 3)
(metric,) = histogram.collect()
of_sglang = {sample.name: sample.value for sample in metric.samples if not sample.name.endswith("bucket")}
mean, count = of_sglang["gaps_sum"] / of_sglang["gaps_count"], of_sglang["gaps_count"]
print(f"steps of 30 ms with 3 tokens: vLLM {1e3 * sum(gaps) / len(gaps):.0f} ms in {len(gaps)} values, SGLang "
      f"{1e3 * mean:.0f} ms in {count:.0f}; vLLM's time per output token {1e3 * per_token:.0f} ms, "
      f"of a one-token answer {1e3 * alone:.0f} ms")
assert len(gaps) == 4 and all(abs(gap - 0.030) < 1e-9 for gap in gaps)
assert count == 12 and abs(mean - 0.010) < 1e-9
assert abs(per_token - 0.010) < 1e-9 and alone == 0
EOF
echo "as stated"
