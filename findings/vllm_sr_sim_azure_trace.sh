#!/usr/bin/env bash
# vllm-sr-sim 0.1.0.dev20260713123629: a trace of Azure in its format `azure_csv` is read as no requests at all.
#
# Expected: the format named after the public traces reads their files: a date and time, then two counts of tokens.
# Instead:  the time must be a number of seconds. A row whose time is a date is passed over without a word, so all are.
#           A column of another name is not missed: each prompt is then 512 tokens and each answer 128.
# Output:   two rows as published: 0 requests; times in seconds: 2; with other names of columns: 512 and 128 tokens
# Matters:  an empty trace meets every objective, and a renamed one is a load of made-up lengths with the trace's name.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6 scipy==1.17.1
"${pip[@]}" install --no-deps vllm-sr-sim==0.1.0.dev20260713123629
"$dir/venv/bin/python" - "$dir/trace.csv" <<'EOF'
import sys
from pathlib import Path

from fleet_sim.workload.trace import TraceWorkload


def read(*lines):
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n")
    return [request for _, request in TraceWorkload(sys.argv[1], fmt="azure_csv").generate()]


columns = "TIMESTAMP,ContextTokens,GeneratedTokens"
published = read(columns, "2023-11-16 18:17:03.9799600,4808,10", "2023-11-16 18:17:04.0319600,3180,8")
seconds = read(columns, "0.0,4808,10", "0.052,3180,8")
(renamed,) = read("TIMESTAMP,prompt_tokens,generated_tokens", "0.0,4808,10")
print(f"two rows as published: {len(published)} requests; times in seconds: {len(seconds)}; "
      f"with other names of columns: {renamed.l_in} and {renamed.l_out} tokens")
assert (len(published), len(seconds)) == (0, 2)
assert (renamed.l_in, renamed.l_out) == (512, 128)
EOF
echo "as stated"
