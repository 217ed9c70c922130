"""A user's own benchmarks become rows, and an engine with constants of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.kit.bench_files import ONE_A_CHUNK, evalscope

from infermodel.catalog import build, documents
from infermodel.cli import infermodel
from infermodel.fidelity.bench import bench_runs, served_by
from infermodel.fidelity.engines import play_with
from infermodel.fidelity.replay import arrivals_of
from infermodel.fidelity.rows import Row
from infermodel.workload.arrivals import Constant, Gamma

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


def bench_rows(folder: Path, server: Row, asked_as: Collection[str] = ()) -> list[Row]:
    """Of those runs of a folder that have a row."""
    return [told.row for told in bench_runs(folder, server, asked_as)[0] if told.row is not None]


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
    (tmp_path / "a.json").write_text(
        json.dumps({**summary(16, 500, 100), "request_rate": 2.5, "max_concurrency": None})
    )
    (row,) = bench_rows(tmp_path, SERVER)
    assert (row.load, row.request_rate_per_s, row.burstiness) == ("poisson", 2.5, 1.0)
    assert math.isnan(row.concurrency)
    with pytest.raises(FileNotFoundError, match="no results in"):
        bench_rows(tmp_path / "nowhere", SERVER)


def test_the_engine_that_made_the_runs_is_found_and_written(runs: Path) -> None:
    out = runs / "ours.yaml"
    served = ["--served", "llama-3.1-8b", "h100-sxm", "vllm", "--engine-version", "0.18.0"]
    done = CliRunner().invoke(
        infermodel, ["calibrate", "--bench", str(runs), *served, "--out", str(out), "--jobs", "1"]
    )
    assert done.exit_code == 0, done.output
    content = yaml.safe_load(out.read_text())
    assert content.pop("engine") == "ours"
    engine = build.engine("ours", documents.extended("engines", content, "ours.yaml"), "ours.yaml")
    for constant, true in TRUE.items():
        assert getattr(engine, constant) == pytest.approx(true, rel=0.1), constant
        assert engine.provenance[constant].kind == "calibrated"
        assert engine.provenance[constant].standard_error is not None
    assert engine.max_sequences == 1024  # what was not fitted stays vLLM's


def written(folder: Path, name: str, **more: object) -> Path:
    path = folder / f"{name}.json"
    folder.mkdir(exist_ok=True)
    path.write_text(json.dumps({**summary(16, 500, 100), "mean_ttft_ms": 40.0, **more}))
    return path


@pytest.mark.parametrize(
    ("rate", "e2e_ms", "load"),
    # 160 answers in 60 s: of 5.7 s each 15.2 are in flight, 95 % of 16; of 1.5 s each 4, a quarter; of 4 s each 10.7.
    # They are 2.67 a second: of 4 asked two thirds, of 6 less than a half.
    [(4.0, 5700.0, "closed"), (4.0, 1500.0, "poisson"), (4.0, 4000.0, ""), (6.0, 4000.0, "closed")],
)
def test_a_rate_and_a_limit(rate: float, e2e_ms: float, load: str, tmp_path: Path) -> None:
    written(tmp_path, "a", request_rate=rate, mean_e2el_ms=e2e_ms)
    ((told,), _) = bench_runs(tmp_path, SERVER)
    assert (told.row.load if told.row else "") == load
    assert ("rate or the limit" in told.why) == (load == "")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"model_id": "Qwen/Qwen3-8B"}, "asked for 'Qwen/Qwen3-8B', which is not llama-3.1-8b"),
        ({"model_id": "meta/Llama-3.1-8B-FP8"}, "whose weights are fp8 and not bf16"),
        ({"completed": 0, "total_output_tokens": 0, "duration": 0.0}, "none of 160 requests was answered"),
        ({"completed": 100}, "60 of 160 requests failed"),
        ({"ramp_up_strategy": "linear", "ramp_up_end_rps": 9}, "linear ramp from 0/s to 9/s: one figure for many"),
        ({"burstiness": 0, "request_rate": 2.0, "max_concurrency": None}, "how arrivals were spaced"),
        ({"total_input_tokens": 0}, "prompts of 0 tokens"),
        ({"total_output_tokens": 0}, "answers of 0 tokens"),
        ({"request_rate": 0, "max_concurrency": None}, "a rate of zero"),
        ({"num_prompts": 10**7, "completed": 10**7}, "more than 100000, take too long"),
        ({"mean_ttft_ms": 1e-300}, "no time that anybody waited"),
    ],
)
def test_runs_that_are_no_rows(more: dict[str, object], why: str, tmp_path: Path) -> None:
    written(tmp_path, "a", **more)
    ((told,), _) = bench_runs(tmp_path, SERVER)
    assert told.row is None
    assert why in told.why


def test_runs_without_a_mean_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(summary(4, 100, 20)))
    served = ["--served", "llama-3.1-8b", "h100-sxm", "vllm", "--engine-version", "0.18.0", "--jobs", "1"]
    done = CliRunner().invoke(
        infermodel, ["calibrate", "--bench", str(tmp_path), *served, "--out", str(tmp_path / "ours.yaml")]
    )
    assert done.exit_code == 2, done.output
    assert "nothing to fit to" in done.output
    assert not (tmp_path / "ours.yaml").exists()


def test_a_model_under_another_name(tmp_path: Path) -> None:
    written(tmp_path, "a", model_id="prod-chat")
    assert not bench_rows(tmp_path, SERVER)
    assert len(bench_rows(tmp_path, SERVER, ["prod-chat"])) == 1


def test_runs_without_a_name_are_taken_only_where_no_other_model_is(tmp_path: Path) -> None:
    written(tmp_path, "ours")
    written(tmp_path, "nameless", model_id="")
    assert [row.id for row in bench_rows(tmp_path, SERVER)] == ["nameless#0", "ours#0"]
    written(tmp_path, "theirs", model_id="Qwen/Qwen3-8B")
    assert [row.id for row in bench_rows(tmp_path, SERVER)] == ["ours#0"]
    assert "names no model, and the folder holds runs of others" in bench_runs(tmp_path, SERVER)[0][0].why


def test_bursts_and_even_spacing_are_played_as_they_were(tmp_path: Path) -> None:
    written(tmp_path, "a", request_rate=2.0, max_concurrency=None, burstiness=0.25)
    (row,) = bench_rows(tmp_path, SERVER)
    assert row.burstiness == 0.25
    assert arrivals_of(row) == Gamma(2.0, cv=2.0)  # 1 / sqrt(0.25)
    assert arrivals_of(replace(row, burstiness=math.inf)) == Constant(2.0)


FOLDER_OPTIONS = ["--served", "llama-3.1-8b", "h100-sxm", "vllm", "--engine-version", "0.18.0", "--jobs", "1"]


def mix(folder: Path) -> Path:
    """Results of two tools, a copy of one in another form, and a run of another model."""
    written(folder, "ours")
    written(folder, "theirs", model_id="Qwen/Qwen3-8B")
    (folder / "ours.pytorch.json").write_text('[{"benchmark": {"name": "vLLM benchmark"}}]')
    evalscope(folder / "other", ONE_A_CHUNK[:2])
    for path in (folder / "other").iterdir():
        path.write_text(path.read_text().replace("an/8b", "Llama-3.1-8B"))
    return folder


def test_a_folder_of_any_mix(tmp_path: Path) -> None:
    runs, passed = bench_runs(mix(tmp_path), SERVER)
    taken = {told.id: told.row is not None for told in runs}
    assert taken == {
        "other/parallel_2_number_3__benchmark_args#0": True,
        "ours#0": True,
        "theirs#0": False,
    }
    assert passed == ("ours.pytorch.json: repeats the result beside it",)


def test_validate_plays_a_folder(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        infermodel, ["validate", str(mix(tmp_path / "runs")), *FOLDER_OPTIONS, "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 0, done.output
    assert "passed over: ours.pytorch.json" in done.output
    assert "which is not llama-3.1-8b" in done.output
    assert "2 rows, 0 skipped" in done.output
    assert len((tmp_path / "out" / "predictions.csv").read_text().splitlines()) >= 3
    refused = CliRunner().invoke(infermodel, ["validate", str(tmp_path / "runs")])
    assert refused.exit_code == 2
    assert "--served MODEL GPU ENGINE" in refused.output


def test_an_engine_from_one_figure_is_not_written(tmp_path: Path) -> None:
    written(tmp_path, "a")
    out = tmp_path / "ours.yaml"
    options = ["--bench", str(tmp_path), *FOLDER_OPTIONS, "--out", str(out)]
    done = CliRunner().invoke(infermodel, ["calibrate", *options])
    assert done.exit_code == 2
    assert "3 constants from 1 figure are no measurement (--force writes it all the same)" in " ".join(
        done.output.split()
    )
    assert not out.exists()
    assert CliRunner().invoke(infermodel, ["calibrate", *options, "--force"]).exit_code == 0
    assert out.exists()


def test_a_folder_of_failures_is_told_and_not_fitted(tmp_path: Path) -> None:
    written(tmp_path, "a", completed=0, total_output_tokens=0, duration=0.0)
    done = CliRunner().invoke(infermodel, ["calibrate", "--bench", str(tmp_path), *FOLDER_OPTIONS])
    assert done.exit_code == 2
    assert "no run in" in done.output
    assert "none of 160 requests was answered" in done.output


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "--bench needs --served"),
        (["--served", "gpt-7", "h100-sxm", "vllm"], "no model 'gpt-7'"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, more: list[str], said: str) -> None:
    done = CliRunner().invoke(infermodel, ["calibrate", "--bench", str(tmp_path), *more])
    assert done.exit_code == 2
    assert said in done.output
