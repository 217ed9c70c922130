#!/usr/bin/env bash
# genai-prices 0.2.3: input tokens include the cached ones; with Anthropic's own counts it bills too little.
#
# Expected: for a Claude model the fields of the same names in Anthropic's answer: `input_tokens` are those that were not
#           read from the cache, and the cached ones come on top.
# Instead:  cached tokens are taken out of `input_tokens` first, as OpenAI counts. The sum of the two is what it wants.
# Output:   5000 input and 3000 cached tokens of claude-sonnet-4-0: 0.0069 USD, billed 0.0159
# Matters:  nothing is said while the cached tokens are no more than the others, and a usage log priced field by field is
#           too low: by 2.3 times here, by eleven where the two are equal.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check genai-prices==0.2.3
"$dir/venv/bin/python" - <<'EOF'
from genai_prices import Usage, calc_price, extract_usage

answer = {"model": "claude-sonnet-4-0", "usage": {"input_tokens": 5_000, "cache_read_input_tokens": 3_000,
                                                  "cache_creation_input_tokens": 0, "output_tokens": 0}}


def price(usage):
    return float(calc_price(usage, model_ref="claude-sonnet-4-0", provider_id="anthropic").total_price)


by_name = price(Usage(input_tokens=5_000, cache_read_tokens=3_000))
billed = price(extract_usage(answer, provider_id="anthropic").usage)  # knows how this provider counts
print(f"5000 input and 3000 cached tokens of claude-sonnet-4-0: {by_name:.4f} USD, billed {billed:.4f}")
assert abs(by_name - (2_000 * 3 + 3_000 * 0.3) / 1e6) < 1e-9
assert abs(billed - (5_000 * 3 + 3_000 * 0.3) / 1e6) < 1e-9
EOF
echo "as stated"
