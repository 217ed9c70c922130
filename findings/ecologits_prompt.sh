#!/usr/bin/env bash
# ecologits 0.11.3: the energy of a request has no prompt in it.
#
# Expected: a long prompt costs energy: prefill is most of the arithmetic where prompts are long and answers short.
# Instead:  the function takes output tokens only, times an energy per token; an answer of no tokens costs nothing.
# Output:   tokens taken: output_token_count; 100 tokens 1.00 of 100 tokens, 200 tokens 2.00, 0 tokens 0.00
# Matters:  retrieval and agent traffic, of thousands of prompt tokens for tens of output, is rated as if it had no prompt.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check ecologits==0.11.3
"$dir/venv/bin/python" - <<'EOF'
import inspect

from ecologits.impacts.llm import compute_llm_impacts

taken = [name for name in inspect.signature(compute_llm_impacts).parameters if "token" in name]


def energy(tokens):
    impacts = compute_llm_impacts(8, 8, tokens, 0, 0, 0, 0, 1.2, 0, request_latency=1e9)
    value = impacts.usage.energy.value
    return getattr(value, "mean", value)


ratios = [energy(tokens) / energy(100) for tokens in (100, 200, 0)]
print(f"tokens taken: {', '.join(taken)}; 100 tokens {ratios[0]:.2f} of 100 tokens, 200 tokens {ratios[1]:.2f}, "
      f"0 tokens {ratios[2]:.2f}")
assert taken == ["output_token_count"]
assert ratios[2] == 0 and abs(ratios[1] - 2) < 1e-6
EOF
echo "as stated"
