#!/usr/bin/env bash
# llm-analysis 0.2.2: its Llama-2-70B has 55 billion parameters.
#
# Expected: 69.0 billion: a layer's feed-forward has three matrices of 8,192 x 28,672.
# Instead:  every model has two matrices of hidden size x 4 hidden sizes, as GPT-3 does. For the 7B, 13B and 65B models
#           that comes out within 3 % by chance; the 70B, whose layers are wider, loses a fifth of its weights.
# Output:   Llama-2-7b 6.57 billion, Llama-2-70b 55.29 billion
# Matters:  latencies and memory follow from it: at 16 bit the weights seem to leave 50 GB of two 80 GB GPUs for the
#           cache, where 22 GB are left.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install fire==0.5.0
"${pip[@]}" install --no-deps llm-analysis==0.2.2 2>"$dir/log"
"$dir/venv/bin/python" - <<'EOF'
from llm_analysis.analysis import LLMAnalysis
from llm_analysis.config import get_gpu_config_by_name, get_model_config_by_name


def billions(name):
    analysis = LLMAnalysis(get_model_config_by_name(name), get_gpu_config_by_name("a100-sxm-80gb"))
    return analysis.total_num_params / 1e9


small, large = billions("NousResearch_Llama-2-7b-hf"), billions("upstage_Llama-2-70b-instruct-v2")
print(f"Llama-2-7b {small:.2f} billion, Llama-2-70b {large:.2f} billion")
hidden, layers, vocabulary = 8192, 80, 32_000
attention, norms = hidden * (2 * hidden + 2 * 1024), 2 * hidden
own = (layers * (attention + 3 * hidden * 28_672 + norms) + 2 * hidden * vocabulary + hidden) / 1e9
assert abs(own - 68.98) < 0.01 and abs(large - 55.29) < 0.01 and abs(small - 6.57) < 0.01
EOF
echo "as stated"
