#!/usr/bin/env bash
# genai-prices 0.2.3: asked for gpt-oss-120b without a host, it answers with a price of OpenAI, who do not sell it.
#
# Expected: an error that asks for the host: the weights are open, and each host charges its own price.
# Instead:  the name begins with "gpt-", so the provider is openai, and openai's list has the model at a third of what the
#           same library knows of Groq, Together and Amazon, and a fifth of Cerebras.
# Output:   a million tokens in and out: openai 0.219 USD; groq 0.75, together 0.75, aws 0.75, cerebras 1.10
# Matters:  a market price looked up by the model's name alone is low by three times or more, and names a wrong source.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check genai-prices==0.2.3
"$dir/venv/bin/python" - <<'EOF'
from genai_prices import Usage, calc_price

usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
bare = calc_price(usage, model_ref="gpt-oss-120b")
hosts = {"groq": "openai/gpt-oss-120b", "together": "openai/gpt-oss-120b", "aws": "openai.gpt-oss-120b-1:0",
         "cerebras": "gpt-oss-120b"}
prices = {host: float(calc_price(usage, model_ref=ref, provider_id=host).total_price) for host, ref in hosts.items()}
print(f"a million tokens in and out: {bare.provider.id} {bare.total_price} USD;",
      ", ".join(f"{host} {price:.2f}" for host, price in prices.items()))
assert bare.provider.id == "openai" and abs(float(bare.total_price) - 0.219) < 1e-9
assert min(prices.values()) > 3 * float(bare.total_price)
EOF
echo "as stated"
