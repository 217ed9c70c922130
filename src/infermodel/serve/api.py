"""An OpenAI-compatible HTTP server whose answers come when a simulated service gives them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import web

from infermodel.serve.asked import MOST_BYTES, Asked, Refused, read_body, read_chat, read_completion
from infermodel.serve.fleet import Answer, Fleet
from infermodel.serve.host import host_name
from infermodel.serve.keys import Keys
from infermodel.serve.metrics import Metrics
from infermodel.workload.lengths import Lengths

LAG = "X-Infermodel-Lag"
"""Header of every answer: by how many seconds this server itself was late at worst in the last seconds."""

WORDS = (" the", " and", " for", " you", " all", " but", " one", " out")
"""What answers are made of: words of four bytes, each one token to the tokenizers of today's models."""

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

DRAWN_AT_ONCE = 256

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Served:
    """What a server stands in for.

    Attributes:
        names: of the model; the first is what lists show.
        context: tokens of the longest request.
        answers: law of an answer's length where the client does not ask for one.
        caches: whether prompts find text that came before.
        bytes_per_token: of text.
        hosts: names under which it may be called, without ports.
    """

    names: tuple[str, ...]
    context: int
    answers: Lengths
    caches: bool
    bytes_per_token: float
    hosts: frozenset[str]


class Api:
    """Endpoints over a fleet.

    Attributes:
        closing: set when no more requests are taken.
    """

    def __init__(self, fleet: Fleet, served: Served, keys: Keys, random: np.random.Generator) -> None:
        self._fleet, self._served, self._keys = fleet, served, keys
        self._lengths = lengths(served.answers, random)
        self.metrics = Metrics(fleet, served.names[0])
        self.closing = False
        self._number = 0

    def application(self) -> web.Application:
        """The endpoints, to be run by aiohttp."""
        app = web.Application(middlewares=[self._around], client_max_size=MOST_BYTES)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/completions", self.complete)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/v1/models/{model:.+}", self.model)
        app.router.add_get("/metrics", self.show_metrics)
        app.router.add_get("/health", self.health)
        return app

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refusals as OpenAI writes them, and only for those who call this server by its own name."""
        try:
            if host_name(request.headers.get("Host", "")) not in self._served.hosts:
                raise Refused(403, "This server is not called by that name.", code="wrong_host")
            answer = await handler(request)
        except Refused as refused:
            self.metrics.refused += 1
            answer = web.json_response(refused.body, status=refused.status, headers=refused.headers)
        except web.HTTPException as error:
            self.metrics.refused += 1
            answer = web.json_response(_http_error(request, error).body, status=error.status)
        if not answer.prepared:
            answer.headers[LAG] = f"{self._fleet.lag.recent_s:.4f}"
        return answer

    # ---- what there is ---------------------------------------------------------------------------------------------

    async def models(self, request: web.Request) -> web.StreamResponse:
        """The model, by all its names."""
        return web.json_response({"object": "list", "data": [self._described(name) for name in self._served.names]})

    async def model(self, request: web.Request) -> web.StreamResponse:
        """One name of the model."""
        name = request.match_info["model"]
        self._check_model(name)
        return web.json_response(self._described(name))

    def _described(self, name: str) -> dict[str, Any]:
        context = {"max_model_len": self._served.context}
        return {"id": name, "object": "model", "created": 0, "owned_by": "infermodel", **context}

    async def show_metrics(self, request: web.Request) -> web.StreamResponse:
        """For Prometheus."""
        return web.Response(body=self.metrics.text().encode(), headers={"Content-Type": PROMETHEUS})

    async def health(self, request: web.Request) -> web.StreamResponse:
        """Whether requests are taken."""
        return web.Response(status=503 if self.closing else 200)

    # ---- answers ---------------------------------------------------------------------------------------------------

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """A chat."""
        return await self._answer(request, read_chat, chat=True)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """A completion."""
        return await self._answer(request, read_completion, chat=False)

    async def _answer(self, request: web.Request, read: Callable[[Any], Asked], *, chat: bool) -> web.StreamResponse:
        arrived_at = self._fleet.now()  # its head; the body may be a moment on its way, which is the model's ingress
        asked = read(read_body(await request.read()))
        if self.closing:
            raise Refused(503, "This server is stopping.", kind="server_error", code="unavailable")
        key = self._keys.number(request.headers.get("Authorization", ""))
        self._check_model(asked.model)
        prompt = asked.prompt_tokens(self._served.bytes_per_token)
        output, reason = self._length(asked, prompt)
        self._keys.take(self._fleet, key, asked, prompt, output)
        blocks: tuple[int, ...] = ()
        if self._served.caches:
            blocks = asked.blocks(self._served.bytes_per_token, self._fleet.block_tokens)
        answer = self._fleet.send(prompt, output, arrived_at, key=key, blocks=blocks)
        self.metrics.reasons[answer.number] = reason
        self._number += 1
        told = Told(f"{'chatcmpl' if chat else 'cmpl'}-{self._number}", asked, answer, reason, int(time.time()), chat)
        if not asked.streamed:
            while not answer.ended:
                await answer.came.wait()
                answer.came.clear()
            self._fleet.note_written(answer)
            return web.json_response(told.whole())
        return await self._stream(request, told)

    async def _stream(self, request: web.Request, told: Told) -> web.StreamResponse:
        """The answer in pieces, a token each, whenever the fleet has given one; its head goes out at once, as an
        engine's does.
        """
        answer, sent = told.answer, 0
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers={**headers, LAG: f"{self._fleet.lag.recent_s:.4f}"})
        await response.prepare(request)
        while True:
            await answer.came.wait()
            answer.came.clear()
            pieces = [told.piece(token) for token in range(sent, answer.sent)]
            sent = answer.sent
            if answer.ended:
                break
            await response.write(b"".join(pieces))
            self._fleet.note_written(answer)
        if told.asked.usage:
            pieces.append(told.usage_piece())
        await response.write(b"".join([*pieces, b"data: [DONE]\n\n"]))
        self._fleet.note_written(answer)
        await response.write_eof()
        return response

    def _length(self, asked: Asked, prompt: int) -> tuple[int, str]:
        """Tokens of an answer and why it ends: drawn from the scenario's law, within what the client asks for.

        Raises:
            Refused: prompt and answer do not fit the context.
        """
        room = self._served.context - prompt
        if room < 1 or (asked.most is not None and asked.most > room):
            wanted = prompt + (asked.most or 1)
            said = (
                f"This model's maximum context length is {self._served.context} tokens. However, you requested {wanted}"
                f" tokens ({prompt} in the messages, {wanted - prompt} in the completion)."
            )
            raise Refused(400, said, param="messages", code="context_length_exceeded")
        most = room if asked.most is None else asked.most
        drawn = max(next(self._lengths), asked.least)
        return (most, "length") if drawn >= most else (drawn, "stop")

    def _check_model(self, name: str) -> None:
        if name not in self._served.names:
            said = f"The model `{name}` does not exist or you do not have access to it."
            raise Refused(404, said, code="model_not_found")


@dataclass(frozen=True)
class Told:
    """An answer in OpenAI's words."""

    id: str
    asked: Asked
    answer: Answer
    reason: str
    created: int
    chat: bool
    _repeated: dict[int, bytes] = field(default_factory=dict)

    def whole(self) -> dict[str, Any]:
        """All of it."""
        text = "".join(WORDS[token % len(WORDS)] for token in range(self.answer.output_tokens))
        content = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": self.reason}
        kind = "chat.completion" if self.chat else "text_completion"
        return {**self._head(kind), "choices": [choice], "usage": self._usage()}

    def piece(self, token: int) -> bytes:
        """One token, from 0; those in the middle repeat, word by word."""
        if 0 < token < self.answer.output_tokens - 1:
            number = token % len(WORDS)
            if number not in self._repeated:
                self._repeated[number] = self._piece(token)
            return self._repeated[number]
        return self._piece(token)

    def _piece(self, token: int) -> bytes:
        word = WORDS[token % len(WORDS)]
        ends = self.reason if token == self.answer.output_tokens - 1 else None
        if self.chat:
            delta = {"role": "assistant", "content": word} if token == 0 else {"content": word}
            return self._event([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": ends}])
        return self._event([{"index": 0, "text": word, "logprobs": None, "finish_reason": ends}])

    def usage_piece(self) -> bytes:
        """What was used, without a token."""
        return self._event([], usage=self._usage())

    def _event(self, choices: Sequence[dict[str, Any]], **more: Any) -> bytes:
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        body = {**self._head(kind), "choices": choices, **more}
        return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.asked.model}

    def _usage(self) -> dict[str, int]:
        prompt, output = self.answer.prompt_tokens, self.answer.output_tokens
        return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


def lengths(law: Lengths, random: np.random.Generator) -> Iterator[int]:
    """What a law draws, without end."""
    while True:
        yield from law.draw(random, DRAWN_AT_ONCE).tolist()


def _http_error(request: web.Request, error: web.HTTPException) -> Refused:
    """What OpenAI says where there is no such place, method or room."""
    if error.status == 404:
        return Refused(404, f"Invalid URL ({request.method} {request.path})")
    if error.status == 405:
        return Refused(405, f"Not allowed to {request.method} on {request.path}.")
    if error.status == 413:
        return Refused(413, f"The body of your request is larger than {MOST_BYTES // 1024**2} MiB.")
    return Refused(error.status, error.reason)


async def run(
    api: Api, fleet: Fleet, host: str, port: int, *, grace_s: float, stop: asyncio.Event, ready: Callable[[int], None]
) -> int:
    """Serve until `stop` is set, then answer what is under way.

    Args:
        grace_s: seconds on the wall to do so.
        ready: called with the port once requests are taken.

    Returns:
        Requests that were not answered in that time.
    """
    runner = web.AppRunner(api.application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=4096)
        await site.start()
        fleet.start()
        ready(runner.addresses[0][1])
        await stop.wait()
        api.closing = True
        until = time.monotonic() + grace_s
        while fleet.open and time.monotonic() < until:
            await asyncio.sleep(0.02)
        return fleet.open
    finally:
        fleet.stop()
        await runner.cleanup()
