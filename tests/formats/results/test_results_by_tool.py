"""What one tool's files mean and another's do not."""

import csv
import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from tests.kit.bench_files import (
    DETAILS,
    ONE_A_CHUNK,
    TWO_A_CHUNK,
    Sent,
    aiperf,
    evalscope,
    guidellm,
    inference_perf,
    put,
    sglang_entry,
    vllm,
    vllm_entry,
)

from infermodel.formats import results
from infermodel.formats.results.measured import Measured
from infermodel.formats.text import FormatError


def only(path: Path) -> Measured:
    (run,) = results.read(path)
    return run


def refused(run: Measured, *names: str) -> str:
    """The one reason for which these latencies have no figures."""
    (reason,) = {run.latencies[name].refused for name in names}
    assert reason
    return reason


def without_details(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in DETAILS}


# vllm bench


def test_vllm_tokens_that_the_client_never_saw(tmp_path: Path) -> None:
    # Two chunks for four tokens, and the text of two: " abc" twice is 8 bytes, 2 a token.
    entry = vllm_entry(TWO_A_CHUNK, generated_texts=[" abc abc"])
    assert "never saw some" in refused(only(put(tmp_path / "a.json", entry)), "ttft", "tpot", "itl")


def test_vllm_chunks_without_a_token(tmp_path: Path) -> None:
    entry = vllm_entry(TWO_A_CHUNK, output_lens=[1], endpoint_type="openai")
    run = only(put(tmp_path / "a.json", entry))
    assert "chunks without text" in refused(run, "ttft", "tpot", "itl")
    assert run.latencies["e2e"].figures_s["mean"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("more", "taken"),
    [({}, False), ({"endpoint_type": "openai"}, True), ({"spec_decode_acceptance_length": 2.0}, True)],
)
def test_vllm_summaries_tell_tokens_a_chunk(more: dict[str, Any], taken: bool, tmp_path: Path) -> None:
    # Without details nobody knows whether a chat hid tokens; completions hide none, drafts explain them.
    run = only(put(tmp_path / "a.json", without_details(vllm_entry(TWO_A_CHUNK, **more))))
    assert bool(run.latencies["tpot"].figures_s) == taken
    assert run.latencies["itl"].refused
    assert run.speculation == ("2.00 tokens a step by the server's metrics" if "spec" in str(more) else "")


def test_vllm_ramps_bursts_and_waits(tmp_path: Path) -> None:
    ramp = {"request_rate": "inf", "ramp_up_strategy": "linear", "ramp_up_start_rps": 2, "ramp_up_end_rps": 8}
    assert str(only(put(tmp_path / "a.json", vllm_entry(ONE_A_CHUNK, **ramp))).load) == "linear ramp from 2/s to 8/s"
    both = {"max_concurrency": 2, "burstiness": 0.5, "queue_times": [0.0, 1.0, 2.0]}
    run = only(put(tmp_path / "b.json", vllm_entry(ONE_A_CHUNK, **both)))
    assert str(run.load) == "4/s of burstiness 0.5, at most 2 at a time"
    assert run.notes[0].startswith("requests waited 1.00 s on average")


def test_vllm_repeats_are_passed_over(tmp_path: Path) -> None:
    vllm(tmp_path, ONE_A_CHUNK)
    twin = put(tmp_path / "vllm.pytorch.json", [{"benchmark": {}}])
    put(tmp_path / "notes.json", {"a": 1})
    folder = results.read_folder(tmp_path)
    assert len(folder.runs) == 1
    assert [(path.name, why[:20]) for path, why in folder.passed_over] == [
        ("notes.json", "is no result of a to"),
        ("vllm.pytorch.json", "repeats the result b"),
    ]
    with pytest.raises(FormatError, match=r"repeats the result"):
        results.read(twin)


# SGLang's


def test_sglang_tokens_asked_are_not_tokens_sent(tmp_path: Path) -> None:
    one = (Sent(0.0, 10, (0.3,), (1,)),)
    entry = sglang_entry(one, output_lens=[10], total_output_tokens=10, mean_tpot_ms=0.002)
    run = only(put(tmp_path / "a.jsonl", entry))
    assert "tokens asked, not those sent" in refused(run, "tpot", "itl")
    assert math.isnan(run.output.total)
    assert run.latencies["ttft"].figures_s["mean"] == pytest.approx(0.3)


def test_sglang_streams_that_end_late(tmp_path: Path) -> None:
    run = only(put(tmp_path / "a.jsonl", sglang_entry(ONE_A_CHUNK, tail_s=0.3)))
    assert run.latencies["tpot"].figures_s["mean"] == pytest.approx(0.05)  # the tool says (100 + 300) / 2 = 200 ms
    assert run.notes == ("streams ended 300 ms after their last token, which the tool counts as decoding",)
    late = put(tmp_path / "b.jsonl", without_details(sglang_entry(ONE_A_CHUNK[:1], tail_s=0.3)))
    assert "end of the stream" in refused(only(late), "tpot", "itl", "e2e")
    whole = put(tmp_path / "c.jsonl", without_details(sglang_entry(ONE_A_CHUNK[:1])))
    assert only(whole).latencies["tpot"].figures_s["mean"] == pytest.approx(0.05)


def test_sglang_native_gaps_are_spread(tmp_path: Path) -> None:
    run = only(put(tmp_path / "a.jsonl", sglang_entry(ONE_A_CHUNK, backend="sglang")))
    assert "spreads" in refused(run, "itl")
    assert run.latencies["tpot"].figures_s["mean"] == pytest.approx(0.05)


def test_sglang_model_and_drafts_that_the_server_told(tmp_path: Path) -> None:
    told = {"server_info": {"model_path": "an/8b"}, "accept_length": 2.5, "request_rate": math.inf}
    run = only(put(tmp_path / "a.jsonl", sglang_entry(ONE_A_CHUNK, **told)))
    assert (run.model, run.speculation, str(run.load)) == ("an/8b", "2.50 tokens a step by the server", "all at once")


def test_sglang_runs_appended(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [sglang_entry(ONE_A_CHUNK), sglang_entry(TWO_A_CHUNK)], lines=True)
    assert [(run.name, run.requests) for run in results.read(path)] == [("0", 3), ("1", 1)]


# guidellm


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ({"type_": "synchronous"}, "1 at a time"),
        ({"type_": "concurrent", "streams": 8}, "8 at a time"),
        ({"type_": "constant", "rate": 2.0}, "2/s evenly spaced"),
        ({"type_": "throughput", "max_concurrency": 512}, "512 at a time"),
        ({"type_": "trace"}, "not told"),
    ],
)
def test_guidellm_strategies(strategy: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert str(only(guidellm(tmp_path, ONE_A_CHUNK, **strategy)).load) == said


def test_guidellm_keeps_a_sample_of_its_requests(tmp_path: Path) -> None:
    path = guidellm(tmp_path, ONE_A_CHUNK)
    whole = json.loads(path.read_text())
    metrics = whole["benchmarks"][0]["metrics"]
    metrics["request_totals"] = {"total": 3000, "successful": 2000, "errored": 1000, "incomplete": 0}
    metrics["output_token_count"] = {"successful": {"total_sum": 4000.0, "std_dev": 1.0}}
    run = only(put(path, whole))
    assert (run.requests, run.failed, run.output.total) == (3000, 1000, 4000)
    assert run.notes == ("the file keeps 2 of 2,000 answered requests",)
    assert run.latencies["tpot"].figures_s["mean"] == pytest.approx(0.05, rel=1e-5)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_guidellm_keeps_no_requests(spread: float, tmp_path: Path) -> None:
    path = guidellm(tmp_path, ONE_A_CHUNK)
    whole = json.loads(path.read_text())
    benchmark = whole["benchmarks"][0]
    benchmark["requests"] = {"successful": [], "errored": [], "incomplete": []}
    benchmark["metrics"] |= {
        "output_token_count": {"successful": {"total_sum": 6.0, "std_dev": spread}},
        "time_to_first_token_ms": {"successful": {"mean": 200.0, "median": 150.0}},
        "inter_token_latency_ms": {"successful": {"mean": 50.0}},
        "request_latency": {"successful": {"mean": 0.3}},
    }
    run = only(put(path, whole))
    assert run.columns is None
    assert run.latencies["ttft"].figures_s == {"mean": 0.2, "p50": 0.15}
    if spread:
        assert "weighs each request" in refused(run, "tpot")
    else:
        assert run.latencies["tpot"].figures_s["mean"] == pytest.approx(0.05)


def guidellm_csv(path: Path, spread: str = "0.0") -> Path:
    """A table with one benchmark, as guidellm writes it: three lines of names."""
    columns = [
        ("Run Info", "Backend", "", '{"model": "an/8b"}'),
        ("Benchmark", "Strategy", "", "poisson@3.0"),
        ("Timings", "Duration", "Sec", "2.0"),
        ("Request Counts", "Successful", "", "2"),
        ("Request Counts", "Total", "", "3"),
        ("Request Latency", "Successful Sec", "Mean", "0.25"),
        ("Time to First Token", "Successful ms", "Mean", "200.0"),
        ("Time to First Token", "Successful ms", "Percentiles", str([100.0] * 5 + [150.0] * 3 + [300.0] * 3)),
        ("Inter Token Latency", "Successful ms", "Mean", "50.0"),
        ("Token Metrics", "Successful Input Tokens", "Mean", "15.0"),
        ("Token Metrics", "Successful Output Tokens", "Mean", "2.0"),
        ("Token Metrics", "Successful Output Tokens", "Std Dev", spread),
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
    path.write_text(text.getvalue())
    return path


def test_guidellm_tables(tmp_path: Path) -> None:
    run = only(guidellm_csv(tmp_path / "a.csv"))
    assert (run.model, str(run.load), run.requests, run.failed) == ("an/8b", "3/s Poisson", 3, 1)
    assert (run.prompt.total, run.output.total) == (30, 4)
    assert run.latencies["ttft"].figures_s["p50"] == pytest.approx(0.15)
    assert run.latencies["tpot"].figures_s["mean"] == pytest.approx(0.05)
    assert "weighs each request" in refused(only(guidellm_csv(tmp_path / "b.csv", spread="1.0")), "tpot")


# aiperf


def test_aiperf_tables(tmp_path: Path) -> None:
    path = tmp_path / "a_aiperf.csv"
    path.write_text(
        "Metric,avg,min,max,sum,p1,p5,p10,p25,p50,p75,p90,p95,p99,std\n"
        "Time to First Token (ms),200.00,100.00,300.00,400.00,,,,,200.00,,,,,\n"
        "Inter Token Latency (ms),50.00,50.00,50.00,50.00,,,,,50.00,,,,,\n"
        "Request Latency (ms),250.00,,,,,,,,,,,,,\n"
        "Usage Completion Tokens (tokens),2.00,,,,,,,,,,,,,\n"
        "\nMetric,Value\nRequest Count,2.00\nBenchmark Duration (sec),2.00\n"
    )
    run = only(path)
    assert (run.tool, run.requests, run.duration_s, run.output.total) == ("aiperf", 2, 2.0, 4)
    means = [run.latencies[name].figures_s["mean"] for name in ("ttft", "tpot", "e2e")]
    assert means == pytest.approx([0.2, 0.05, 0.25])
    path.write_text("Metric,avg,min,max,sum,p1\nRequest Latency (ms),fast,,,,\n")
    with pytest.raises(FormatError, match=r"Request Latency \(ms\): expected numbers, got 'fast"):
        results.read(path)


def test_aiperf_counts_of_client_and_server_that_differ(tmp_path: Path) -> None:
    path = aiperf(tmp_path, ONE_A_CHUNK, requests=False)
    summary = json.loads(path.read_text())
    summary["output_sequence_length"]["avg"] = 4.0  # where the server counted 2 on average
    assert "client counted 4 tokens" in refused(only(put(path, summary)), "tpot", "itl")
    aiperf(tmp_path, ONE_A_CHUNK)
    # With its requests it is by the server's count of each.
    assert only(path).latencies["tpot"].figures_s["mean"] == pytest.approx(0.05)


def test_aiperf_requests_alone_and_packed(tmp_path: Path) -> None:
    aiperf(tmp_path, ONE_A_CHUNK)
    packed = tmp_path / "alone" / "renamed.jsonl.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress((tmp_path / "profile_export.jsonl").read_bytes()))
    run = only(packed)
    assert (run.requests, run.failed, run.model, str(run.load)) == (3, 1, "", "not told")
    assert run.duration_s == pytest.approx(2.0)  # the third is sent at 2 s, after the last answer, and fails
    assert run.latencies["ttft"].figures_s["mean"] == pytest.approx(0.2)


# inference-perf


@pytest.mark.parametrize("requests", [True, False])
def test_inference_perf_sees_no_reasoning(requests: bool, tmp_path: Path) -> None:
    run = only(inference_perf(tmp_path, ONE_A_CHUNK, requests=requests, unseen=5))
    assert "saw no reasoning" in refused(run, "ttft")
    assert run.latencies["tpot"].figures_s["mean"] == pytest.approx(0.05)  # of the tokens that it saw
    assert run.output.total == 4 + 2 * 5


def test_inference_perf_summaries_of_streams_that_end_late(tmp_path: Path) -> None:
    # One answer of three tokens ends after 200 ms; the tool's latency is to the end of the stream.
    path = inference_perf(tmp_path, ONE_A_CHUNK[:1], requests=False)
    summary = json.loads(path.read_text())
    for latency_s, taken in ((0.205, True), (0.5, False)):
        summary["successes"]["latency"]["request_latency"]["mean"] = latency_s
        assert bool(only(put(path, summary)).latencies["e2e"].figures_s) == taken


def test_inference_perf_stages(tmp_path: Path) -> None:
    whole = json.loads(inference_perf(tmp_path, ONE_A_CHUNK).read_text())
    (tmp_path / "config.yaml").write_text(
        "api: {}\ndata: {}\nload: {type: constant, stages: [{rate: 3.0}, {concurrency_level: 4}]}\nreport: {}\n"
        "server: {model_name: an/8b}\n"
    )
    for number in range(2):
        put(tmp_path / f"stage_{number}_lifecycle_metrics.json", whole)
    runs = results.read(tmp_path / "summary_lifecycle_metrics.json")
    assert [(run.name, str(run.load)) for run in runs] == [
        ("stage 0", "3/s evenly spaced"),
        ("stage 1", "4 at a time"),
    ]


def test_inference_perf_broken_configuration(tmp_path: Path) -> None:
    path = inference_perf(tmp_path, ONE_A_CHUNK)
    (tmp_path / "config.yaml").write_text("load: [")
    with pytest.raises(FormatError, match=r"config\.yaml: expected YAML"):
        results.read(path)


# evalscope


def test_evalscope_chunks_of_several_tokens(tmp_path: Path) -> None:
    # Three tokens after the first over one gap of 100 ms: TPOT 33.3, gaps of chunks 100.
    told = {"Avg Decoded Tok/Iter": 3.0, "Spec. Accept Rate": 0.67}
    run = only(evalscope(tmp_path, TWO_A_CHUNK, **told))
    assert run.latencies["tpot"].figures_s["mean"] == pytest.approx(0.1 / 3)
    assert "chunks of 3.0 tokens" in refused(run, "itl")
    assert run.speculation == ""
    assert "tells nothing of speculation" in run.notes[0]


def test_evalscope_streams_that_end_late(tmp_path: Path) -> None:
    run = only(evalscope(tmp_path, ONE_A_CHUNK, **{"Avg TPOT (ms)": 200.0}))
    assert "after their last token" in refused(run, "tpot", "e2e")
    assert run.latencies["itl"].figures_s["mean"] == pytest.approx(0.05)


def test_evalscope_open_loops_have_no_limit(tmp_path: Path) -> None:
    limited = evalscope(tmp_path / "parallel_2_number_3", ONE_A_CHUNK, **{"Request Rate (req/s)": 3.0})
    assert str(only(limited).load) == "3/s Poisson, at most 2 at a time"
    free = evalscope(tmp_path / "rate_3_number_3", ONE_A_CHUNK, **{"Request Rate (req/s)": 3.0})
    assert str(only(free).load) == "3/s Poisson"


def test_evalscope_arguments_alone(tmp_path: Path) -> None:
    evalscope(tmp_path, ONE_A_CHUNK)
    for kind in ("summary", "percentile"):
        (tmp_path / f"parallel_2_number_3__benchmark_{kind}.json").unlink()
    run = only(tmp_path / "parallel_2_number_3__benchmark_args.json")
    assert (run.model, str(run.load)) == ("an/8b", "2 at a time")
    assert "neither summary" in refused(run, "ttft", "tpot", "itl", "e2e")


def test_evalscope_percentiles_alone(tmp_path: Path) -> None:
    evalscope(tmp_path, ONE_A_CHUNK)
    alone = tmp_path / "alone.json"
    (tmp_path / "parallel_2_number_3__benchmark_percentile.json").rename(alone)
    run = only(alone)
    assert run.notes == ("its summary is not here",)
    assert run.latencies["ttft"].figures_s == {"p50": pytest.approx(0.1)}


# all


def test_what_is_no_result(tmp_path: Path) -> None:
    for content in ("", "hello", "[]", '{"a": 1}', "a,b\n1,2\n"):
        path = tmp_path / "a.json"
        path.write_text(content)
        with pytest.raises(FormatError, match="no result of a tool that is known here"):
            results.read(path)
    with pytest.raises(FileNotFoundError, match="no results in"):
        results.read_folder(tmp_path / "nowhere")


def test_genai_perf_table_names_its_summary(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Metric,avg,min,max,p99,p95\n")
    with pytest.raises(FormatError, match=r"name the \.json"):
        results.read(tmp_path / "a.csv")
