#!/usr/bin/env bash
# mlcommons-loadgen 6.0.17: an answer of one token has a time per output token, about 0, that enters mean and percentiles.
#
# Expected: an answer of one token has no time between tokens: it is left out, as other load generators do.
# Instead:  its time from the first token to the end (some microseconds, even negative) is averaged with the others'. The
#           number of errors is raised; the figures are printed all the same.
# Output:   answers of 41 tokens every 5 ms, every third of one token: a mean of 3.3 ms; errors, 20 ms of TTFT as usual
# Matters:  in a mix with classification or guard calls the mean TPOT is too low by their share.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" --quiet --disable-pip-version-check install mlcommons-loadgen==6.0.17
cd "$dir"
venv/bin/python - <<'EOF'
import threading
import time

import mlperf_loadgen as loadgen

QUERIES, TOKENS, TOKEN_S = 30, 41, 0.005
settings = loadgen.TestSettings()
settings.scenario, settings.mode = loadgen.TestScenario.Server, loadgen.TestMode.PerformanceOnly
settings.min_duration_ms, settings.min_query_count, settings.server_target_qps = 1, QUERIES, 20
settings.use_token_latencies = True
sent = []


def answer(identity, tokens):
    time.sleep(0.02)
    loadgen.FirstTokenComplete([loadgen.QuerySampleResponse(identity, 0, 0)])
    if tokens > 1:
        time.sleep(TOKEN_S * (tokens - 1))
    loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(identity, 0, 0, tokens)])


def issue(samples):
    for sample in samples:
        sent.append(sample.id)
        tokens = 1 if len(sent) % 3 == 0 else TOKENS
        threading.Thread(target=answer, args=(sample.id, tokens)).start()


system = loadgen.ConstructSUT(issue, lambda: None)
library = loadgen.ConstructQSL(20, 20, lambda indices: None, lambda indices: None)
loadgen.StartTest(system, library, settings, "")
with open("mlperf_log_summary.txt") as file:
    summary = file.read()
said = dict(line.split(":", 1) for line in summary.splitlines() if "Time per Output Token" in line)
least_ms, mean_ms = (float(value) / 1e6 for name, value in said.items() if name.startswith(("Min", "Mean")))
print(f"{QUERIES} answers, a third of one token, the others with {TOKEN_S * 1000:.0f} ms between tokens:",
      f"mean {mean_ms:.1f} ms, least {least_ms:.1f} ms")
print(next(line for line in summary.splitlines() if "encountered" in line and "ERROR" in line))
assert abs(mean_ms / (TOKEN_S * 1000 * 2 / 3) - 1) < 0.1
assert abs(least_ms) < 1
EOF
echo "as stated"
