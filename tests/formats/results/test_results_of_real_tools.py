"""Files that the real tools wrote against a server whose timings are known, where they are at hand."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.formats.results.real_files import FILES, FOLDER, LATE_CLIENT, RUNS, VARIABLE, kind, label

from infermodel.cli import infermodel
from infermodel.formats import results
from infermodel.formats.results.measured import Measured

pytestmark = pytest.mark.skipif(not RUNS, reason=f"{VARIABLE} points to no results of load generators")

TOOLS = {
    "vllm-0.33.0": "vllm bench",
    "sglang-0.5.23": "sglang bench",
    "guidellm-0.8.1": "guidellm",
    "aiperf-0.13.0": "aiperf",
    "inference-perf-0.7.0": "inference-perf",
    "evalscope-1.14.1": "evalscope perf",
}
TTFT_S, TPOT_S, TWO_TPOT_S = 0.4, 0.05, 0.4 / 9
"""The server's: a first token after 400 ms, one each 50 ms after it; two a chunk: the last of ten after 800 ms."""


@pytest.mark.parametrize("path", FILES, ids=label)
def test_every_file_is_named(path: Path) -> None:
    folder = path.relative_to(FOLDER).parts[0]
    (run,) = results.read(path)
    assert run.tool == TOOLS[folder]
    assert folder.rpartition("-")[2].rpartition(".")[0] in run.version
    assert path in run.files
    told = run.model or folder.startswith(("sglang", "evalscope"))
    assert told
    said = CliRunner().invoke(infermodel, ["import", str(path)])
    assert said.exit_code == 0
    assert f"{run.tool} {run.version}\n" in said.stdout


@pytest.mark.parametrize("run", RUNS, ids=lambda run: label(run.files[0]))
def test_latencies_are_the_servers(run: Measured) -> None:
    told = {name: latency.figures_s for name, latency in run.latencies.items()}
    tpot_s = TWO_TPOT_S if kind(run) == "two" else TPOT_S
    if told["ttft"]:
        statistic = "min" if label(run.files[0]).startswith(LATE_CLIENT) else "mean"
        assert told["ttft"][statistic] == pytest.approx(TTFT_S, abs=0.06)
    if told["tpot"]:
        assert told["tpot"]["mean"] == pytest.approx(tpot_s, rel=0.05)
    if told["itl"]:
        assert kind(run) != "two"
        assert told["itl"]["mean"] == pytest.approx(TPOT_S, rel=0.05)
    tokens = 30 if label(run.files[0]).startswith("inference-perf-0.7.0/chat") else 10
    e2e_s = TTFT_S + (0.0 if kind(run) == "one" else (tokens - 1) * tpot_s)
    assert told["e2e"]["min"] == pytest.approx(e2e_s, abs=0.06)
    assert bool(told["tpot"]) == (kind(run) != "one" and not run.latencies["tpot"].refused)
    if kind(run) == "fail":
        assert run.failed == run.requests // 3


def test_few_are_refused_and_for_the_right_reason() -> None:
    refused = {label(run.files[0]): run.latencies["ttft"].refused for run in RUNS if run.latencies["ttft"].refused}
    assert {name: reason[:38] for name, reason in refused.items()} == {
        "inference-perf-0.7.0/chat_reasoning_content/per_request_lifecycle_metrics.json.gz": (
            "the client saw no reasoning, so that i"
        ),
        "vllm-0.33.0/chat_reasoning_content.json": "the server counted 2.0 tokens a chunk,",
        "vllm-0.33.0/completions_role.json": "more chunks were timed than there are ",
    }
