#!/usr/bin/env bash
# genai-prices 0.2.3: the price of the same request depends on the hour at which one asks, and on no argument given.
#
# Expected: price = tokens x price a token.
# Instead:  DeepSeek's models have a price for part of the day, chosen by the clock unless `genai_request_timestamp` is
#           passed: half for deepseek-chat, a quarter for deepseek-reasoner.
# Output:   09:00 UTC 1.37 and 2.74 USD, 20:00 UTC 0.685 and 0.685 USD for a million tokens in and out
# Matters:  costs worked out when a log is read, not when its requests ran, change with the time of reading.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check genai-prices==0.2.3
"$dir/venv/bin/python" - <<'EOF'
from datetime import UTC, datetime

from genai_prices import Usage, calc_price


def price(model, hour):
    asked = datetime(2026, 6, 1, hour, tzinfo=UTC)
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    return float(calc_price(usage, model_ref=model, provider_id="deepseek", genai_request_timestamp=asked).total_price)


table = {hour: [price(f"deepseek-{model}", hour) for model in ("chat", "reasoner")] for hour in (9, 20)}
print(", ".join(f"{hour:02}:00 UTC {chat} and {reasoner} USD" for hour, (chat, reasoner) in table.items()),
      "for a million tokens in and out")
assert table == {9: [1.37, 2.74], 20: [0.685, 0.685]}
EOF
echo "as stated"
