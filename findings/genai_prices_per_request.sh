#!/usr/bin/env bash
# genai-prices 0.2.3: some prices are not linear in tokens, and a total is not the sum of its two parts.
#
# Expected: `calc_price` is tokens times the two prices a token, and its input and output prices add up to the total.
# Instead:  Perplexity's models add a fee for each request, 12 USD a thousand for Sonar, to the total only. No argument
#           says how many requests the tokens were, so it is charged once.
# Output:   sonar, 1,000 tokens in, 200 out: 0.0132 USD, parts 0.0012; a thousand such: summed 13.20, added up first 1.21
# Matters:  a day's tokens added up and then priced, as one does with a log, loses eleven twelfths of this bill.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check genai-prices==0.2.3
"$dir/venv/bin/python" - <<'EOF'
from genai_prices import Usage, calc_price


def price(count):
    usage = Usage(input_tokens=1_000 * count, output_tokens=200 * count)
    return calc_price(usage, model_ref="sonar", provider_id="perplexity")


one, day = price(1), price(1_000)
total, parts, added_up = float(one.total_price), float(one.input_price + one.output_price), float(day.total_price)
print(f"sonar, 1,000 tokens in, 200 out: {total:.4f} USD, parts {parts:.4f}; "
      f"a thousand such: summed {1000 * total:.2f}, added up first {added_up:.2f}")
assert abs(total - parts - 0.012) < 1e-9
assert abs(added_up - (1000 * parts + 0.012)) < 1e-9
EOF
echo "as stated"
