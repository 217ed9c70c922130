"""`infermodel import`: what a result is, for people, for programs, and as requests to play."""

import csv
import json
import os
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from tests.kit.bench_files import ONE_A_CHUNK, evalscope, inference_perf, put, sglang, vllm, vllm_entry

from infermodel.cli import infermodel
from infermodel.formats import requests_csv


def call(*arguments: object) -> Result:
    return CliRunner().invoke(infermodel, ["import", *map(str, arguments)])


def test_a_page(tmp_path: Path) -> None:
    said = call(vllm(tmp_path, ONE_A_CHUNK))
    assert said.exit_code == 0, said.output
    lines = said.stdout.splitlines()
    assert lines[:5] == [
        str(tmp_path / "vllm.json"),
        "vllm bench 0.33.0 or near, by its keys",
        "model     an/8b",
        "load      4/s Poisson",
        "requests  3, 1 failed in 2 s",
    ]
    assert "ttft  200.00  200.00  280.00  290.00  298.00  300.00  ttfts" in lines  # of 100 and 300 ms
    assert "tpot  50.00   50.00   50.00   50.00   50.00   50.00   itls, output_lens" in lines
    assert "tpot: from the first such chunk to the last, over the tokens after the first; one figure a request" in lines


def test_what_is_refused_is_said(tmp_path: Path) -> None:
    said = call(inference_perf(tmp_path, ONE_A_CHUNK, unseen=5)).stdout
    assert "refused: the client saw no reasoning" in said
    assert "note: 10 of the tokens are reasoning that the client did not see" in said  # 5 of each of two answers


def test_json(tmp_path: Path) -> None:
    told = json.loads(call(vllm(tmp_path, ONE_A_CHUNK), "--json").stdout)
    (run,) = told["tables"]["runs"]
    assert (run["tool"], run["failed"], run["load"]["rate_per_s"]) == ("vllm bench", 1, 4.0)
    assert run["latencies"]["ttft"]["mean_s"] == pytest.approx(0.2)
    assert run["latencies"]["ttft"]["definition"].startswith("from the sending")


def test_requests_can_be_played_again(tmp_path: Path) -> None:
    out = tmp_path / "requests.csv"
    said = call(vllm(tmp_path, ONE_A_CHUNK), "--requests", out)
    assert said.exit_code == 0, said.output
    assert f"{out} written: 3 requests" in said.stdout
    again = requests_csv.read(out)
    assert again.arrived_at_s.tolist() == [0.0, 1.0, 2.0]
    assert again.prompt_tokens.tolist() == [10, 20, 30]
    assert again.output_tokens.tolist() == [3, 1, 1]  # a failed request of no tokens counts as one
    written = list(csv.DictReader(out.open()))
    assert [row["failed"] for row in written] == ["0", "0", "1"]
    assert [float(row["measured_ttft_ms"]) for row in written[:2]] == [100, 300]
    assert float(written[0]["measured_tpot_ms"]) == 50


def test_one_of_several_runs(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", [vllm_entry(ONE_A_CHUNK), vllm_entry(ONE_A_CHUNK[:1])], lines=True)
    out = tmp_path / "requests.csv"
    many = call(path, "--requests", out)
    assert many.exit_code == 2
    assert "--requests needs one run, and there are 2: 0, 1" in many.output
    assert not out.exists()
    assert call(path, "--requests", out, "--run", "1").exit_code == 0
    assert len(out.read_text().splitlines()) == 2
    assert "has no run '7'" in call(path, "--run", "7").output


def test_a_folder(tmp_path: Path) -> None:
    vllm(tmp_path, ONE_A_CHUNK)
    evalscope(tmp_path / "more", ONE_A_CHUNK)
    (tmp_path / "notes.json").write_text("{}")
    said = call(tmp_path)
    assert said.exit_code == 0, said.output
    assert "vllm bench 0.33.0" in said.stdout
    assert "evalscope perf 1.14" in said.stdout
    assert f"passed over: {tmp_path / 'notes.json'}: is no result of a tool that is known here" in said.stdout


def test_bad_input(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"num_prompts": 1, "total_input_tokens": 1, "completed": "all"}')
    said = call(tmp_path / "a.json")
    assert said.exit_code == 2
    assert f"{tmp_path / 'a.json'}:1:45: completed: expected a number, 0 or more, got '\"all\"'" in said.output
    assert (
        "does not tell when each request was sent"
        in call(sglang(tmp_path, ONE_A_CHUNK), "--requests", tmp_path / "r.csv").output
    )
    assert "no single requests" in call(evalscope(tmp_path, ONE_A_CHUNK), "--requests", tmp_path / "r.csv").output
    assert not (tmp_path / "r.csv").exists()


def gateway_log(path: Path) -> Path:
    """Twenty requests, two seconds apart, from noon on."""
    usage = {"prompt_tokens": 100, "completion_tokens": 20}
    times = [f"2026-03-01T12:00:{2 * i:02}Z" for i in range(20)]
    path.write_text("".join(json.dumps({"created_at": at, "usage": usage}) + "\n" for at in times))
    return path


def test_a_log_of_your_own_becomes_a_scenario_that_runs(tmp_path: Path) -> None:
    out = tmp_path / "my.yaml"
    said = call(gateway_log(tmp_path / "log.jsonl"), "-o", out)
    assert said.exit_code == 0, said.output
    assert "arrived created_at, prompt usage.prompt_tokens, output usage.completion_tokens" in said.stdout
    assert "requests  20 in 38 s, 0.5/s, gaps of cv 0.00" in said.stdout
    again = call(tmp_path / "log.jsonl", "-o", out)
    assert again.exit_code == 2
    assert "is there already" in again.output
    run = CliRunner().invoke(infermodel, ["run", str(out), "--out", str(tmp_path / "o"), "--no-figures", "--jobs", "1"])
    assert run.exit_code == 0, run.output
    assert (tmp_path / "o" / "summary.csv").exists()


def test_a_log_for_another_program(tmp_path: Path) -> None:
    (told,) = json.loads(call(gateway_log(tmp_path / "log.jsonl"), "--json").stdout)["tables"]["logs"]
    assert (told["requests"], told["span_s"], told["columns"]["arrived"]) == (20, 38.0, "created_at")


def test_a_trace_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    turn = {"timestamp": 1.5, "input_length": 32, "output_length": 5, "hash_ids": [1, 2]}
    path.write_text("".join(json.dumps({**turn, "chat_id": i, "parent_chat_id": i - 1}) + "\n" for i in range(3)))
    said = call(path).stdout
    assert "a trace in the format bailian: times are seconds, blocks of 16 tokens\n" in said
    assert "prefixes  66.7 % of blocks came before" in said  # four of six
    assert "warning: all requests come at one time" in said


def test_the_unit_and_the_grid_of_a_trace_are_named(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    entries = [{"timestamp": 3000 * (i // 4), "input_length": 600 + i, "output_length": 5} for i in range(400)]
    path.write_text("".join(json.dumps({**each, "hash_ids": [1, 2]}) + "\n" for each in entries))
    said = call(path).stdout
    assert "a trace in the format mooncake: times are milliseconds, blocks of 512 tokens\n" in said
    assert "note: times lie on a grid of 3 s, 4.0 requests at once on average" in said


def test_a_log_without_a_unit_is_asked_for_it(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("time,prompt_tokens,output_tokens\n0,5,5\n2500,5,5\n")
    assert "or --unit s" in call(path).output
    assert "requests  2 in 2.5 s" in call(path, "--unit", "ms").stdout


def test_laws_fitted_to_a_log(tmp_path: Path) -> None:
    # Gaps of 1 and 3 s in turn: mean 2, deviation 1. Prompts of 50 and 150 in turn: mean 100, deviation 50.
    path = tmp_path / "log.csv"
    times = [4 * (i // 2) + i % 2 for i in range(201)]
    rows = [f"{at},{50 + 100 * (i % 2)},20" for i, at in enumerate(times)]
    path.write_text("\n".join(["arrived_at_s,prompt_tokens,output_tokens", *rows]) + "\n")
    out = tmp_path / "my.yaml"
    assert call(path, "-o", out, "--laws").exit_code == 0
    traffic = yaml.safe_load(out.read_text())["traffic"]
    assert traffic["arrivals"] == {"kind": "gamma", "rate": "0.5 /s", "cv": 0.5}
    assert traffic["prompt_tokens"]["kind"] == "lognormal"
    assert traffic["prompt_tokens"]["mean"] == pytest.approx(100, rel=0.01)
    assert traffic["prompt_tokens"]["cv"] == pytest.approx(0.5, rel=0.01)
    assert traffic["output_tokens"] == {"kind": "fixed", "tokens": 20}
    even = call(gateway_log(tmp_path / "even.jsonl"), "-o", tmp_path / "even.yaml", "--laws")
    assert even.exit_code == 2
    assert "have no law to fit" in even.output


def test_lengths_beyond_the_context_are_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("arrived_at_s,prompt_tokens,output_tokens\n0,5,5\n1,131072,5\n")
    assert "warning: 1 requests are longer than the 131,072 tokens" in call(path, "-o", tmp_path / "my.yaml").stdout


TRACES = Path(os.environ.get("INFERMODEL_TRACES", "nowhere"))


@pytest.mark.skipif(not TRACES.is_dir(), reason="INFERMODEL_TRACES points to no traces")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("AzureLLMInferenceTrace_code_2023.csv", ("azure", 8819, 2.566, 2048, 28)),
        ("AzureLLMInferenceTrace_conv_2023.csv", ("azure", 19366, 5.53, 1155, 211)),
        ("mooncake_fast25_conversation.jsonl.gz", ("mooncake", 12031, 3.401, 12035, 343)),
        ("mooncake_fast25_synthetic.jsonl.gz", ("mooncake", 3993, 3.906, 15325, 149)),
        # Rates of all clients and windows, times ten minutes, are 1,383,669; lengths are means over what was sent.
        ("servegen_deepseek-r1.tar.gz", ("servegen", 1383669, 16.015, 1268, 1527)),
    ],
)
def test_real_traces_are_named_with_their_content(name: str, told: tuple[str, int, float, int, int]) -> None:
    """As the publishers' pages say: requests, requests a second, mean tokens of prompts and answers."""
    (log,) = json.loads(call(TRACES / name, "--json").stdout)["tables"]["logs"]
    said = (log["format"], log["requests"], log["rate_per_s"], log["prompt"][0], log["output"][0])
    assert said[:2] == told[:2]
    assert said[2:] == pytest.approx(told[2:], rel=0.02)
