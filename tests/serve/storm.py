"""A client in a process of its own: many streams at once, and the mean time of a token in each, as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp


async def stream(client: aiohttp.ClientSession, url: str, model: str, number: int, tokens: int) -> tuple[int, float]:
    body = {"model": model, "prompt": [number] * 100, "max_tokens": tokens, "ignore_eos": True, "stream": True}
    first = last = count = 0.0
    async with client.post(f"{url}/v1/completions", json=body) as answer:
        async for line in answer.content:
            if line.startswith(b"data: {"):
                last = time.monotonic()
                first, count = first or last, count + 1
    return int(count), (last - first) / (count - 1)


async def main(url: str, model: str, streams: int, tokens: int) -> None:
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as client:
        answers = await asyncio.gather(*(stream(client, url, model, number, tokens) for number in range(streams)))
    print(json.dumps(answers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
