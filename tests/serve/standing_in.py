"""A server for tests: a scenario's service behind sockets of this machine, and a client that looks at the clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from infermodel.cli.serve import answers_of, others
from infermodel.experiment import run as run_scenario
from infermodel.scenario import load, resolve
from infermodel.scenario.resolved import ResolvedService
from infermodel.serve.api import Api, Served, run
from infermodel.serve.fleet import Fleet
from infermodel.serve.keys import Keys
from infermodel.simulation.streams import named_streams
from infermodel.tables import RequestTable

HEAD = """
title: Stand-in
requests: 50
traffic:
  arrivals: {arrivals}
  {lengths}
services:
  - {{name: 8B, model: llama-3.1-8b, {service}}}
"""
POISSON = "{kind: poisson, rate: 5 /s}"
LENGTHS = "prompt_tokens: {kind: fixed, tokens: 500}\n  output_tokens: {kind: fixed, tokens: 20}"
ONE_GPU = "fleet: {system: dgx-h100, replicas: 1}"
MODEL = "llama-3.1-8b"


def scenario(
    folder: Path, service: str = ONE_GPU, arrivals: str = POISSON, lengths: str = LENGTHS, requests: int = 50
) -> Path:
    path = folder / "stand_in.yaml"
    path.write_text(HEAD.format(service=service, arrivals=arrivals, lengths=lengths, requests=requests))
    return path


def service_of(path: Path) -> ResolvedService:
    return resolve(load(path)).services[0]


@dataclass
class Standing:
    """A server that runs: where, and what is behind it."""

    url: str
    fleet: Fleet
    api: Api
    client: aiohttp.ClientSession
    stop: asyncio.Event

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any, Any]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.client.post(f"{self.url}{path}", data=content, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text), answer.headers

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.client.get(f"{self.url}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    async def complete(self, prompt: Sequence[int] | str, most: int, **more: Any) -> Streamed:
        """Send a completion, and note when each token comes."""
        body = {"model": MODEL, "prompt": prompt, "max_tokens": most, "ignore_eos": True, "stream": True, **more}
        loop = asyncio.get_running_loop()
        sent, times, usage = loop.time(), [], None
        async with self.client.post(f"{self.url}/v1/completions", json=body) as answer:
            assert answer.status == 200, await answer.text()
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    piece = json.loads(line[6:])
                    usage = piece.get("usage") or usage
                    times += [loop.time()] if piece["choices"] else []
        return Streamed(sent, times, usage)


@dataclass(frozen=True)
class Streamed:
    sent: float
    times: list[float]
    usage: dict[str, int] | None

    @property
    def ttft(self) -> float:
        return self.times[0] - self.sent

    @property
    def e2e(self) -> float:
        return self.times[-1] - self.sent


@asynccontextmanager
async def standing(
    path: Path, *, speed: float = 1.0, background: float | None = None, seed: int = 1, bytes_per_token: float = 4.0
) -> AsyncIterator[Standing]:
    service = service_of(path)
    loop = asyncio.get_running_loop()
    fleet = Fleet(service, seed=seed, speed=speed, background=others(service, background), now=loop.time)
    served = Served(
        names=("meta-llama/Llama-3.1-8B", MODEL),
        context=fleet.service.most_tokens,
        answers=answers_of(service),
        caches=service.pool.limits.prefix_caching,
        bytes_per_token=bytes_per_token,
        hosts=frozenset({"localhost", "127.0.0.1"}),
    )
    api = Api(fleet, served, Keys(service.rate_limits), named_streams(seed, "serve")("output_tokens"))
    stop, up = asyncio.Event(), loop.create_future()
    serving = loop.create_task(run(api, fleet, "127.0.0.1", 0, grace_s=60.0, stop=stop, ready=up.set_result))
    port = await up
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        yield Standing(f"http://127.0.0.1:{port}", fleet, api, client, stop)
        stop.set()
        assert await serving == 0


def as_run(folder: Path, service: str, requests: list[tuple[float, int, int]]) -> RequestTable:
    """What `run` says of the same requests."""
    log = folder / "log.csv"
    log.write_text("arrived_at_s,prompt_tokens,output_tokens\n" + "".join(f"{a!r},{p},{o}\n" for a, p, o in requests))
    path = scenario(folder, service, f"{{kind: trace, file: {log}, format: requests}}", "")
    text = path.read_text().replace("requests: 50\n", "")
    path.write_text(text)
    return run_scenario(resolve(load(path))).services[0].record.requests
