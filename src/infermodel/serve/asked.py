"""What a request to an OpenAI-compatible server asks for, and how such a server says no."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil
from typing import Any

MOST_BYTES = 64 * 1024**2
"""Of a request: a million tokens of text take four."""


class Refused(Exception):
    """A request that is not served.

    Attributes:
        status: of HTTP.
        body: as OpenAI writes it.
        headers: beside it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Asked:
    """A request that can be served.

    Attributes:
        model: by the name that the client uses.
        text: of the prompt, of all messages one after the other; empty where it came as tokens.
        tokens: of a prompt that came as such; None: text.
        most: tokens of the answer that are wanted at most; None: not said.
        least: at least.
        streamed: whether the answer is to come in pieces.
        usage: whether the stream is to end with the numbers of tokens.
    """

    model: str
    text: str
    tokens: tuple[int, ...] | None
    most: int | None
    least: int
    streamed: bool
    usage: bool

    def prompt_tokens(self, bytes_per_token: float) -> int:
        """Tokens of the prompt: counted where it came as tokens, else by the bytes of its text."""
        if self.tokens is not None:
            return max(1, len(self.tokens))
        return max(1, ceil(len(self.text.encode("utf-8", "surrogatepass")) / bytes_per_token))

    def blocks(self, bytes_per_token: float, block_tokens: int) -> tuple[int, ...]:
        """Ids of the prompt's full blocks: equal where the text up to their ends is equal."""
        if self.tokens is not None:
            content, each = b"".join(token.to_bytes(8, "big", signed=True) for token in self.tokens), 8 * block_tokens
        else:
            content = self.text.encode("utf-8", "surrogatepass")
            each = max(1, round(bytes_per_token * block_tokens))
        found, before = [], b""
        for start in range(0, len(content) - each + 1, each):
            before = blake2b(before + content[start : start + each], digest_size=8).digest()
            found.append(int.from_bytes(before, "big") >> 1)
        return tuple(found)


def read_body(content: bytes) -> dict[str, Any]:
    """The object of a request's body.

    Raises:
        Refused: it is no JSON object.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        said = "We could not parse the JSON body of your request. (HINT: the API expects a JSON payload.)"
        raise Refused(400, said) from None
    if not isinstance(body, dict):
        raise Refused(400, "The body of your request is not a JSON object.")
    return body


def read_chat(body: Mapping[str, Any]) -> Asked:
    """What a chat asks for.

    Raises:
        Refused: something is missing, wrong or not modelled.
    """
    messages = body.get("messages")
    if messages is None:
        raise Refused(
            400, "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter"
        )
    if not isinstance(messages, list) or not messages:
        raise _wrong("messages", "a list of messages, at least one", messages)
    text = "".join(_message(message, f"messages[{i}]") for i, message in enumerate(messages))
    most = "max_tokens" if body.get("max_completion_tokens") is None else "max_completion_tokens"
    return _asked(body, text, None, most)


def read_completion(body: Mapping[str, Any]) -> Asked:
    """What a completion asks for.

    Raises:
        Refused: something is missing, wrong or not modelled.
    """
    prompt = body.get("prompt")
    if prompt is None:
        raise _missing("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return _asked(body, prompt, None, "max_tokens")
    if isinstance(prompt, list) and prompt and all(type(token) is int and abs(token) < 2**62 for token in prompt):
        return _asked(body, "", tuple(prompt), "max_tokens")
    raise _wrong("prompt", "one text, or one list of tokens", prompt)


def _asked(body: Mapping[str, Any], text: str, tokens: tuple[int, ...] | None, most: str) -> Asked:
    model = body.get("model")
    if not isinstance(model, str):
        raise Refused(400, "you must provide a model parameter", param="model")
    for name in ("n", "best_of"):
        if body.get(name) not in (None, 1):
            raise _wrong(name, "1: this server gives one answer to a request", body[name])
    limit = body.get(most)
    if limit is not None and (type(limit) is not int or limit < 1):
        raise _wrong(most, "a whole number, 1 or more", limit)
    least = body.get("min_tokens", 0)
    if type(least) is not int or least < 0 or (limit is not None and least > limit):
        raise _wrong("min_tokens", f"a whole number up to {most}", least)
    if body.get("ignore_eos") and limit is not None:
        least = limit
    streamed, options = body.get("stream", False), body.get("stream_options") or {}
    if not isinstance(streamed, bool | None):
        raise _wrong("stream", "true or false", streamed)
    if not isinstance(options, dict) or (options and not streamed):
        said = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Refused(400, said, param="stream_options")
    return Asked(model, text, tokens, limit, least, bool(streamed), bool(options.get("include_usage")))


def _message(message: object, at: str) -> str:
    """Text of a message."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise _wrong(at, "an object with role and content", message)
    content = message.get("content")
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise _wrong(f"{at}.content", "a text or a list of parts", content)
    parts = []
    for i, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            kind = part.get("type") if isinstance(part, dict) else part
            raise _wrong(f"{at}.content[{i}].type", "'text': images, sound and files are not modelled", kind)
        parts.append(part["text"])
    return "".join(parts)


def _missing(param: str) -> Refused:
    said = f"Missing required parameter: '{param}'."
    return Refused(400, said, param=param, code="missing_required_parameter")


def _wrong(param: str, expected: str, got: object) -> Refused:
    shown = json.dumps(got, default=str)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return Refused(
        400, f"Invalid value for '{param}': expected {expected}, got {shown}.", param=param, code="invalid_value"
    )
