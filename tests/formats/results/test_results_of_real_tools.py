"""Files that the real tools wrote against a server whose timings are known, where they are at hand."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from infermodel.formats import results
from infermodel.formats.results.documents import bare_name
from infermodel.formats.results.measured import Measured

VARIABLE = "INFERMODEL_BENCH_RESULTS"
FOLDER = Path(os.environ.get(VARIABLE, "nowhere"))
RUNS = list(results.read_folder(FOLDER).runs) if FOLDER.is_dir() else []
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".md") if RUNS else []

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


LATE_CLIENT = "inference-perf-0.7.0/fail/"
"""A run whose client, on two busy cores, was late by 80 ms on average, as its own report says; the quickest was not."""


def label(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def kind(run: Measured) -> str:
    """What the server did, by the name of the file or folder."""
    path = run.files[0]
    name = bare_name(path) if path.parent.parent == FOLDER else path.parent.name
    return next((each for each in ("two", "one", "fail", "reasoning_content") if each in name), "plain")


@pytest.mark.parametrize("path", FILES, ids=label)
def test_every_file_is_named(path: Path) -> None:
    folder = path.relative_to(FOLDER).parts[0]
    (run,) = results.read(path)
    assert run.tool == TOOLS[folder]
    assert folder.rpartition("-")[2].rpartition(".")[0] in run.version
    assert path in run.files
    told = run.model or folder.startswith(("sglang", "evalscope"))
    assert told


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


def first(path: Path) -> dict[str, Any]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    value: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
    return value


def own_means_s(run: Measured) -> dict[str, float]:
    """What the file itself says under names that mean ours, seconds; answers here are all equally long."""
    if run.tool in ("vllm bench", "sglang bench"):
        entry = first(run.files[0])
        names = {"ttft": "mean_ttft_ms", "tpot": "mean_tpot_ms", "itl": "mean_itl_ms", "e2e": "mean_e2el_ms"}
        late = "tail" in run.files[0].name and run.tool == "sglang bench"
        return {ours: entry[key] / 1e3 for ours, key in names.items() if key in entry and not (late and ours == "tpot")}
    if run.tool == "guidellm":
        metrics = first(next(path for path in run.files if ".json" in path.name))["benchmarks"][0]["metrics"]
        names = {"ttft": "time_to_first_token_ms", "tpot": "inter_token_latency_ms"}
        return {ours: metrics[key]["successful"]["mean"] / 1e3 for ours, key in names.items()}
    if run.tool == "aiperf":
        entry = first(next(path for path in run.files if "_aiperf.json" in path.name))
        names = {"ttft": "time_to_first_token", "tpot": "inter_token_latency", "itl": "inter_chunk_latency",
                 "e2e": "request_latency"}  # fmt: skip
        return {ours: entry[key]["avg"] / 1e3 for ours, key in names.items() if key in entry}
    if run.tool == "inference-perf":
        latency = first(next(path for path in run.files if "summary" in path.name))["successes"]["latency"]
        names = {"ttft": "time_to_first_token", "tpot": "time_per_output_token", "itl": "inter_token_latency"}
        return {ours: latency[key]["mean"] for ours, key in names.items() if latency[key]}
    entry = first(next(path for path in run.files if "summary" in path.name))
    names = {"ttft": "Avg TTFT (ms)", "tpot": "Avg TPOT (ms)", "itl": "Avg ITL (ms)"}
    return {ours: entry[key] / 1e3 for ours, key in names.items()}


@pytest.mark.parametrize("run", RUNS, ids=lambda run: label(run.files[0]))
def test_means_are_the_files_own(run: Measured) -> None:
    compared = 0
    for name, own_s in own_means_s(run).items():
        if "mean" in run.latencies[name].figures_s:
            assert run.latencies[name].figures_s["mean"] == pytest.approx(own_s, rel=1e-3), name
            compared += 1
    left_out = run.tool == "inference-perf" and kind(run) == "one"  # its summary has no answers of one token
    assert compared or run.latencies["ttft"].refused or left_out
