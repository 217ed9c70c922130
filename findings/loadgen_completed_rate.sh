#!/usr/bin/env bash
# mlcommons-loadgen 6.0.17: "completed tokens per second" stops the clock when the query that was sent last is answered.
#
# Expected: tokens of all answers over the time until the last of them is complete.
# Instead:  over the time until the last *sent* query is complete; tokens of answers that were then still being written
#           count all the same. Samples a second are taken over the same time and leave one query out.
# Output:   40 queries, 39 answers of 401 tokens in 2 s and a last one of 2 tokens: twice the tokens a second
# Matters:  a benchmark of few queries with long answers promises a server that the hardware is not.
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

QUERIES, LONG, SHORT, TOKEN_S = 40, 401, 2, 0.005
settings = loadgen.TestSettings()
settings.scenario, settings.mode = loadgen.TestScenario.Server, loadgen.TestMode.PerformanceOnly
settings.min_duration_ms, settings.min_query_count, settings.server_target_qps = 1, QUERIES, 20
settings.use_token_latencies = True
sent, answered = [], []


def answer(identity, tokens):
    time.sleep(0.02)
    loadgen.FirstTokenComplete([loadgen.QuerySampleResponse(identity, 0, 0)])
    time.sleep(TOKEN_S * (tokens - 1))
    loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(identity, 0, 0, tokens)])
    answered.append((time.monotonic(), tokens))


def issue(samples):
    for sample in samples:
        sent.append(time.monotonic())
        tokens = SHORT if len(sent) == QUERIES else LONG
        threading.Thread(target=answer, args=(sample.id, tokens)).start()


system = loadgen.ConstructSUT(issue, lambda: None)
library = loadgen.ConstructQSL(20, 20, lambda indices: None, lambda indices: None)
loadgen.StartTest(system, library, settings, "")
with open("mlperf_log_summary.txt") as file:
    said = dict(line.split(":", 1) for line in file if "per second" in line)
said = {name.strip(): float(value) for name, value in said.items()}
whole_s = max(at for at, _ in answered) - sent[0]
last_sent_s = next(at for at, tokens in answered if tokens == SHORT) - sent[0]
tokens = sum(tokens for _, tokens in answered)
print(f"{len(sent)} queries, {tokens} tokens, the last complete after {whole_s:.2f} s: {tokens / whole_s:.0f} tokens/s;",
      f"the one sent last after {last_sent_s:.2f} s")
print(f"printed: {said['Completed tokens per second']:.0f} tokens/s, {said['Completed samples per second']:.2f} samples/s")
assert len(sent) == QUERIES
assert abs(said["Completed tokens per second"] * last_sent_s / tokens - 1) < 0.05
assert abs(said["Completed samples per second"] * last_sent_s / (QUERIES - 1) - 1) < 0.05
assert said["Completed tokens per second"] > 1.5 * tokens / whole_s
EOF
echo "as stated"
