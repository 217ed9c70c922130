from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from tests.deploy.deployed_services import (
    ENGINES,
    HEAD,
    SERVICES,
    command_of_only_pool,
    scenario,
    served,
    service,
    words,
)
from tests.deploy.engine_arguments import RECORDED, sglang_names, vllm_names
from tests.deploy.leader_worker_set import check_leader_worker_set

from infermodel.deploy import CHECKED, deployment_files
from infermodel.deploy.kubernetes import HOPELESS
from infermodel.scenario import load, resolve


def value(line: list[str], flag: str) -> str:
    return line[line.index(flag) + 1]


def all_flags(folder: Path, engine: str) -> set[str]:
    found = [
        words(folder, name, engine, first=first) for name, each in served() if each == engine for first in (True, False)
    ]
    return {word for line in found for word in line if word.startswith("--")}


@pytest.mark.parametrize("engine", CHECKED)
def test_every_argument_is_the_engines_own_and_every_recorded_one_is_used(tmp_path: Path, engine: str) -> None:
    assert all_flags(tmp_path, engine) == RECORDED[engine]


@pytest.mark.skipif(not os.environ.get("INFERMODEL_ENGINES"), reason="no released sources of engines are at hand")
@pytest.mark.parametrize(("engine", "names"), [("vllm", vllm_names), ("sglang", sglang_names)])
def test_the_released_sources_have_every_argument(tmp_path: Path, engine: str, names: Any) -> None:
    released = names(ENGINES)
    assert len(released) > 200
    assert all_flags(tmp_path, engine) - {"--model-path"} <= released


def test_a_command_says_what_the_scenario_says(tmp_path: Path) -> None:
    line = words(tmp_path, "everything")
    assert line[:3] == ["vllm", "serve", "meta-llama/Llama-3.1-70B"]
    expected = {
        "--tensor-parallel-size": "4",
        "--max-model-len": "16384",
        "--max-num-seqs": "200",
        "--max-num-batched-tokens": "4096",
        "--gpu-memory-utilization": "0.8",
        "--quantization": "fp8",
        "--kv-cache-dtype": "fp8",
        "--scheduling-policy": "priority",
        "--api-server-count": "4",
        "--stream-interval": "8",
    }
    assert {flag: value(line, flag) for flag in expected} == expected
    drafts = json.loads(value(line, "--speculative-config"))
    assert drafts == {"method": "draft_model", "model": "meta-llama/Llama-3.2-1B", "num_speculative_tokens": 3}
    assert "--no-enable-prefix-caching" in line


def test_sglangs_limits_are_of_the_replica_and_vllms_of_a_rank(tmp_path: Path) -> None:
    """Eight ranks of attention: 100 sequences of a rank are 800 of the replica, and SGLang's tensor parallelism counts
    all 16 GPUs of a stage, where vLLM's counts the 2 of a rank.
    """
    of_rank, of_replica = words(tmp_path, "ranks over nodes"), words(tmp_path, "ranks over nodes", "sglang")
    assert (value(of_rank, "--max-num-seqs"), value(of_replica, "--max-running-requests")) == ("100", "800")
    assert (value(of_rank, "--tensor-parallel-size"), value(of_replica, "--tp-size")) == ("2", "16")
    assert (value(of_rank, "--data-parallel-size"), value(of_replica, "--attn-dp-size")) == ("8", "8")


def test_settings_of_an_engine_are_flags(tmp_path: Path) -> None:
    vllm, sglang = words(tmp_path, "bounded"), words(tmp_path, "mixed", "sglang")
    assert value(vllm, "--long-prefill-token-threshold") == "2048"
    assert {"--enforce-eager", "--no-scheduler-reserve-full-isl"} <= set(vllm)
    assert value(sglang, "--scheduler-recv-interval") == "4"
    assert value(sglang, "--cuda-graph-backend-decode") == value(sglang, "--cuda-graph-backend-prefill") == "disabled"
    assert "--enable-mixed-chunk" in sglang
    command = command_of_only_pool(service(tmp_path, "mixed", "sglang"))
    assert command is not None
    assert "no flag has SGLang 0.5.23 admit requests by whole_prompt" in command.notes
    plain = {*words(tmp_path, "plain"), *words(tmp_path, "plain", "sglang")}
    assert not plain & {"--enforce-eager", "--enable-mixed-chunk", "--no-scheduler-reserve-full-isl"}


def test_nodes_find_each_other(tmp_path: Path) -> None:
    first, other = (words(tmp_path, "stages over nodes", first=first) for first in (True, False))
    assert (value(first, "--node-rank"), value(other, "--node-rank")) == ("0", "$INDEX")
    assert (value(first, "--nnodes"), value(other, "--master-addr")) == ("2", "$LEADER")
    assert "--headless" in other
    assert "--headless" not in first


def test_trays_of_a_rack_are_its_nodes(tmp_path: Path) -> None:
    command = command_of_only_pool(service(tmp_path, "trays"))
    assert command is not None
    assert command.nodes is not None
    assert (command.nodes.count, command.devices) == (2, 4)


def test_what_no_flag_does_is_said(tmp_path: Path) -> None:
    command = command_of_only_pool(service(tmp_path, "everything", "tensorrt-llm"))
    assert command is not None
    said = " ".join(command.notes)
    for each in ("checkpoint", "least_outstanding", "drafts", "API servers"):
        assert each in said
    settings = yaml.safe_load(command.config)
    assert settings == {"kv_cache_config": {"enable_block_reuse": False, "dtype": "fp8"}, "stream_interval": 8}


@pytest.mark.parametrize(
    "on", ["fleet: {system: cs-3}", "fleet: {system: tpu7x-64}", "engine: atom, fleet: {system: mi355x-8}"]
)
def test_what_is_not_known_here_has_no_command(tmp_path: Path, on: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(HEAD + f"  - {{name: elsewhere, model: llama-3.1-8b, {on}}}\n")
    found = resolve(load(path))
    assert command_of_only_pool(found.services[0]) is None
    assert deployment_files(found) == {}


@pytest.mark.parametrize(("name", "engine"), [*served()])
def test_manifests_are_what_kubernetes_takes(tmp_path: Path, name: str, engine: str) -> None:
    """Against the schemas of Kubernetes; a LeaderWorkerSet by its pods, and by the fields of its own (v1)."""
    text = deployment_files(scenario(tmp_path, name, engine=engine))["deploy.yaml"]
    found = [each for each in yaml.safe_load_all(text) if each]
    if engine == "tensorrt-llm" and ("nodes" in name or name == "trays"):
        assert HOPELESS in text
        assert found == []
        return
    kinds = [each["kind"] for each in found]
    assert kinds[-1] == "Service"
    for each in found:
        if each["kind"] == "LeaderWorkerSet":
            check_leader_worker_set(each)
        else:
            kubernetes_validate.validate(each, "1.33", strict=True)


def test_pools_are_started_one_by_one_and_told_what_they_are(tmp_path: Path) -> None:
    vllm, sglang = words(tmp_path, "apart"), words(tmp_path, "apart", "sglang")
    roles = [json.loads(vllm[at + 1])["kv_role"] for at, word in enumerate(vllm) if word == "--kv-transfer-config"]
    assert roles == ["kv_producer", "kv_consumer"]
    assert [sglang[at + 1] for at, word in enumerate(sglang) if word == "--disaggregation-mode"] == [
        "prefill",
        "decode",
    ]
    text = deployment_files(scenario(tmp_path, "apart"))["deploy.yaml"]
    found = [each for each in yaml.safe_load_all(text) if each and each["kind"] == "Deployment"]
    assert [(each["metadata"]["name"], each["spec"]["replicas"]) for each in found] == [("apart-a", 8), ("apart-b", 4)]


def test_a_wrong_manifest_is_seen(tmp_path: Path) -> None:
    text = deployment_files(scenario(tmp_path, "plain"))["deploy.yaml"]
    deployment = next(each for each in yaml.safe_load_all(text) if each)
    deployment["spec"]["template"]["spec"]["containers"][0]["imagine"] = "no such field"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.33", strict=True)


def test_a_shell_takes_the_script(tmp_path: Path) -> None:
    """Names and notes stay comments, whatever they hold; commands are the words that they are made of."""
    found = scenario(tmp_path, "plain", "looked up")
    text = deployment_files(found)["deploy.sh"]
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert [shlex.split(line) for line in lines] == [
        command.arguments() for each in found.services if (command := command_of_only_pool(each)) is not None
    ]


def test_names_that_would_break_a_manifest(tmp_path: Path) -> None:
    entry = SERVICES["plain"][1:]
    path = tmp_path / "hostile.yaml"
    names = ['"8B & more\\nkind: Secret"', '"8b more kind secret"', '"--"']
    path.write_text(HEAD + "".join(f"  - {{name: {name}, {entry}\n" for name in names))
    text = deployment_files(resolve(load(path)))["deploy.yaml"]
    found = [each for each in yaml.safe_load_all(text) if each]
    assert len({each["metadata"]["name"] for each in found if each["kind"] == "Deployment"}) == 3
    for each in found:
        kubernetes_validate.validate(each, "1.33", strict=True)


@pytest.mark.parametrize(
    ("draft", "vllm", "sglang"),
    [
        ("mtp", {"method": "mtp", "num_speculative_tokens": 2}, "EAGLE"),
        ("eagle3", {"method": "eagle3", "model": "./deepseek-r1-eagle3", "num_speculative_tokens": 2}, "EAGLE3"),
    ],
)
def test_layers_that_draft_are_asked_for_by_name(tmp_path: Path, draft: str, vllm: object, sglang: str) -> None:
    service = f"{{model: deepseek-r1, limits: {{max_context: 8192}}, fleet: {{system: dgx-b200, tensor_parallel: 8}}," \
        f" speculation: {{draft: {draft}, tokens: 2, acceptance: 0.8}}}}"  # fmt: skip
    for engine, flag, said in (("vllm", "--speculative-config", vllm), ("sglang", "--speculative-algorithm", sglang)):
        path = tmp_path / f"{engine}.yaml"
        path.write_text(f"{HEAD}  - {{name: it, engine: {engine}, {service[1:]}\n")
        command = command_of_only_pool(resolve(load(path)).services[0])
        assert command is not None
        given = dict(command.flags)[flag]
        assert (json.loads(given) if engine == "vllm" else given) == said
        assert ("--speculative-draft-model-path" in dict(command.flags)) == (draft == "eagle3" and engine == "sglang")
