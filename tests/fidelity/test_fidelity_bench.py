"""A user's own benchmarks become rows, and an engine with constants of its own."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from infermodel.catalog import build, documents
from infermodel.cli.calibrate import calibrate
from infermodel.fidelity.bench import bench_rows, served_by
from infermodel.fidelity.engines import play_with

SERVER = served_by("llama-3.1-8b", "h100-sxm", "vllm", "0.18.0", 1, "bf16", "bf16")
TRUE = {"host_step_s": 2e-3, "host_sequence_s": 60e-6, "ingress_s": 25e-3}


def summary(users: int, prompt: int, output: int) -> dict[str, object]:
    """What `vllm bench serve` writes of so many users, ten requests each; no latencies yet."""
    return {
        "model_id": "meta-llama/Llama-3.1-8B-Instruct",
        "num_prompts": 10 * users,
        "request_rate": "inf",
        "max_concurrency": users,
        "completed": 10 * users,
        "duration": 60.0,
        "total_input_tokens": 10 * users * prompt,
        "total_output_tokens": 10 * users * output,
    }


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of runs as a server with the constants `TRUE` would have given them."""
    for users, prompt, output in ((1, 500, 100), (1, 2000, 50), (16, 500, 100), (64, 200, 100)):
        run = summary(users, prompt, output)
        path = tmp_path / f"{users}-{prompt}.json"
        path.write_text(json.dumps(run))
        (row,) = [row for row in bench_rows(tmp_path, SERVER) if row.id == f"{path.stem}#0"]
        played = play_with(row, tmp_path, TRUE)
        run |= {"mean_ttft_ms": played["ttft_mean_ms"], "mean_tpot_ms": played["tpot_mean_ms"]}
        path.write_text(json.dumps(run))
    return tmp_path


def test_a_run_is_a_row(tmp_path: Path) -> None:
    # 160 requests, 80,000 and 16,000 tokens: 500 in and 100 out each; 16,000 tokens in 60 s: 266.7 a second.
    (tmp_path / "a.json").write_text(json.dumps({**summary(16, 500, 100), "mean_ttft_ms": 40.0, "p99_ttft_ms": 90.0}))
    (row,) = bench_rows(tmp_path, SERVER)
    assert (row.id, row.load, row.concurrency, row.requests) == ("a#0", "closed", 16.0, 160.0)
    assert (row.prompt_tokens, row.output_tokens, row.gpu, row.engine) == (500.0, 100.0, "h100-sxm", "vllm")
    assert row.measured == pytest.approx({"ttft_mean_ms": 40.0, "ttft_p99_ms": 90.0, "output_tok_s": 16000 / 60})


def test_a_rate_is_an_open_load(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({**summary(16, 500, 100), "request_rate": 2.5}))
    (row,) = bench_rows(tmp_path, SERVER)
    assert (row.load, row.request_rate_per_s) == ("poisson", 2.5)
    assert math.isnan(row.concurrency)
    with pytest.raises(FileNotFoundError, match="no JSON files"):
        bench_rows(tmp_path / "nowhere", SERVER)


def test_the_engine_that_made_the_runs_is_found_and_written(runs: Path) -> None:
    out = runs / "ours.yaml"
    served = ["--served", "llama-3.1-8b", "h100-sxm", "vllm", "--engine-version", "0.18.0"]
    done = CliRunner().invoke(calibrate, ["--bench", str(runs), *served, "--out", str(out), "--jobs", "1"])
    assert done.exit_code == 0, done.output
    content = yaml.safe_load(out.read_text())
    assert content.pop("engine") == "ours"
    engine = build.engine("ours", documents.extended("engines", content, "ours.yaml"), "ours.yaml")
    for constant, true in TRUE.items():
        assert getattr(engine, constant) == pytest.approx(true, rel=0.1), constant
        assert engine.provenance[constant].kind == "calibrated"
        assert engine.provenance[constant].standard_error is not None
    assert engine.max_sequences == 1024  # what was not fitted stays vLLM's


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "--bench needs --served"),
        (["--served", "gpt-7", "h100-sxm", "vllm"], "no model 'gpt-7'"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, more: list[str], said: str) -> None:
    done = CliRunner().invoke(calibrate, ["--bench", str(tmp_path), *more])
    assert done.exit_code == 2
    assert said in done.output
