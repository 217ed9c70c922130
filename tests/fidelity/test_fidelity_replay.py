from __future__ import annotations

import math
from pathlib import Path

import pytest
from tests.fidelity.measured_rows import row

from infermodel import catalog
from infermodel.cost.build import step_model
from infermodel.cost.step import Batch, Chunk
from infermodel.fidelity.replay import replay, traffic_of
from infermodel.fidelity.server import Skipped, deployment_of, engine_entry, server_of, system_of
from infermodel.workload.traffic import ClosedTraffic

HERE = Path(__file__).parent


def test_one_user_alone_sees_the_closed_form() -> None:
    # TTFT = ingress + 512 tokens' tokenising + prefill + egress; then a token a step. Nobody else runs, so no step is
    # composed ahead.
    single = row(concurrency=1.0, requests=3.0, length_spread="uniform_1.0")
    server = server_of(single)
    model = step_model(server.architecture, server.system, deployment_of(single, server), server.engine)
    prefill_s = model.step(Batch(0, 0, 0, (), 1, (Chunk(512, 0),), 1)).latency_s
    decode_s = [model.step(Batch(1, 513 + i, 513 + i)).latency_s for i in range(63)]
    played = replay(single, HERE).predicted
    engine = server.engine
    way_s = engine.ingress_s + 512 * engine.constants["tokenise_s"]
    assert played["ttft_mean_ms"] == pytest.approx((way_s + prefill_s + engine.egress_s) * 1e3, rel=1e-9)
    assert played["tpot_mean_ms"] == pytest.approx(sum(decode_s) / 63 * 1e3, rel=1e-9)
    assert played["e2e_mean_ms"] == pytest.approx(played["ttft_mean_ms"] + 63 * played["tpot_mean_ms"], rel=1e-9)


def test_users_of_a_measured_loop_start_together_as_benchmark_tools_do() -> None:
    loop = traffic_of(row(load="closed", concurrency=8.0, requests=40.0), HERE)
    assert isinstance(loop, ClosedTraffic)
    assert (loop.start, loop.users, loop.requests) == ("together", 8, 40)


def test_loads_are_what_they_are_called() -> None:
    alone = replay(row(load="single", output_tokens=1.0, length_spread="fixed"), HERE)
    assert alone.predicted["ttft_mean_ms"] == pytest.approx(alone.zero_load_ttft_ms)
    offline = replay(row(load="offline", requests=64.0, length_spread="fixed"), HERE).predicted
    assert offline["output_tok_s"] > 10 * replay(row(concurrency=1.0), HERE).predicted["output_tok_s"]
    slow = replay(row(load="poisson", request_rate_per_s=0.5, requests=50.0), HERE).predicted
    # Half a request a second of 51 to 64 tokens: some 29 tokens/s.
    assert slow["output_tok_s"] == pytest.approx(29, rel=0.35)


def test_a_benchmark_sends_so_many_and_waits_for_all() -> None:
    # 60 requests at once in effect, four at a time: waiting grows in a line up to the last, and all are counted.
    flood = replay(row(load="poisson", request_rate_per_s=500.0, requests=60.0, max_sequences=4.0), HERE).predicted
    assert flood["ttft_p99_ms"] == pytest.approx(2 * flood["ttft_p50_ms"], rel=0.1)
    seconds = 60 * 58 / flood["output_tok_s"]  # 52 to 64 tokens each
    assert flood["ttft_p99_ms"] / 1e3 == pytest.approx(seconds * 56 / 60, rel=0.1)


def test_what_was_served_was_allowed() -> None:
    # Llama 2's card says 4,096 tokens; a row with 9,000 was served all the same.
    long = row(model="llama-2-7b", concurrency=1.0, requests=1.0, prompt_tokens=8000.0, output_tokens=1000.0)
    assert replay(long, HERE).predicted["tpot_mean_ms"] > 0
    with pytest.raises(Skipped, match="no request fits into the KV cache"):
        replay(row(prompt_tokens=900000.0, requests=2.0), HERE)


def test_cached_prompts_cost_no_prefill_after_the_first_of_each() -> None:
    fields = {"prompt_tokens": 4000.0, "requests": 200.0, "load": "poisson", "request_rate_per_s": 2.0}
    cold = replay(row(**fields), HERE).predicted["ttft_p50_ms"]
    warm = replay(row(**fields, prefix_caching=True, distinct_prompts=5.0), HERE).predicted["ttft_p50_ms"]
    assert warm < 0.5 * cold


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": "gpt-7"}, "the catalog has no model 'gpt-7'"),
        ({"engine": "vlm"}, "the catalog has no engine 'vlm'"),
        ({"gpu": "h300"}, "the catalog has no system with the GPU 'h300'"),
        ({"model": "llama-3.1-405b"}, "does not fit on one"),
        ({"load": "trace", "requests_file": "none.csv"}, "no requests file"),
        ({"load": "poisson", "request_rate_per_s": math.nan}, "an open load without a rate"),
        ({"concurrency": math.nan}, "a closed load without users"),
        ({"prompt_tokens": math.nan}, "a load without lengths"),
        ({"weights_precision": "fp7"}, "no number format 'fp7'"),
        ({"kv_precision": "fp9"}, "no number format 'fp9'"),
    ],
)
def test_what_cannot_be_played_says_why(fields, said) -> None:
    with pytest.raises(Skipped, match=said):
        replay(row(**fields), HERE)


def test_names_in_other_spellings() -> None:
    plain = replay(row(weights_precision="bf16", engine_version="0.10.1"), HERE).predicted
    spelt = row(
        model="Llama-3.1-8B", gpu="H100-SXM", engine="vLLM", engine_version="rocm6.4.1_vllm_0.10.1",
        weights_precision="BFloat16", kv_precision="auto",
    )  # fmt: skip
    assert replay(spelt, HERE).predicted == plain


def test_engines_by_generation() -> None:
    assert engine_entry("tensorrt-llm", "1.1.0rc2.post2") == "tensorrt-llm"
    assert engine_entry("tensorrt-llm", "0.14.0") == "tensorrt-llm-0.17"
    assert engine_entry("vllm", "") == "vllm"
    assert engine_entry("sglang", "0.5.9") == "sglang"
    for engine in ("vllm", "vllm-0.10", "tensorrt-llm", "tensorrt-llm-0.17", "sglang"):
        assert catalog.load_engine(engine).family == "batch"


def test_a_gpu_is_found_in_its_largest_system() -> None:
    assert system_of("h100-sxm").devices == 8


def test_a_row_with_drafts_is_played_with_them() -> None:
    # Free drafts that are always right: three tokens a round, so a third of the time and a little for wider steps.
    plain = replay(row(), HERE).predicted["tpot_mean_ms"]
    drafted = replay(row(draft="ngram", acceptance=(1.0, 1.0)), HERE).predicted["tpot_mean_ms"]
    assert plain / 3 < drafted < plain / 2
    eagle = replay(row(draft="eagle3", acceptance=(1.0, 1.0)), HERE).predicted["tpot_mean_ms"]
    assert drafted < eagle < plain


@pytest.mark.parametrize("draft", ["mtp", "nobody"])
def test_a_row_whose_drafts_cannot_be_had_is_skipped(draft: str) -> None:
    with pytest.raises(Skipped, match="draft: "):
        replay(row(draft=draft, acceptance=(0.5,)), HERE)
