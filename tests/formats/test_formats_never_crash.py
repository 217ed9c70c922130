"""Whatever bytes a file holds, a reader returns columns that a simulation can take, or a FormatError."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infermodel.formats import azure, bailian, burstgpt, mooncake, own_log, requests_csv, results
from infermodel.formats.columns import TraceColumns
from infermodel.formats.text import FormatError


def own(path: Path) -> TraceColumns:
    return own_log.read(path, own_log.guess(path))


SAMPLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "azure": (azure.read, "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n"),
    "burstgpt": (
        burstgpt.read,
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,API log\n",
    ),
    "bailian": (
        bailian.read,
        '{"chat_id": 1, "parent_chat_id": -1, "timestamp": 0.5, "input_length": 20, "output_length": 5,'
        ' "hash_ids": [0]}\n',
    ),
    "mooncake": (mooncake.read, '{"timestamp": 0, "input_length": 512, "output_length": 5, "hash_ids": [0]}\n'),
    "own log": (
        own,
        '{"created_at": "2026-03-01T12:00Z", "usage": {"prompt_tokens": 5, "completion_tokens": 2}, "chat_id": ""}\n',
    ),
    "own table": (own, "time,prompt_tokens,output_tokens\n1772366400.5,5,2\n"),
    "requests": (requests_csv.read, "arrived_at_s,prompt_tokens,output_tokens,priority\n0.5,10,2,1\n"),
    "vllm bench": (
        results.read,
        '{"model_id": "m", "num_prompts": 1, "duration": 2.0, "completed": 1, "total_input_tokens": 5,'
        ' "total_output_tokens": 2, "input_lens": [5], "output_lens": [2], "ttfts": [0.1], "itls": [[0.1]]}',
    ),
    "sglang bench": (
        results.read,
        '{"backend": "vllm", "request_rate": 1.0, "duration": 2.0, "completed": 1, "total_output_tokens": 2,'
        ' "total_output_tokens_retokenized": 2, "mean_e2e_latency_ms": 200.0, "input_lens": [5], "output_lens": [2],'
        ' "ttfts": [0.1], "itls": [[0.1]], "errors": [""]}',
    ),
    "guidellm": (
        results.read,
        '{"metadata": {"guidellm_version": "0.8.1"}, "benchmarks": [{"duration": 2.0, "requests": {"successful":'
        ' [{"prompt_tokens": 5, "output_tokens": 2, "info": {"timings": {"request_start": 1.0,'
        ' "first_token_iteration": 1.1, "last_token_iteration": 1.2}}}]}, "config": {"strategy": {"rate": 3.0}}}]}',
    ),
    "guidellm table": (
        results.read,
        "Run Info,Request Counts,Time to First Token,Time to First Token\n"
        "Backend,Successful,Successful ms,Successful ms\n,,Mean,Percentiles\n{},1,5.0,[1]\n",
    ),
    "aiperf": (
        results.read,
        '{"aiperf_version": "0.13.0", "request_count": {"unit": "requests", "avg": 1.0}, "time_to_first_token":'
        ' {"unit": "ms", "avg": 5.0, "p50": 5.0}, "inter_chunk_latency": {"unit": "ms", "avg": 5.0, "count": 1},'
        ' "input_config": {"phases": [{"type": "poisson", "rate": 3.0}]}, "output_sequence_length": {"avg": 2}}',
    ),
    "aiperf requests": (
        results.read,
        '{"metadata": {"request_start_ns": 1796000000000000000}, "metrics": {"time_to_first_token": {"value": 5,'
        ' "unit": "ms"}, "inter_chunk_latency": {"value": [5.0], "unit": "ms"}, "request_latency": {"value": 10}}}\n',
    ),
    "aiperf table": (results.read, "Metric,avg,min,max,sum,p1\nTime to First Token (ms),5.0,1.0,2.0,3.0,1.0\n"),
    "inference-perf": (
        results.read,
        '{"load_summary": {"count": 1, "requested_rate": 3.0}, "successes": {"count": 1, "latency": {"request_latency":'
        ' {"mean": 1.0}, "inter_token_latency": {"mean": 1.0, "min": 0.0}}, "output_len": {"mean": 2.0},'
        ' "output_tokens": {"total": 2.0}}, "failures": {"count": 0}}',
    ),
    "inference-perf requests": (
        results.read,
        '[{"start_time": 1.0, "end_time": 2.0, "error": null, "request": "{}", "info": {"response_metrics":'
        ' {"output_tokens": 2, "chunk_times": [1.1, 1.2], "server_usage": {"completion_tokens": 2}}}}]',
    ),
    "evalscope perf": (
        results.read,
        '{"Test Duration (s)": 2.0, "Total Requests": 1, "Success Requests": 1, "Avg TPOT (ms)": 5.0, "Concurrency": 1,'
        ' "Avg ITL (ms)": 5.0, "Avg Output Tokens": 2.0, "Avg Decoded Tok/Iter": 1.5, "Spec. Accept Rate": 0.5}',
    ),
    "genai-perf": (
        results.read,
        '{"request_latency": {"unit": "ms", "avg": 5.0}, "request_throughput": {"avg": 1.0}, "input_config":'
        ' {"model": "m", "perf_analyzer": {"stimulus": {"concurrency": 2}}}, "request_count": {"avg": 1.0}}',
    ),
    "llmperf": (
        results.read,
        '{"results_ttft_s_mean": 1.0, "num_concurrent_requests": 2, "results_num_completed_requests": 1,'
        ' "results_number_output_tokens_mean": 2.0, "version": "2023-08-31"}',
    ),
    "llmperf requests": (
        results.read,
        '[{"error_code": null, "ttft_s": 0.1, "inter_token_latency_s": 0.1, "number_output_tokens": 2}]',
    ),
}
ODD = st.sampled_from([b"", b",", b'"', b"\n", b"\r", b"-", b"nan", b"1e999", b"\xff", b"\x00", b"{", b"]", b"9" * 400])


def check(reader: Callable[[Path], object], content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(content)
        said = ""
        columns = None
        try:
            columns = reader(path)
        except FormatError as error:
            said = str(error)
        assert columns is not None or said.startswith(str(path))
    if isinstance(columns, TraceColumns):
        assert len(columns) >= 1
        assert (np.diff(columns.arrived_at_s) >= 0).all()
        assert columns.arrived_at_s[0] >= 0
        assert columns.prompt_tokens.min() >= 1
        assert columns.output_tokens.min() >= 1


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=150, deadline=None)
@given(where=st.floats(0, 1), cut=st.integers(0, 12), instead=ODD | st.binary(max_size=6), rows=st.integers(1, 3))
def test_a_log_with_something_replaced(name: str, where: float, cut: int, instead: bytes, rows: int) -> None:
    reader, sample = SAMPLES[name]
    first, _, rest = sample.partition("\n")
    whole = (first + "\n" + rest * rows).encode()
    at = int(where * len(whole))
    check(reader, whole[:at] + instead + whole[at + cut :])


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_file_of_anything(name: str, content: bytes) -> None:
    check(SAMPLES[name][0], content)
