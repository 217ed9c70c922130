"""The names that scenarios and measurement files use are there, and what a file of hardware may not say."""

from __future__ import annotations

import pytest

from infermodel import catalog
from infermodel.catalog import CatalogError, build, repositories

USED = {
    "devices": "wse-3 a100-sxm-80gb a100-pcie-80gb h100-sxm h200-sxm b200 gb200 mi300x l40s gh200 rtx-pro-6000 "
    "rtx-4090 groq-lpu-v1",
    "systems": "cs-3 dgx-a100 dgx-h100 hgx-h200 dgx-b200 gb200-nvl72 mi300x-8 groq-rack",
    "models": "llama-2-7b llama-2-70b llama-3.1-8b llama-3.1-70b llama-3.1-405b llama-3.3-70b codellama-34b mistral-7b "
    "mistral-nemo-12b mistral-large-2 mixtral-8x7b mixtral-8x22b qwen2.5-7b qwen3-14b qwen3-32b qwen3-30b-a3b "
    "qwen3-235b-a22b gpt-oss-20b gpt-oss-120b deepseek-v3 deepseek-r1 llama-4-scout llama-4-maverick yi-34b",
    "engines": "vllm tensorrt-llm sglang cerebras groq",
}


@pytest.mark.parametrize("kind", USED)
def test_the_names_in_use_are_there(kind: str) -> None:
    assert set(USED[kind].split()) <= set(catalog.names(kind))


def test_every_device_is_in_a_system() -> None:
    held = {catalog.load_system(name).device.name for name in catalog.names("systems")}
    assert held == set(catalog.names("devices"))


def figure(value: object) -> dict[str, object]:
    return {"value": value, "kind": "datasheet", "source": "a sheet", "date": "2026"}


GPU = {
    "title": "A GPU",
    "family": "gpu",
    "memory_capacity": figure("80 GB"),
    "memory_bandwidth": figure("3 TB/s"),
    "peak_flops": {"bf16": figure("1000 TFLOP/s")},
    "multiprocessors": figure(100),
    "power_idle": figure("100 W"),
    "power_max": figure("700 W"),
    "constants": {"gemm_floor_s": figure("3 us"), "gemm_memory_efficiency": figure(0.8)},
}


def test_constants_are_in_si() -> None:
    device = build.device("mine", GPU, "here")
    assert device.family == "gpu"
    assert device.constants == {"gemm_floor_s": 3e-6, "gemm_memory_efficiency": 0.8}
    assert device.provenance["constants.gemm_floor_s"].unit == "us"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "tpu"}, "here: family 'tpu' is none of gpu, wafer, lpu"),
        (
            {"memory": figure("80 GB")},
            "here: unknown key 'memory'; did you mean 'memory_bandwidth' or 'memory_capacity'?",
        ),
        ({"multiprocessors": figure(99.5)}, "here: multiprocessors: 99.5 is not a whole number"),
        ({"power_max": 700}, "here: power_max: expected a mapping, found 700"),
        ({"peak_flops": figure("1 TFLOP/s")}, "here: peak_flops.value: expected a mapping, found '1 TFLOP/s'"),
        ({"peak_flops": None}, "here: peak_flops: expected a mapping, found None"),
        (
            {"peak_flops": {"bf16": figure("1 TB/s")}},
            "here: peak_flops.bf16: '1 TB/s' is a bandwidth, not a flops_rate",
        ),
    ],
)
def test_a_wrong_device_says_what_is_wrong(change: dict[str, object], message: str) -> None:
    with pytest.raises(CatalogError) as error:
        build.device("mine", GPU | change, "here")
    assert str(error.value).startswith(message)


def test_all_that_is_missing_is_named() -> None:
    with pytest.raises(CatalogError, match="here: memory_bandwidth, power_idle missing"):
        build.device("mine", {k: v for k, v in GPU.items() if k not in ("power_idle", "memory_bandwidth")}, "here")
    with pytest.raises(CatalogError, match="here: title missing"):
        build.device("mine", {k: v for k, v in GPU.items() if k != "title"}, "here")


@pytest.mark.parametrize(
    ("asked", "model", "repository"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b", "meta-llama/Llama-3.1-8B-Instruct"),
        ("DEEPSEEK-AI/deepseek-r1-0528", "deepseek-r1", "deepseek-ai/DeepSeek-R1-0528"),
        ("llama-3.1-8b", "llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
    ],
)
def test_a_model_may_be_named_by_its_repository(asked: str, model: str, repository: str) -> None:
    found = catalog.load_model(asked)
    assert (found.name, found.repository) == (model, repository)
    assert found.layers == catalog.load_model(model).layers


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("meta-llama/Llama-3.1-9B-Instruct", "; did you mean 'meta-llama/Llama-3.1-8B-Instruct'?"),
        ("someone/gpt-oss-120b", "; did you mean 'openai/gpt-oss-120b'?"),
        ("nobody/nothing-like-it", ""),
    ],
)
def test_a_repository_that_is_not_held_has_the_nearest_named(asked: str, hint: str) -> None:
    with pytest.raises(CatalogError) as error:
        catalog.load_model(asked)
    assert str(error.value) == f"no model named {asked!r}{hint}"


def test_every_model_names_where_its_weights_are() -> None:
    assert set(catalog.repository_ids().values()) == set(catalog.names("models"))


@pytest.mark.parametrize("also", [{"repositories": ["a/b"]}, {"repositories": "a/b", "source": "a card"}])
def test_other_repositories_have_a_source(also: dict[str, object]) -> None:
    with pytest.raises(CatalogError, match="here: also: expected repositories"):
        repositories.also({"also": also}, "here")
