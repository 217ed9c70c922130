#!/usr/bin/env bash
# guidellm 0.8.1: "time per output token" includes the wait for the first token.
#
# Expected: TPOT as in other clients: the time after the first token, shared by the tokens after it.
# Instead:  it is the whole time to the last token divided by all tokens. What others call TPOT is its inter-token
#           latency; what vLLM calls inter-token latency, the single gaps, is not kept.
# Output:   first token at 400 ms, then one each 50 ms, ten in all: TPOT 85.0 ms, inter-token latency 50.0 ms
# Matters:  compared by name, this tool's decode looks 1.7 times slower here, the more so the shorter the answers.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check pydantic==2.14.4 pydantic-settings==2.16.3 numpy==2.4.6 loguru==0.7.3 click==8.5.1 pyyaml==6.0.4 faker==40.63.0 httpx==0.28.1 ftfy==6.3.1 msgpack==1.2.4 protobuf==7.36.2 culsans==0.11.0 uvloop==0.23.0 tabulate==0.10.0 rich==15.0.0
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps guidellm==0.8.1
"$dir/venv/bin/python" - <<'EOF'
from guidellm.schemas.base.info import RequestInfo, RequestTimings
from guidellm.schemas.base.request import UsageMetrics
from guidellm.schemas.base.request_stats import GenerativeRequestStats

timings = RequestTimings(request_start=0.0, first_token_iteration=0.4, last_token_iteration=0.85, token_iterations=10,
                         request_end=0.85, resolve_end=0.85)
usage = UsageMetrics(text_tokens=10)
request = GenerativeRequestStats(request_id="1", info=RequestInfo(timings=timings), output_metrics=usage,
                                 input_metrics=UsageMetrics(text_tokens=25))
tpot, itl = request.time_per_output_token_ms, request.inter_token_latency_ms
print(f"first token at 400 ms, then one each 50 ms, ten in all: TPOT {tpot:.1f} ms, inter-token latency {itl:.1f} ms")
assert abs(tpot - 850 / 10) < 1e-6
assert abs(itl - 450 / 9) < 1e-6
EOF
echo "as stated"
