#!/usr/bin/env bash
# mistral-common 1.13.1: the system prompt moves to the newest turn, so a conversation shares no prefix between turns.
#
# Expected: the system prompt stands first; the second prompt is the first one, its answer and the new message.
# Instead:  the third format (Mistral-Nemo and Mistral-7B v0.3 among others) writes it in front of the last user message.
#           Two turns of one chat share the start token and the mark of a user's message, and nothing of the system prompt.
# Output:   a system prompt of 2,800 tokens: turn 1 has 2806 tokens, turn 2 2814, the first 2 are common
# Matters:  a prefix cache is sized by what requests share. Here the shared prompt is computed anew in each turn, and any
#           hit rate taken from "one system prompt for all" is wrong from the second turn on.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check mistral-common==1.13.1
"$dir/venv/bin/python" - <<'EOF'
from itertools import takewhile

from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

tokenizer = MistralTokenizer.v3(is_tekken=True)
first = [SystemMessage(content="Answer at length and with care. " * 400), UserMessage(content="Hello")]
second = [*first, AssistantMessage(content="Hi there"), UserMessage(content="And now?")]
turns = [tokenizer.encode_chat_completion(ChatCompletionRequest(messages=m)).tokens for m in (first, second)]
common = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(*turns))))
print(f"a system prompt of 2,800 tokens: turn 1 has {len(turns[0])} tokens, turn 2 {len(turns[1])}, "
      f"the first {common} are common")
assert common == 2 and len(turns[0]) > 2800
assert tokenizer.decode(turns[1]).startswith("Hello")
EOF
echo "as stated"
