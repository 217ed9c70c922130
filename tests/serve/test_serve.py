from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serve.standing_in import LENGTHS, MODEL, ONE_GPU, Standing, Streamed, as_run, scenario, standing
from tests.serve.virtual_time import VirtualLoop, play

from infermodel.serve.loop import precise_loop

MESSAGES = [{"role": "user", "content": "hello"}]
CHAT = {"model": MODEL, "messages": MESSAGES}


def drawn(seed: int, count: int, rate: float) -> list[tuple[float, int, int]]:
    """Arrivals, prompts and answers of some requests; at least one answer of a single token."""
    generator = np.random.default_rng(seed)
    at = np.cumsum(generator.exponential(1 / rate, count)) + 0.5
    lengths = generator.integers(20, 3000, count), generator.integers(2, 60, count)
    lengths[1][3] = 1
    return list(zip(at.tolist(), *(each.tolist() for each in lengths), strict=True))


async def sent(up: Standing, requests: list[tuple[float, int, int]], speed: float = 1.0) -> list[Streamed]:
    async def one(number: int, at: float, prompt: int, output: int) -> Streamed:
        await asyncio.sleep(at / speed)
        return await up.complete([number * 10_000 + i for i in range(prompt)], output)

    return await asyncio.gather(*(one(i, *request) for i, request in enumerate(requests)))


@pytest.mark.parametrize(
    ("service", "speed", "rate"),
    [
        (ONE_GPU, 1.0, 20),
        (ONE_GPU, 10.0, 20),
        ("fleet: {system: dgx-h100, systems: 1, replicas: 3}, router: shared_queue", 1.0, 40),
        ("fleet: {system: cs-3}", 1.0, 5),
        (f"engine: sglang, {ONE_GPU}", 1.0, 30),
        ("fleet: {system: dgx-h100, data_parallel: 4, replicas: 1}", 1.0, 40),
        (
            "fleet: {system: dgx-h100, replicas: 1},"
            " speculation: {draft: ngram, tokens: 3, acceptance: 0.6, mode: sampled}",
            1.0,
            10,
        ),
    ],
)
def test_answers_come_when_a_run_says(tmp_path: Path, service: str, speed: float, rate: float) -> None:
    """First and last tokens of every request, to the microsecond of the simulation."""
    requests = drawn(7, 40, rate)
    modelled = as_run(tmp_path, service, requests)

    async def work() -> list[Streamed]:
        async with standing(scenario(tmp_path, service), speed=speed, seed=1) as up:
            return await sent(up, requests, speed)

    streamed = play(work())
    assert [len(each.times) for each in streamed] == [output for _, _, output in requests]
    ttft = np.array([each.ttft for each in streamed]) * speed
    e2e = np.array([each.e2e for each in streamed]) * speed
    assert ttft == pytest.approx(modelled.first_token_at - modelled.arrived_at, abs=2e-6 * speed)
    assert e2e == pytest.approx(modelled.last_token_at - modelled.arrived_at, abs=2e-6 * speed)


def test_a_request_has_arrived_when_its_head_has(tmp_path: Path) -> None:
    """Its body is on its way for as long as a request is to the door: the first token comes no later for it."""
    modelled = as_run(tmp_path, ONE_GPU, [(1.0, 3, 5)])
    body = json.dumps({"model": MODEL, "prompt": [1, 2, 3], "max_tokens": 5, "ignore_eos": True, "stream": True})
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"

    async def work() -> float:
        async with standing(scenario(tmp_path)) as up:
            loop = asyncio.get_running_loop()
            reader, writer = await asyncio.open_connection("127.0.0.1", int(up.url.rpartition(":")[2]))
            began = loop.time()
            writer.write(head.encode())
            await asyncio.sleep(0.0003)  # the way to the door takes longer
            writer.write(body.encode())
            await reader.readuntil(b"data: {")
            ttft_s = loop.time() - began
            await reader.readuntil(b"[DONE]")
            writer.close()
            return ttft_s

    assert play(work()) == pytest.approx(float(modelled.first_token_at[0] - modelled.arrived_at[0]), abs=2e-6)


def test_timers_ring_between_milliseconds() -> None:
    """Never before they are due, and with epoll itself none of these would ring within a millisecond."""

    async def late() -> list[float]:
        loop, found = asyncio.get_running_loop(), []
        for _ in range(30):
            due = loop.time() + 0.0004
            rung = loop.create_future()
            loop.call_at(due, rung.set_result, None)
            await rung
            found.append(loop.time() - due)
        return found

    with asyncio.Runner(loop_factory=precise_loop) as runner:
        found = runner.run(late())
    assert min(found) > -1e-6
    assert min(found) < 0.0005


def test_tokens_come_one_by_one_as_steps_end(tmp_path: Path) -> None:
    """A lone request: the gaps between its tokens are those of its steps, each a little longer than the one before."""

    async def work() -> Streamed:
        async with standing(scenario(tmp_path)) as up:
            return await up.complete([*range(1000)], 50, stream_options={"include_usage": True})

    streamed = play(work())
    gaps = np.diff(streamed.times)
    assert gaps.min() > 0.001
    assert gaps.max() < 1.2 * gaps.min()
    assert streamed.usage == {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}


def ask(tmp_path: Path, path: str, body: Any, service: str = ONE_GPU, **headers: str) -> tuple[int, Any, Any]:
    async def work() -> tuple[int, Any, Any]:
        async with standing(scenario(tmp_path, service)) as up:
            return await up.post(path, body, **headers)

    return play(work())


def test_a_chat_without_a_stream(tmp_path: Path) -> None:
    status, answer, headers = ask(tmp_path, "/v1/chat/completions", {**CHAT, "max_tokens": 3})
    assert status == 200
    assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": " the and for"}
    assert (choice["finish_reason"], answer["object"]) == ("length", "chat.completion")
    assert float(headers["X-Infermodel-Lag"]) == 0.0


def test_an_answers_length_is_the_scenarios_where_nobody_asks_for_one(tmp_path: Path) -> None:
    _, answer, _ = ask(tmp_path, "/v1/chat/completions", CHAT)
    assert (answer["usage"]["completion_tokens"], answer["choices"][0]["finish_reason"]) == (20, "stop")


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "says"),
    [
        ("/v1/chat/completions", b"{", 400, None, "could not parse the JSON"),
        ("/v1/chat/completions", b"\xff", 400, None, "could not parse the JSON"),
        ("/v1/chat/completions", b"[" * 100_000, 400, None, "could not parse the JSON"),
        ("/v1/chat/completions", [], 400, None, "not a JSON object"),
        ("/v1/chat/completions", {"model": MODEL}, 400, "missing_required_parameter", "'messages'"),
        ("/v1/chat/completions", {"messages": MESSAGES}, 400, None, "model parameter"),
        ("/v1/chat/completions", {**CHAT, "model": "gpt"}, 404, "model_not_found", "`gpt` does not exist"),
        ("/v1/chat/completions", {**CHAT, "messages": []}, 400, "invalid_value", "at least one"),
        ("/v1/chat/completions", {**CHAT, "messages": [{"content": 1}]}, 400, "invalid_value", "messages[0]"),
        ("/v1/chat/completions", {**CHAT, "n": 2}, 400, "invalid_value", "one answer"),
        ("/v1/chat/completions", {**CHAT, "max_tokens": 0}, 400, "invalid_value", "1 or more, got 0"),
        ("/v1/chat/completions", {**CHAT, "max_tokens": True}, 400, "invalid_value", "got true"),
        ("/v1/chat/completions", {**CHAT, "stream": "yes"}, 400, "invalid_value", "true or false"),
        ("/v1/chat/completions", {**CHAT, "stream_options": {"include_usage": True}}, 400, None, "only allowed when"),
        ("/v1/chat/completions", {**CHAT, "max_tokens": 200_000}, 400, "context_length_exceeded", "131072 tokens"),
        (
            "/v1/chat/completions",
            {**CHAT, "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "invalid_value",
            "images, sound and files are not modelled",
        ),
        ("/v1/completions", {"model": MODEL}, 400, "missing_required_parameter", "'prompt'"),
        ("/v1/completions", {"model": MODEL, "prompt": ["a", "b"]}, 400, "invalid_value", "one text"),
        ("/v1/completions", {"model": MODEL, "prompt": []}, 400, "invalid_value", "one text"),
        ("/v1/completions", {"model": MODEL, "prompt": "x" * 600_000}, 400, "context_length_exceeded", "131072"),
        ("/v1/embeddings", {}, 404, None, "Invalid URL (POST /v1/embeddings)"),
        ("/v1/models", {}, 405, None, "Not allowed to POST"),
    ],
)
def test_a_bad_request_is_answered_as_openai_does(
    tmp_path: Path, path: str, body: Any, status: int, code: str | None, says: str
) -> None:
    found, answer, _ = ask(tmp_path, path, body)
    assert (found, answer["error"]["code"]) == (status, code)
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert says in answer["error"]["message"]


def test_only_those_who_call_it_by_its_name_are_answered(tmp_path: Path) -> None:
    status, answer, _ = ask(tmp_path, "/v1/chat/completions", CHAT, Host="somewhere.example:80")
    assert (status, answer["error"]["code"]) == (403, "wrong_host")


def test_models_health_and_metrics(tmp_path: Path) -> None:
    async def work() -> tuple[Any, Any, dict[str, float]]:
        async with standing(scenario(tmp_path)) as up:
            await asyncio.gather(*(up.complete([i, i + 1], 10) for i in range(0, 8, 2)))
            _, listed = await up.get("/v1/models")
            _, one = await up.get("/v1/models/meta-llama/Llama-3.1-8B")
            assert (await up.get("/v1/models/other"))[0] == 404
            assert (await up.get("/health"))[0] == 200
            lines = (await up.get("/metrics"))[1].splitlines()
            told = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
            return json.loads(listed), json.loads(one), {name: float(value) for name, value in told}

    listed, one, told = play(work())
    assert [each["id"] for each in listed["data"]] == ["meta-llama/Llama-3.1-8B", MODEL]
    assert (one["id"], one["max_model_len"]) == ("meta-llama/Llama-3.1-8B", 131072)
    labels = 'engine="0",model_name="meta-llama/Llama-3.1-8B"'
    assert told[f"vllm:prompt_tokens_total{{{labels}}}"] == 8
    assert told[f"vllm:generation_tokens_total{{{labels}}}"] == 40
    assert told[f'vllm:request_success_total{{{labels},finished_reason="length"}}'] == 4
    assert told[f"vllm:time_to_first_token_seconds_count{{{labels}}}"] == 4
    assert told[f'vllm:inter_token_latency_seconds_bucket{{{labels},le="+Inf"}}'] == 36
    assert told[f"vllm:num_requests_running{{{labels}}}"] == 0
    assert told[f"infermodel:requests_refused_total{{{labels}}}"] == 1


LIMITED = (
    f"{ONE_GPU}, rate_limits: {{tenants: [{{name: free, keys: 2, limits: "
    "[{period: 1 min, requests: 2, tokens: 1000}]}, {name: paid}]}"
)


def test_quotas_are_as_sold(tmp_path: Path) -> None:
    """Two requests a minute; the third is told to come back when the minute is over, and another key is not touched."""

    async def work() -> list[tuple[int, Any, Any]]:
        async with standing(scenario(tmp_path, LIMITED)) as up:
            await asyncio.sleep(30)
            body = {**CHAT, "max_tokens": 5}

            async def by(key: str, **more: Any) -> tuple[int, Any, Any]:
                return await up.post("/v1/chat/completions", {**body, **more}, Authorization=f"Bearer {key}")

            found = [await by("free-1"), await by("free-1"), await by("free-1"), await by("free-2"), await by("paid")]
            await asyncio.sleep(31)
            found += [await by("free-1"), await by("free-1", max_tokens=2000), await by("nobody")]
            return [*found, await up.post("/v1/chat/completions", body)]

    found = play(work())
    assert [status for status, _, _ in found] == [200, 200, 429, 200, 200, 200, 429, 401, 401]
    _, told, headers = found[2]
    assert told["error"]["code"] == "rate_limit_exceeded"
    assert 29 <= int(headers["Retry-After"]) <= 30
    assert "more than a quota" in found[6][1]["error"]["message"]
    assert found[7][1]["error"]["code"] == "invalid_api_key"


def test_a_prompt_that_goes_on_finds_what_came_before(tmp_path: Path) -> None:
    """The second turn begins with the first one's text and answer: 1,000 tokens and 20, in whole blocks of 16."""

    async def work() -> tuple[int, int, float, float]:
        async with standing(scenario(tmp_path, f"{ONE_GPU}, prefix_caching: true")) as up:
            words = " abc" * 1000
            first = await up.complete(words, 20)
            again = await up.complete(words + " xyz" * 40, 20)
            cached = up.fleet.service.log.cached_tokens
            return cached[0], cached[1], first.ttft, again.ttft

    before, after, first, again = play(work())
    assert (before, after) == (0, 1000 // 16 * 16)
    assert again < first


def test_the_load_of_others_slows_an_answer_and_its_end_ends_nothing(tmp_path: Path) -> None:
    lengths = LENGTHS.replace("500", "8000")
    log = tmp_path / "others.csv"
    log.write_text("arrived_at_s,prompt_tokens,output_tokens\n" + "".join(f"{0.1 * i},8000,50\n" for i in range(40)))

    async def work(arrivals: str, background: float | None) -> tuple[float, float]:
        async with standing(scenario(tmp_path, arrivals=arrivals, lengths=lengths), background=background) as up:
            await asyncio.sleep(2.01)
            busy = (await up.complete([1, 2, 3], 40)).e2e
            await asyncio.sleep(30)
            return busy, (await up.complete([4, 5, 6], 40)).e2e

    trace = f"{{kind: trace, file: {log}, format: requests}}"
    alone, later = play(work("{kind: poisson, rate: 1 /s}", None))
    busy, after = play(work(trace, 1))
    assert busy > 1.5 * alone
    assert after == pytest.approx(later, rel=1e-3)


def test_a_stop_answers_everything_under_way_and_takes_nothing_more(tmp_path: Path) -> None:
    async def work() -> tuple[list[Streamed], int, int]:
        async with standing(scenario(tmp_path)) as up:
            under_way = [asyncio.create_task(up.complete([i], 100)) for i in range(20)]
            await asyncio.sleep(0.2)
            up.stop.set()
            await asyncio.sleep(0.05)
            status, _, _ = await up.post("/v1/chat/completions", CHAT)
            return await asyncio.gather(*under_way), status, (await up.get("/health"))[0]

    streamed, refused, health = play(work())
    assert [len(each.times) for each in streamed] == [100] * 20
    assert (refused, health) == (503, 503)


def test_a_client_that_goes_away_leaves_the_others_alone(tmp_path: Path) -> None:
    async def work() -> int:
        async with standing(scenario(tmp_path)) as up:
            leaves = asyncio.create_task(up.complete([1], 500))
            stays = asyncio.create_task(up.complete([2], 100))
            await asyncio.sleep(0.2)
            leaves.cancel()
            return len((await stays).times)

    assert play(work()) == 100


def test_a_server_that_is_late_says_so(tmp_path: Path) -> None:
    """Nothing but the loop's clock moves: 80 ms go by while a token is due."""

    async def work() -> tuple[float, str, float]:
        async with standing(scenario(tmp_path)) as up:
            under_way = asyncio.create_task(up.complete([1], 50))
            await asyncio.sleep(0.1)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            loop.jumping.now += 0.08
            await under_way
            _, _, headers = await up.post("/v1/chat/completions", {**CHAT, "max_tokens": 1})
            _, text = await up.get("/metrics")
            line = next(each for each in text.splitlines() if each.startswith("infermodel:server_lag_seconds"))
            return float(headers["X-Infermodel-Lag"]), line, up.fleet.lag.worst_s

    header, line, worst = play(work())
    assert 0.05 < worst <= 0.0801
    assert header == pytest.approx(worst, abs=1e-4)
    assert float(line.split()[-1]) == pytest.approx(worst)
