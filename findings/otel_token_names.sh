#!/usr/bin/env bash
# opentelemetry-semantic-conventions 0.66b2, -ai 0.5.1: the package made for LLMs writes names of its own.
#
# Expected: the extension's constants are the convention's attributes.
# Instead:  prompts are `gen_ai.usage.prompt_tokens` to one and `gen_ai.usage.input_tokens` to the other; reasoning is
#           `gen_ai.usage.reasoning_tokens` and `gen_ai.usage.reasoning.output_tokens`.
# Output:   gen_ai.usage.prompt_tokens != gen_ai.usage.input_tokens, gen_ai.usage.reasoning_tokens != ...
# Matters:  spans of instrumented clients filtered by the convention's names sum to zero tokens.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check opentelemetry-semantic-conventions==0.66b2 opentelemetry-semantic-conventions-ai==0.5.1
"$dir/venv/bin/python" - <<'EOF'
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as convention
from opentelemetry.semconv_ai import SpanAttributes as extension

pairs = [(extension.LLM_USAGE_PROMPT_TOKENS, convention.GEN_AI_USAGE_INPUT_TOKENS),
         (extension.GEN_AI_USAGE_REASONING_TOKENS, convention.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS)]
print(", ".join(f"{ours} != {theirs}" for ours, theirs in pairs))
assert pairs == [("gen_ai.usage.prompt_tokens", "gen_ai.usage.input_tokens"),
                 ("gen_ai.usage.reasoning_tokens", "gen_ai.usage.reasoning.output_tokens")]
EOF
echo "as stated"
