#!/usr/bin/env bash
# transformers 5.23.0: `len(tokenizer.apply_chat_template(messages))` is 2 for any conversation.
#
# Expected: a list of token ids, as up to version 4, whose length is the length of the prompt.
# Instead:  a dictionary of input_ids and attention_mask, so `len` counts its keys; the ids are one level down.
# Output:   len 2, tokens 61
# Matters:  load generators and data-set filters that measure chat prompts this way find every prompt two tokens long:
#           none is too long, and input token throughput is near zero.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 jinja2==3.1.6
"$dir/venv/bin/python" - <<'EOF'
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
backend = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
tokenizer.chat_template = "{% for message in messages %}{{ message.role }}: {{ message.content }}{% endfor %}"
text = "the quick brown fox jumps over the lazy dog and goes on"
prompt = tokenizer.apply_chat_template([{"role": "user", "content": text}])
print(f"len {len(prompt)}, tokens {len(prompt['input_ids'])}")
assert len(prompt) == 2
assert len(prompt["input_ids"]) == len("user: " + text) == 61  # one token a byte here
EOF
echo "as stated"
