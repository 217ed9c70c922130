"""The stand-in server in real time: many streams at once, its clients in processes of their own."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.serve.standing_in import MODEL, scenario, standing

from infermodel.serve.loop import precise_loop

pytestmark = pytest.mark.slow

STREAMS, TOKENS = 500, 100
WORST = "infermodel:server_lag_worst_seconds{"
SLOW = "fleet: {system: a100-pcie-8, systems: 10, replicas: 1}, limits: {max_context: 4096}"
SPEED = 0.4
"""Of time, at which steps of 40 ms, with all streams in them, take 100."""


def test_five_hundred_streams_at_once(tmp_path: Path) -> None:
    """No request is lost, and where the machine keeps up tokens come as the model says: TPOT to 10 ms at p99. Where it
    does not, the server says so, in its metrics and in a header.
    """

    async def work() -> tuple[list[tuple[int, float]], np.ndarray, float, float]:
        async with standing(scenario(tmp_path, SLOW), speed=SPEED) as up:
            command = [str(Path(__file__).with_name("storm.py")), up.url, MODEL, str(STREAMS), str(TOKENS)]
            client = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
            said, _ = await client.communicate()
            table = up.fleet.service.log.table(STREAMS)
            modelled = (table.last_token_at - table.first_token_at) / (TOKENS - 1) / SPEED
            async with up.client.get(f"{up.url}/metrics") as answer:
                told = [line for line in (await answer.text()).splitlines() if line.startswith(WORST)]
                assert float(answer.headers["X-Infermodel-Lag"]) >= 0
            return json.loads(said), modelled, up.fleet.lag.worst_s, float(told[0].split()[-1])

    with asyncio.Runner(loop_factory=precise_loop) as runner:
        answers, modelled, lag_s, told_s = runner.run(work())
    assert told_s == pytest.approx(lag_s, abs=1e-3)
    assert [count for count, _ in answers] == [TOKENS] * STREAMS
    measured = np.array([tpot for _, tpot in answers])
    apart_s = abs(np.percentile(measured, 99) - np.percentile(modelled, 99))
    print(
        f"TPOT p99 {1e3 * np.percentile(measured, 99):.1f} ms, {1e3 * apart_s:.1f} ms from the model; lag {lag_s:.3f} s"
    )
    assert apart_s <= 0.01 or lag_s > 0.01 * TOKENS / 2
