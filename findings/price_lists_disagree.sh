#!/usr/bin/env bash
# litellm 1.110.2 and genai-prices 0.2.3: two price lists differ five times on a provider's own model.
#
# Expected: lists that are renewed all the time agree on the large providers' own models.
# Instead:  DeepSeek's reasoner costs 2.19 USD a million output tokens in genai-prices and 0.42 in litellm, which no longer
#           tells it from the chat model. Neither says from when its price is.
# Output:   output of deepseek-reasoner 2.19 and 0.42, of deepseek-chat 1.10 and 0.42 USD a million
# Matters:  a margin over the market price changes sign with the library that it was looked up in; cite list and version.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install genai-prices==0.2.3
"${pip[@]}" download --no-deps --only-binary=:all: litellm==1.110.2 --dest "$dir"
"$dir/venv/bin/python" - "$dir"/*.whl <<'EOF'
import json
import sys
import zipfile
from datetime import UTC, datetime

from genai_prices import Usage, calc_price

with zipfile.ZipFile(sys.argv[1]) as wheel:
    litellm = json.loads(wheel.read("litellm/model_prices_and_context_window_backup.json"))
noon = datetime(2026, 11, 30, 12, tzinfo=UTC)  # the first list has cheaper hours at night


def output_prices(model):
    price = calc_price(Usage(output_tokens=1_000_000), model_ref=model, provider_id="deepseek",
                       genai_request_timestamp=noon)
    return float(price.total_price), litellm[model]["output_cost_per_token"] * 1e6


reasoner, chat = output_prices("deepseek-reasoner"), output_prices("deepseek-chat")
print(f"output of deepseek-reasoner {reasoner[0]:.2f} and {reasoner[1]:.2f}, "
      f"of deepseek-chat {chat[0]:.2f} and {chat[1]:.2f} USD a million")
assert [round(price, 6) for price in (*reasoner, *chat)] == [2.19, 0.42, 1.10, 0.42]
EOF
echo "as stated"
