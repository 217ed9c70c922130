"""Every figure taken from the real tools' files is the file's own, or what its single requests give by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.formats.results.real_files import RUNS, VARIABLE, first, kind, label, values

from infermodel.formats.results.measured import Measured

pytestmark = pytest.mark.skipif(not RUNS, reason=f"{VARIABLE} points to no results of load generators")

CLOSE = 1e-3
EACH = pytest.mark.parametrize("run", RUNS, ids=lambda run: label(run.files[0]))

Figures = dict[tuple[str, str], float]
"""Seconds by latency and statistic."""


def of_vllm(run: Measured) -> Figures:
    entry = first(run)
    names = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2e": "e2el"}
    statistics = {"mean": "mean", "median": "p50", "std": "std", "p99": "p99"}
    return {
        (ours, said): entry[f"{told}_{name}_ms"] / 1e3
        for ours, name in names.items()
        for told, said in statistics.items()
        if f"{told}_{name}_ms" in entry
    }


def of_sglang(run: Measured) -> Figures:
    """Its ends are those of streams; where one comes late, by its own figures, E2E and TPOT are not ours."""
    entry = first(run)
    names = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2e": "e2e_latency"}
    late = "tail" in run.files[0].name
    return {
        (ours, said): entry[f"{told}_{name}_ms"] / 1e3
        for ours, name in names.items()
        for told, said in {"mean": "mean", "median": "p50", "p90": "p90", "p95": "p95", "p99": "p99"}.items()
        if f"{told}_{name}_ms" in entry and not (late and ours in ("tpot", "e2e"))
    }


def of_aiperf(run: Measured) -> Figures:
    entry = first(run, "_aiperf.json")
    names = {"ttft": "time_to_first_token", "tpot": "inter_token_latency", "itl": "inter_chunk_latency",
             "e2e": "request_latency"}  # fmt: skip
    statistics = {"avg": "mean"} | {each: each for each in ("std", "min", "max", "p50", "p90", "p95", "p99")}
    return {
        (ours, said): entry[name][told] / 1e3
        for ours, name in names.items()
        for told, said in statistics.items()
        if name in entry
    }


def of_guidellm(run: Measured) -> Figures:
    """Its percentiles are values of single requests and its TPOT weighs them by tokens, here all ten."""
    metrics = first(run, ".json")["benchmarks"][0]["metrics"]
    names = {"ttft": "time_to_first_token_ms", "tpot": "inter_token_latency_ms"}
    return {
        (ours, said): metrics[name]["successful"][told] / 1e3
        for ours, name in names.items()
        for told, said in {"mean": "mean", "min": "min", "max": "max", "std_dev": "std"}.items()
    }


def of_inference_perf(run: Measured) -> Figures:
    latency = first(run, "summary")["successes"]["latency"]
    names = {"ttft": "time_to_first_token", "tpot": "time_per_output_token", "itl": "inter_token_latency"}
    statistics = {"mean": "mean", "min": "min", "max": "max", "median": "p50", "p90": "p90", "p95": "p95", "p99": "p99"}
    return {
        (ours, said): latency[name][told]
        for ours, name in names.items()
        for told, said in statistics.items()
        if latency[name]
    }


def of_evalscope(run: Measured) -> Figures:
    summary, ranks = first(run, "summary"), first(run, "percentile")
    means = {"ttft": "Avg TTFT (ms)", "tpot": "Avg TPOT (ms)", "itl": "Avg ITL (ms)", "e2e": "Avg Latency (s)"}
    columns = {"ttft": "TTFT (ms)", "tpot": "TPOT (ms)", "itl": "ITL (ms)", "e2e": "Latency (s)"}
    scale = {"ttft": 1e3, "tpot": 1e3, "itl": 1e3, "e2e": 1.0}
    told = {(ours, "mean"): summary[name] / scale[ours] for ours, name in means.items()}
    by_rank = {row["Percentiles"]: row for row in ranks}
    for rank, said in {"min": "min", "50%": "p50", "90%": "p90", "95%": "p95", "99%": "p99", "max": "max"}.items():
        told |= {(ours, said): by_rank[rank][name] / scale[ours] for ours, name in columns.items()}
    return told


OWN: dict[str, Callable[[Measured], Figures]] = {
    "vllm bench": of_vllm,
    "sglang bench": of_sglang,
    "aiperf": of_aiperf,
    "guidellm": of_guidellm,
    "inference-perf": of_inference_perf,
    "evalscope perf": of_evalscope,
}


@EACH
def test_statistics_are_the_files_own(run: Measured) -> None:
    compared = 0
    for (name, statistic), own_s in OWN[run.tool](run).items():
        if statistic in run.latencies[name].figures_s:
            assert run.latencies[name].figures_s[statistic] == pytest.approx(own_s, rel=CLOSE), (name, statistic)
            compared += 1
    left_out = run.tool == "inference-perf" and kind(run) == "one"  # its summary has no answers of one token
    assert compared >= 4 or run.latencies["ttft"].refused or left_out


Requests = list[tuple[float, list[float], float]]
"""Of each answered request: when it was sent, when each chunk with a token came, and its tokens."""


def chunks_of(run: Measured) -> Requests | None:
    """The answered requests of a file that tells their chunks, read by hand."""
    if run.tool in ("vllm bench", "sglang bench"):
        entry = first(run)
        if "itls" not in entry:
            return None
        came = [list(ttft + np.cumsum([0.0, *gaps])) for ttft, gaps in zip(entry["ttfts"], entry["itls"], strict=True)]
        found = zip(came, entry["output_lens"], entry["errors"], strict=True)
        return [(0.0, times, tokens) for times, tokens, error in found if not error]
    if run.tool == "aiperf":
        lines = [line["metrics"] for line in values(next(path for path in run.files if "jsonl" in path.name))]
        told = [{name: metric["value"] for name, metric in line.items()} for line in lines]
        return [
            (
                0.0,
                list(np.cumsum([line["time_to_first_token"], *line.get("inter_chunk_latency", [])]) / 1e3),
                line["output_sequence_length"],
            )
            for line in told
            if "time_to_first_token" in line
        ]
    if run.tool == "inference-perf":
        lines = first(run, "per_request")
        return [
            (
                line["start_time"],
                line["info"]["response_metrics"]["chunk_times"],
                line["info"]["response_metrics"]["output_tokens"],
            )
            for line in lines
            if not line["error"]
        ]
    return None


def by_hand(requests: Requests) -> dict[str, list[float]]:
    """TTFT, TPOT, gaps and E2E under the one definition, seconds."""
    return {
        "ttft": [times[0] - sent for sent, times, _ in requests],
        "tpot": [(times[-1] - times[0]) / (tokens - 1) for _, times, tokens in requests if tokens > 1],
        "itl": [gap for _, times, _ in requests for gap in np.diff(times)],
        "e2e": [times[-1] - sent for sent, times, _ in requests],
    }


def guidellm_by_hand(run: Measured) -> dict[str, list[float]]:
    answered = first(run, ".json")["benchmarks"][0]["requests"]["successful"]
    told = [(each["info"]["timings"], each["output_tokens"]) for each in answered]
    return {
        "ttft": [at["first_token_iteration"] - at["request_start"] for at, _ in told],
        "tpot": [(at["last_token_iteration"] - at["first_token_iteration"]) / (n - 1) for at, n in told if n > 1],
        "e2e": [at["last_token_iteration"] - at["request_start"] for at, _ in told],
    }


SUMMARIES = [
    f"vllm-0.33.0/{each}.json" for each in ("completions_plain_inf", "inf_no_limit", "rate_and_concurrency")
] + [label(run.files[0]) for run in RUNS if run.tool == "evalscope perf"]
"""Runs whose files hold no chunks of single requests."""

STATISTICS: dict[str, Callable[[list[float]], Any]] = {
    "mean": np.mean,
    "min": min,
    "max": max,
    "p50": np.median,
    "p90": lambda each: np.percentile(each, 90),
    "p99": lambda each: np.percentile(each, 99),
}


@EACH
def test_statistics_are_those_of_the_single_requests(run: Measured) -> None:
    if run.tool == "guidellm":
        told = guidellm_by_hand(run)
    else:
        requests = chunks_of(run)
        if requests is None:
            assert label(run.files[0]) in SUMMARIES
            return
        told = by_hand(requests)
    for name, each_s in told.items():
        if run.latencies[name].figures_s:
            for statistic, of in STATISTICS.items():
                figure = run.latencies[name].figures_s[statistic]
                assert figure == pytest.approx(of(each_s), rel=CLOSE), (name, statistic)


def totals_of(run: Measured) -> dict[str, float]:
    """Requests, failures, seconds and the server's tokens of answers, as the file has them under the tool's names."""
    entry = first(
        run, {"aiperf": "_aiperf.json", "guidellm": ".json"}.get(run.tool, "summary" if "perf" in run.tool else "")
    )
    if run.tool in ("vllm bench", "sglang bench"):
        failed = sum(map(bool, entry.get("errors", [])))
        return {"requests": entry["completed"] + failed, "failed": failed, "duration_s": entry["duration"],
                "output": entry["total_output_tokens"]}  # fmt: skip
    if run.tool == "aiperf":
        failed = entry.get("error_request_count", {"avg": 0})["avg"]
        return {"requests": entry["request_count"]["avg"] + failed, "failed": failed,
                "duration_s": entry["benchmark_duration"]["avg"],
                "output": entry["total_usage_completion_tokens"]["avg"]}  # fmt: skip
    if run.tool == "guidellm":
        metrics = entry["benchmarks"][0]["metrics"]
        counts = metrics["request_totals"]
        return {"requests": counts["total"], "failed": counts["errored"] + counts["incomplete"],
                "duration_s": entry["benchmarks"][0]["duration"],
                "output": metrics["output_token_count"]["successful"]["total_sum"]}  # fmt: skip
    if run.tool == "inference-perf":
        answered, failed = entry["successes"], entry["failures"]["count"]
        return {"requests": answered["count"] + failed, "failed": failed, "duration_s": entry["benchmark_time_seconds"],
                "output": answered["output_tokens"]["total"]}  # fmt: skip
    return {"requests": entry["Total Requests"], "failed": entry["Failed Requests"],
            "duration_s": entry["Test Duration (s)"],
            "output": entry["Avg Output Tokens"] * entry["Success Requests"]}  # fmt: skip


@EACH
def test_totals_are_the_files_own(run: Measured) -> None:
    own = totals_of(run)
    assert (run.requests, run.failed) == (own["requests"], own["failed"])
    assert run.duration_s == pytest.approx(own["duration_s"], rel=CLOSE)
    if run.output.refused:
        assert "tokens asked" in run.output.refused
    else:
        assert run.output.total == pytest.approx(own["output"], rel=CLOSE)


LOADS = {
    "vllm-0.33.0/rate_and_concurrency": "20/s Poisson, at most 2 at a time",
    "vllm-0.33.0/ramp": "linear ramp from 2/s to 8/s",
    "vllm-0.33.0/inf_no_limit": "all at once",
    "vllm-0.33.0/completions_plain_inf": "4 at a time",
    "vllm-0.33.0": "4/s Poisson",
    "sglang-0.5.23/completions_plain_inf": "4 at a time",
    "sglang-0.5.23": "4/s Poisson",
    "guidellm-0.8.1/fail": "3/s Poisson",
    "guidellm-0.8.1": "2 at a time",
    "aiperf-0.13.0/fail": "3/s Poisson",
    "aiperf-0.13.0/rate_conc": "10/s Poisson, at most 2 at a time",
    "aiperf-0.13.0": "2 at a time",
    "inference-perf-0.7.0/plain": "3/s evenly spaced",
    "inference-perf-0.7.0": "not told",  # only beside its configuration
    "evalscope-1.14.1": "2 at a time",
}
"""How the clients sent, by how they were called; the first key that a path begins with."""


@EACH
def test_loads_are_those_asked(run: Measured) -> None:
    path = label(run.files[0])
    assert str(run.load) == next(said for begin, said in LOADS.items() if path.startswith(begin))
