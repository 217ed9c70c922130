"""One traffic comes out with the same figures whichever tool wrote it down."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.kit.bench_files import DURATION_S, MODEL, ONE_A_CHUNK, TWO_A_CHUNK, WRITERS, aiperf, inference_perf, llmperf

from infermodel.formats import results
from infermodel.formats.results.measured import DEFINITIONS, Load, Measured

KEEPS_NO_GAPS = {"guidellm", "genai-perf", "llmperf"}
TELLS_NO_FAILURES = {"genai-perf"}
TELLS_NO_SENDING = {"sglang bench", "evalscope perf", "genai-perf", "llmperf"}


def mean_ms(run: Measured, name: str) -> float:
    return 1e3 * run.latencies[name].figures_s.get("mean", math.nan)


@pytest.mark.parametrize("tool", WRITERS)
def test_the_tool_is_named_and_its_traffic_told(tool: str, tmp_path: Path) -> None:
    path = WRITERS[tool](tmp_path, ONE_A_CHUNK)
    (run,) = results.read(path)
    assert run.tool == tool
    assert set(run.latencies) == set(DEFINITIONS)
    assert run.model == ("" if tool == "sglang bench" else MODEL)
    assert (run.requests, run.failed) == ((2, 0) if tool in TELLS_NO_FAILURES else (3, 1))
    assert run.duration_s == pytest.approx(DURATION_S)
    # 10 + 20 tokens of prompts, 3 + 1 of answers: the failed request's 30 do not count.
    assert (run.prompt.total, run.output.total) == (30, 4)


@pytest.mark.parametrize("tool", WRITERS)
def test_latencies_under_one_definition(tool: str, tmp_path: Path) -> None:
    (run,) = results.read(WRITERS[tool](tmp_path, ONE_A_CHUNK))
    # First tokens after 100 and 300 ms; 3 tokens from 100 to 200 ms are 50 ms each; ends after 200 and 300 ms.
    # guidellm's stamps are seconds since 1970, which a float holds to a quarter of a microsecond.
    assert mean_ms(run, "ttft") == pytest.approx(200, rel=1e-5)
    assert mean_ms(run, "tpot") == pytest.approx(50, rel=1e-5)
    assert mean_ms(run, "e2e") == pytest.approx(250, rel=1e-5)
    if tool in KEEPS_NO_GAPS:
        assert "keeps no gap" in run.latencies["itl"].refused
    else:
        assert mean_ms(run, "itl") == pytest.approx(50)


@pytest.mark.parametrize("tool", [tool for tool in WRITERS if tool not in ("evalscope perf", "genai-perf")])
def test_single_requests(tool: str, tmp_path: Path) -> None:
    (run,) = results.read(WRITERS[tool](tmp_path, ONE_A_CHUNK))
    columns = run.columns
    assert columns is not None
    assert columns.failed.tolist() == [False, False, True]
    assert columns.output_tokens.tolist() == [3, 1, 0]
    assert columns.ttft_s[:2] == pytest.approx([0.1, 0.3], rel=1e-5)
    assert columns.tpot_s[0] == pytest.approx(0.05, rel=1e-5)
    assert np.isnan([*columns.tpot_s[1:], columns.ttft_s[2], columns.e2e_s[2]]).all()
    if tool in TELLS_NO_SENDING:
        assert columns.sent_at_s is None
    else:
        assert columns.sent_at_s == pytest.approx([0.0, 1.0, 2.0])


@pytest.mark.parametrize("tool", [tool for tool in WRITERS if tool != "evalscope perf"])
def test_two_tokens_a_chunk(tool: str, tmp_path: Path) -> None:
    (run,) = results.read(WRITERS[tool](tmp_path, TWO_A_CHUNK))
    # 100 ms from the first chunk to the last, three tokens after the first.
    assert mean_ms(run, "tpot") == pytest.approx(100 / 3, rel=1e-5)
    assert mean_ms(run, "ttft") == pytest.approx(100, rel=1e-5)
    assert not run.latencies["itl"].figures_s
    if tool not in KEEPS_NO_GAPS | {"inference-perf"}:
        assert "chunks of 2.0 tokens" in run.latencies["itl"].refused


@pytest.mark.parametrize("tool", WRITERS)
def test_nothing_but_failures(tool: str, tmp_path: Path) -> None:
    (run,) = results.read(WRITERS[tool](tmp_path, ONE_A_CHUNK[2:]))
    assert run.answered == 0
    assert run.failed == (0 if tool in TELLS_NO_FAILURES else 1)
    assert not any(latency.figures_s for latency in run.latencies.values())
    assert all(latency.refused for latency in run.latencies.values())


@pytest.mark.parametrize("tool", WRITERS)
def test_nothing_but_one_token_answers(tool: str, tmp_path: Path) -> None:
    (run,) = results.read(WRITERS[tool](tmp_path, ONE_A_CHUNK[1:2]))
    assert mean_ms(run, "ttft") == pytest.approx(300, rel=1e-5)
    assert not run.latencies["tpot"].figures_s
    assert not run.latencies["itl"].figures_s


@pytest.mark.parametrize("writer", [aiperf, inference_perf, llmperf])
def test_a_summary_without_its_requests(writer: Callable[..., Path], tmp_path: Path) -> None:
    (run,) = results.read(writer(tmp_path, ONE_A_CHUNK, requests=False))
    assert run.columns is None
    assert (run.requests, run.failed) == (3, 1)
    if writer is llmperf:
        assert "TTFT is inside" in run.latencies["tpot"].refused
    else:
        assert mean_ms(run, "tpot") == pytest.approx(50)
    # inference-perf leaves the answer of one token out: 100 ms, not (100 + 300) / 2.
    assert mean_ms(run, "ttft") == pytest.approx(100 if writer is inference_perf else 200)


@pytest.mark.parametrize("tool", WRITERS)
def test_every_file_of_a_run_tells_the_same_and_a_folder_tells_it_once(tool: str, tmp_path: Path) -> None:
    WRITERS[tool](tmp_path, ONE_A_CHUNK)
    told = [results.read(path) for path in sorted(tmp_path.iterdir())]
    assert {run.tool for (run,) in told} == {tool}
    assert len({json.dumps({k: v.figures_s for k, v in run.latencies.items()}) for (run,) in told}) == 1
    folder = results.read_folder(tmp_path)
    assert (len(folder.runs), folder.passed_over) == (1, ())


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Load(math.inf), "all at once"),
        (Load(math.inf, 8), "8 at a time"),
        (Load(4.0), "4/s Poisson"),
        (Load(4.0, None, 0.25), "4/s of burstiness 0.25"),
        (Load(4.0, 2, math.inf), "4/s evenly spaced, at most 2 at a time"),
        (Load(4.0, None, math.nan), "4/s"),
        (Load(math.inf, 3, ramp="linear ramp from 2/s to 8/s"), "linear ramp from 2/s to 8/s, at most 3 at a time"),
        (Load(math.nan), "not told"),
    ],
)
def test_loads_in_words(load: Load, said: str) -> None:
    assert str(load) == said


def test_in_flight_by_littles_law(tmp_path: Path) -> None:
    (run,) = results.read(WRITERS["vllm bench"](tmp_path, ONE_A_CHUNK))
    assert run.in_flight == pytest.approx(2 * 0.25 / 2.0)  # two answers of 250 ms on average in two seconds
