"""One small traffic, written down as each load generator would have written it, from what its source or files show."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MODEL = "an/8b"


@dataclass(frozen=True)
class Sent:
    """A request: when it was sent, its prompt, when each chunk came (from sending) and the tokens of each chunk."""

    at_s: float
    prompt: int
    chunks_s: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()
    error: str = ""

    @property
    def output(self) -> int:
        return sum(self.tokens)

    @property
    def gaps_s(self) -> list[float]:
        return [float(gap) for gap in np.diff(self.chunks_s)]

    @property
    def text(self) -> str:
        return " abc" * self.output


# Tokens of the first at 100, 150 and 200 ms; the second has one, at 300 ms; the third failed.
ONE_A_CHUNK = (
    Sent(0.0, 10, (0.1, 0.15, 0.2), (1, 1, 1)),
    Sent(1.0, 20, (0.3,), (1,)),
    Sent(2.0, 30, error="timeout"),
)
# Two tokens at 100 ms and two at 200 ms.
TWO_A_CHUNK = (Sent(0.0, 10, (0.1, 0.2), (2, 2)),)
DURATION_S = 2.0


def answered(sent: Sequence[Sent]) -> list[Sent]:
    return [each for each in sent if not each.error]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def tpots(sent: Sequence[Sent]) -> list[float]:
    several = [each for each in answered(sent) if each.output > 1]
    return [(each.chunks_s[-1] - each.chunks_s[0]) / (each.output - 1) for each in several]


def put(path: Path, value: Any, *, lines: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, value)) if lines else json.dumps(value))
    return path


def vllm_entry(sent: Sequence[Sent], **more: Any) -> dict[str, Any]:
    good = answered(sent)
    return {
        "endpoint_type": "openai-chat",
        "model_id": MODEL,
        "num_prompts": len(sent),
        "request_rate": 4.0,
        "burstiness": 1.0,
        "max_concurrency": None,
        "duration": DURATION_S,
        "completed": len(good),
        "failed": len(sent) - len(good),
        "total_input_tokens": sum(each.prompt for each in good),
        "total_output_tokens": sum(each.output for each in good),
        "input_lens": [each.prompt for each in sent],
        "output_lens": [each.output for each in sent],
        "ttfts": [each.chunks_s[0] if each.chunks_s else 0.0 for each in sent],
        "itls": [each.gaps_s for each in sent],
        "latencies": [each.chunks_s[-1] if each.chunks_s else 0.0 for each in sent],
        "start_times": [100 + each.at_s for each in sent],
        "generated_texts": [each.text for each in sent],
        "errors": [each.error for each in sent],
        "mean_ttft_ms": 1e3 * mean([each.chunks_s[0] for each in good]),
        "mean_tpot_ms": 1e3 * mean(tpots(sent)),
        "mean_itl_ms": 1e3 * mean([gap for each in good for gap in each.gaps_s]),
    } | more


DETAILS = ("input_lens", "output_lens", "ttfts", "itls", "start_times", "generated_texts", "errors")


def vllm(folder: Path, sent: Sequence[Sent]) -> Path:
    return put(folder / "vllm.json", vllm_entry(sent))


def sglang_entry(sent: Sequence[Sent], tail_s: float = 0.0, **more: Any) -> dict[str, Any]:
    good = answered(sent)
    late = [(each.chunks_s[-1] + tail_s - each.chunks_s[0]) / (each.output - 1) for each in good if each.output > 1]
    return {
        "backend": "sglang-oai-chat",
        "dataset_name": "random",
        "request_rate": 4.0,
        "max_concurrency": None,
        "random_input_len": 10,
        "random_output_len": 3,
        "random_range_ratio": 0.0,
        "server_info": None,
        "duration": DURATION_S,
        "completed": len(good),
        "total_input_tokens": sum(each.prompt for each in good),
        "total_output_tokens": sum(each.output for each in good),
        "total_output_tokens_retokenized": sum(each.output for each in good),
        "mean_e2e_latency_ms": 1e3 * (mean([each.chunks_s[-1] for each in good]) + tail_s),
        "mean_ttft_ms": 1e3 * mean([each.chunks_s[0] for each in good]),
        "mean_tpot_ms": 1e3 * mean(late),
        "mean_itl_ms": 1e3 * mean([gap for each in good for gap in each.gaps_s]),
        "accept_length": None,
        "input_lens": [each.prompt for each in sent],
        "output_lens": [each.output for each in sent],
        "ttfts": [each.chunks_s[0] if each.chunks_s else 0.0 for each in sent],
        "itls": [each.gaps_s for each in sent],
        "generated_texts": [each.text for each in sent],
        "errors": [each.error for each in sent],
    } | more


def sglang(folder: Path, sent: Sequence[Sent]) -> Path:
    return put(folder / "sglang.jsonl", [sglang_entry(sent)], lines=True)


def guidellm(folder: Path, sent: Sequence[Sent], **strategy: Any) -> Path:
    def request(each: Sent) -> dict[str, Any]:
        start = 1.7e9 + each.at_s
        times = {"request_start": start, "request_end": start + 9.0, "first_token_iteration": None,
                 "last_token_iteration": None}  # fmt: skip
        if each.chunks_s:
            times |= {"first_token_iteration": start + each.chunks_s[0]}
            times |= {"last_token_iteration": start + each.chunks_s[-1]}
        return {
            "info": {"timings": times, "error": each.error or None},
            "prompt_tokens": each.prompt,
            "output_tokens": each.output or None,
            "output_tokens_per_iteration": each.output / len(each.chunks_s) if each.chunks_s else None,
        }

    bad = [each for each in sent if each.error]
    benchmark = {
        "config": {"strategy": strategy or {"type_": "poisson", "rate": 4.0}, "backend": {"model": MODEL}},
        "duration": DURATION_S,
        "metrics": {"request_totals": {"total": len(sent), "errored": len(bad), "incomplete": 0}},
        "requests": {"successful": [*map(request, answered(sent))], "errored": [*map(request, bad)], "incomplete": []},
    }
    return put(folder / "guidellm.json", {"metadata": {"guidellm_version": "0.8.1"}, "benchmarks": [benchmark]})


def aiperf(folder: Path, sent: Sequence[Sent], *, requests: bool = True) -> Path:
    good = answered(sent)

    def metric(unit: str, values: Sequence[float]) -> dict[str, Any]:
        return {"unit": unit, "avg": mean(values), "count": len(values)}

    def line(each: Sent) -> dict[str, Any]:
        meta = {"request_start_ns": 1_796_000_000_000_000_000 + round(1e9 * each.at_s), "benchmark_phase": "profiling"}
        if each.error:
            error = {"code": 500, "message": each.error}
            return {
                "metadata": meta,
                "metrics": {"error_isl": {"value": each.prompt, "unit": "tokens"}},
                "error": error,
            }
        told = {"time_to_first_token": {"value": 1e3 * each.chunks_s[0], "unit": "ms"},
                "request_latency": {"value": 1e3 * each.chunks_s[-1], "unit": "ms"},
                "usage_prompt_tokens": {"value": each.prompt, "unit": "tokens"},
                "usage_completion_tokens": {"value": each.output, "unit": "tokens"},
                "output_sequence_length": {"value": each.output, "unit": "tokens"}}  # fmt: skip
        if each.gaps_s:
            told["inter_chunk_latency"] = {"value": [1e3 * gap for gap in each.gaps_s], "unit": "ms"}
        return {"metadata": meta, "metrics": told}

    phase = {"name": "profiling", "kind": "profiling", "type": "poisson", "rate": 4.0}
    summary = {
        "aiperf_version": "0.13.0",
        "request_count": {"unit": "requests", "avg": len(good)},
        "error_request_count": {"unit": "requests", "avg": len(sent) - len(good)},
        "benchmark_duration": {"unit": "sec", "avg": DURATION_S},
        "time_to_first_token": metric("ms", [1e3 * each.chunks_s[0] for each in good]),
        "inter_token_latency": metric("ms", [1e3 * each for each in tpots(sent)]),
        "inter_chunk_latency": metric("ms", [1e3 * gap for each in good for gap in each.gaps_s]),
        "request_latency": metric("ms", [1e3 * each.chunks_s[-1] for each in good]),
        "usage_prompt_tokens": metric("tokens", [each.prompt for each in good]),
        "usage_completion_tokens": metric("tokens", [each.output for each in good]),
        "output_sequence_length": metric("tokens", [each.output for each in good]),
        "input_config": {"models": {"items": [{"name": MODEL}]}, "phases": [phase]},
    }
    if requests:
        put(folder / "profile_export.jsonl", [line(each) for each in sent], lines=True)
    return put(folder / "profile_export_aiperf.json", summary)


def inference_perf(folder: Path, sent: Sequence[Sent], *, requests: bool = True, unseen: int = 0) -> Path:
    """`unseen`: reasoning tokens of each answer beyond those that the client saw."""
    good = answered(sent)

    def line(each: Sent) -> dict[str, Any]:
        told = {"start_time": 50 + each.at_s, "end_time": 59 + each.at_s, "request": json.dumps({"model": MODEL})}
        if each.error:
            return {**told, "info": {"response_metrics": None}, "error": {"error_msg": each.error}}
        usage = {"prompt_tokens": each.prompt, "completion_tokens": each.output + unseen}
        usage |= {"completion_tokens_details": {"reasoning_tokens": unseen}} if unseen else {}
        seen = {"output_tokens": each.output, "chunk_times": [50 + each.at_s + at for at in each.chunks_s]}
        return {**told, "info": {"response_metrics": {**seen, "server_usage": usage}}, "error": None}

    several = [each for each in good if each.output > 1]  # the tool leaves out answers of one token
    latency = {
        "request_latency": {"mean": 9.0},
        "time_to_first_token": {"mean": mean([each.chunks_s[0] for each in several])} if several else None,
        "time_per_output_token": {"mean": mean(tpots(sent))} if several else None,
        "inter_token_latency": {"mean": mean(tpots(sent)), "min": 0.05} if several else None,
    }
    summary = {
        "benchmark_time_seconds": DURATION_S,
        "load_summary": {"count": len(sent)},
        "successes": {
            "count": len(good),
            "latency": latency,
            "output_len": {"mean": mean([each.output for each in good])},
            "prompt_tokens": {"total": sum(each.prompt for each in good)},
            "output_tokens": {"total": sum(each.output + unseen for each in good)},
        },
        "failures": {"count": len(sent) - len(good)},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(
        "api: {type: chat}\ndata: {}\nload: {type: poisson, stages: [{rate: 4.0, duration: 2}]}\nreport: {}\n"
        f"server: {{model_name: {MODEL}}}\n"
    )
    if requests:
        put(folder / "per_request_lifecycle_metrics.json", [line(each) for each in sent])
    return put(folder / "summary_lifecycle_metrics.json", summary)


def evalscope(folder: Path, sent: Sequence[Sent], **more: Any) -> Path:
    good = answered(sent)
    gaps = [gap for each in good for gap in each.gaps_s]
    put(folder / "parallel_2_number_3__benchmark_args.json",
        {"model": MODEL, "parallel": 2, "open_loop": False, "number": 3, "rate": -1.0})  # fmt: skip
    rows = [{"Percentiles": "50%", "Latency (s)": 0.2, "TTFT (ms)": 100.0, "ITL (ms)": math.nan, "TPOT (ms)": math.nan}]
    put(folder / "parallel_2_number_3__benchmark_percentile.json", rows)
    summary = {
        "Test Duration (s)": DURATION_S,
        "Concurrency": 2,
        "Request Rate (req/s)": -1.0,
        "Total Requests": len(sent),
        "Success Requests": len(good),
        "Failed Requests": len(sent) - len(good),
        "Avg Latency (s)": mean([each.chunks_s[-1] for each in good]),
        "Avg Input Tokens": mean([each.prompt for each in good]),
        "Avg Output Tokens": mean([each.output for each in good]),
        "Avg TTFT (ms)": 1e3 * mean([each.chunks_s[0] for each in good]),
        "Avg TPOT (ms)": 1e3 * mean(tpots(sent)),
        "Avg ITL (ms)": 1e3 * mean(gaps),
    }
    return put(folder / "parallel_2_number_3__benchmark_summary.json", {**summary, **more})


def genai_perf(folder: Path, sent: Sequence[Sent]) -> Path:
    good = answered(sent)
    told = {"time_to_first_token": [each.chunks_s[0] for each in good], "inter_token_latency": tpots(sent),
            "request_latency": [each.chunks_s[-1] for each in good]}  # fmt: skip
    metrics: dict[str, Any] = {name: {"unit": "ms", "avg": 1e3 * mean(values)} for name, values in told.items()}
    metrics["request_count"] = {"unit": "count", "avg": float(len(good))}
    metrics["request_throughput"] = {"unit": "requests/sec", "avg": len(good) / DURATION_S}
    metrics["input_sequence_length"] = {"unit": "tokens", "avg": mean([each.prompt for each in good])}
    metrics["output_sequence_length"] = {"unit": "tokens", "avg": mean([each.output for each in good])}
    metrics["input_config"] = {"model_names": [MODEL], "perf_analyzer": {"stimulus": {"concurrency": 2}}}
    return put(folder / "profile_export_genai_perf.json", metrics)


def llmperf(folder: Path, sent: Sequence[Sent], *, requests: bool = True) -> Path:
    good = answered(sent)

    def line(each: Sent) -> dict[str, Any]:
        last = each.chunks_s[-1] if each.chunks_s else 0.0
        return {
            "error_code": 500 if each.error else None,
            "ttft_s": each.chunks_s[0] if each.chunks_s else 0.0,
            "inter_token_latency_s": last / each.output if each.output else 0,
            "end_to_end_latency_s": last + 0.5,
            "number_output_tokens": each.output,
            "number_input_tokens": each.prompt,
        }

    summary = {
        "version": "2023-08-31",
        "model": MODEL,
        "num_concurrent_requests": 2,
        "results_ttft_s_mean": mean([each.chunks_s[0] for each in good]),
        "results_inter_token_latency_s_mean": mean([each.chunks_s[-1] / each.output for each in good]),
        "results_end_to_end_latency_s_mean": mean([each.chunks_s[-1] + 0.5 for each in good]),
        "results_number_input_tokens_mean": mean([each.prompt for each in good]),
        "results_number_output_tokens_mean": mean([each.output for each in good]),
        "results_num_completed_requests": len(good),
        "results_num_completed_requests_per_min": 60 * len(good) / DURATION_S,
        "results_number_errors": len(sent) - len(good),
    }
    if requests:
        put(folder / "m_10_3_individual_responses.json", [line(each) for each in sent])
    return put(folder / "m_10_3_summary.json", summary)


WRITERS: Mapping[str, Callable[[Path, Sequence[Sent]], Path]] = {
    "vllm bench": vllm,
    "sglang bench": sglang,
    "guidellm": guidellm,
    "aiperf": aiperf,
    "inference-perf": inference_perf,
    "evalscope perf": evalscope,
    "genai-perf": genai_perf,
    "llmperf": llmperf,
}
