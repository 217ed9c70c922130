"""Load generators that people use, pointed at the stand-in server in real time: they report what `run` says of the
requests that came. Skipped where `make clients` was not called, and where this machine was too busy to tell.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.serve.real_clients import CLIENTS, ENVIRONMENT, FEW_PROCESSES, TOKENIZER, Reported
from tests.serve.standing_in import MODEL, ONE_GPU, as_run, scenario, standing

from infermodel.formats import mooncake
from infermodel.serve.lag import Lag
from infermodel.serve.loop import precise_loop
from infermodel.tables import RequestTable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ENVIRONMENT / "bin" / "aiperf").exists(), reason="make clients installs them"),
]

SERVICE = f"prefix_caching: false, {ONE_GPU}"
"""Of 256 tokens vLLM's benchmark makes prompts that begin alike, of which a log of lengths tells nothing."""

PROMPTS = {"aiperf": 500, "guidellm": 500, "vllm bench": 4000}
"""Tokens. vLLM's benchmark takes 3 to 5 ms from its own clock to the socket, too much beside the TTFT of short ones."""

ANSWER, REQUESTS, RATE = 60, 200, 5.0
MOST_LATE = 0.01
"""Share of what was due that may come 10 ms late before the clients' figures say more of this machine than of ours."""


def a_replay(folder: Path, prompt: int) -> Path:
    at = np.cumsum(np.random.default_rng(3).exponential(1 / RATE, REQUESTS))
    lengths = np.full(REQUESTS, prompt), np.full(REQUESTS, ANSWER)
    (folder / "replay.jsonl").write_text("".join(f"{line}\n" for line in mooncake.lines_of(at, *lengths)))
    return folder / "replay.jsonl"


@pytest.mark.parametrize("again", [1, 2])
@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_reports_what_a_run_says(tmp_path: Path, name: str, again: int) -> None:
    command, read = CLIENTS[name]
    tokenizer = tmp_path / "bytes"
    subprocess.run([str(ENVIRONMENT / "bin" / "python"), "-c", TOKENIZER, str(tokenizer)], check=True)
    replay = a_replay(tmp_path, PROMPTS[name])

    async def work() -> tuple[RequestTable, Lag]:
        async with standing(scenario(tmp_path, SERVICE), bytes_per_token=1.0) as up:
            words = command(up.url, MODEL, tokenizer, replay, tmp_path)
            quiet = asyncio.subprocess.DEVNULL
            client = await asyncio.create_subprocess_exec(*words, cwd=tmp_path, stdout=quiet, env=FEW_PROCESSES)
            assert await client.wait() == 0
            log = up.fleet.service.log
            return log.table(len(log)), up.fleet.lag

    with asyncio.Runner(loop_factory=precise_loop) as runner:
        served, lag = runner.run(work())
    reported: Reported = read(tmp_path)
    assert reported.answered == REQUESTS
    columns = (served.arrived_at, served.prompt_tokens, served.output_tokens)
    modelled = as_run(tmp_path, SERVICE, list(zip(*(column.tolist() for column in columns), strict=True)))
    ttft_s = float(np.median(modelled.first_token_at - modelled.arrived_at))
    tpot_s = float(np.median((modelled.last_token_at - modelled.first_token_at) / (modelled.output_tokens - 1)))
    print(json.dumps({"client": name, "ttft_s": [reported.ttft_s, ttft_s], "tpot_s": [reported.tpot_s, tpot_s]}))
    if lag.late > MOST_LATE * lag.noted:
        pytest.skip(f"this machine was busy: {lag.late} of {lag.noted} came late, by up to {lag.worst_s:.3f} s")
    assert reported.ttft_s == pytest.approx(ttft_s, rel=0.05, abs=0.003)
    assert reported.tpot_s == pytest.approx(tpot_s, rel=0.05, abs=0.003)
