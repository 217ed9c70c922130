"""Names looked up, defaults filled in, and what cannot be had refused at its place."""

import re
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.scenario_files import refused, resolved

from infermodel import catalog
from infermodel.cost.step import Batch
from infermodel.economics.band import Band
from infermodel.scenario import ScenarioErrors, load, resolve, to_yaml
from infermodel.scenario.document import parse
from infermodel.scenario.validation import validate
from infermodel.simulation.spec import AnswerShare, Outage
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, TraceTraffic

SOUND = """\
title: What does a CS-3 deliver?
duration: 10 min
traffic:
  arrivals: {kind: poisson, rate: 30 /min}
  prompt_tokens: {kind: lognormal, mean: 1000, cv: 0.8, max: 7000}
  output_tokens: {kind: fixed, tokens: 250}
objectives: {ttft_p99: 1 s}
prices: {pue: 1.1}
services:
  - name: CS-3
    model: llama-3.1-8b
    fleet: {system: cs-3}
    price: {list: cerebras-2024-08, purchase: cs-3}
  - name: H100
    model: llama-3.1-8b
    fleet: {system: dgx-h100, systems: 2, tensor_parallel: 2}
    price: {rental: 2.99 USD/h}
    objectives: {tpot_p95: 50 ms}
    prices: {colocation: 180 USD/kW-month}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(SOUND)
    return path


SETTINGS = "services.1.engine_settings"


def test_engine_settings_change_the_engine_that_is_played(file: Path) -> None:
    usual = resolved(file).services[1]
    said = resolved(file, f"{SETTINGS}={{long_prompt_tokens: 2048, admission: first_chunk, cuda_graphs: false}}")
    found = said.services[1]
    assert usual.pool.engine.constants["graph_tokens"] == 512
    assert found.pool.engine.constants["graph_tokens"] == 0
    assert not found.pool.engine.graph_sizes
    assert (usual.pool.limits.whole_prompt, found.pool.limits.whole_prompt) == (True, False)
    assert found.pool.limits.long_prompt_tokens == 2048
    eager = resolved(file, f"{SETTINGS}.cuda_graphs=false").services[1].pool.step_model.step(Batch(8, 800, 100))
    assert eager.latency_s > usual.pool.step_model.step(Batch(8, 800, 100)).latency_s
    spaced = resolved(file, "services.1.engine=sglang", f"{SETTINGS}={{receive_interval: 4}}").services[1]
    assert spaced.pool.limits.receive_interval == 4
    apart = resolved(file, "services.1.engine=sglang").services[1].pool.limits
    mixed = resolved(file, "services.1.engine=sglang", f"{SETTINGS}.mixes_prompts=true").services[1].pool.limits
    assert (apart.mixes_prompts, mixed.mixes_prompts) == (False, True)
    assert mixed.answer_share == AnswerShare(0.7, 0.098, 600, 20, 4096)
    anybody = resolved(file, "services.1.engine=sglang", f"{SETTINGS}.admission=whole_prompt").services[1].pool.limits
    assert anybody.answer_share is None
    assert len({resolved(file).digest, said.digest}) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["receive_interval=4"], "receive_interval: vLLM has no such setting; it knows admission, long_prompt_tokens"),
        (["mixes_prompts=false"], "mixes_prompts: vLLM has no such setting; it knows admission, long_prompt_tokens"),
        (["admission=answer_share"], "admission: vLLM keeps no share of answers free; did you mean 'whole_prompt'?"),
        (
            ["recieve_interval=4"],
            "recieve_interval: no key named 'recieve_interval' here; did you mean 'receive_interval'?",
        ),
    ],
)
def test_settings_that_an_engine_lacks_are_refused(file: Path, changes: list[str], told: str) -> None:
    (error,) = refused(file, *(f"{SETTINGS}.{change}" for change in changes))
    assert error.endswith(f" {SETTINGS}.{told}")


def test_settings_of_engines_on_gpus_are_not_for_wafers(file: Path) -> None:
    (error,) = refused(file, "services.0.engine_settings={cuda_graphs: false}")
    assert error.endswith("cuda_graphs: Cerebras inference runtime has no such setting; leave engine_settings out")


def test_defaults_come_from_hardware_engine_and_model(file: Path) -> None:
    wafer, gpus = resolved(file).services
    assert (wafer.pool.engine.name, wafer.pool.replicas, wafer.pool.devices_per_replica, wafer.pool.groups) == (
        "cerebras",
        1,
        1,
        1,
    )
    assert (gpus.pool.engine.name, gpus.pool.replicas, gpus.pool.devices_per_replica, gpus.pool.groups) == (
        "vllm",
        8,
        2,
        2,
    )  # 2 x 8 GPUs / 2
    assert wafer.pool.limits.max_context == catalog.load_model("llama-3.1-8b").max_context
    assert gpus.pool.limits.max_batched_tokens == catalog.load_engine("vllm").max_batched_tokens
    assert [each.name for each in wafer.objectives] == ["ttft_p99"]
    assert [each.name for each in gpus.objectives] == ["tpot_p95"]


def test_a_model_may_be_named_by_its_repository(file: Path) -> None:
    plain = resolved(file).services[0]
    named = resolved(file, "services.0.model=Meta-Llama/Llama-3.1-8B-Instruct").services[0]
    assert named.architecture.repository == "meta-llama/Llama-3.1-8B-Instruct"
    assert (named.architecture.name, named.prices, named.architecture.layers) == (
        "llama-3.1-8b",
        plain.prices,
        plain.architecture.layers,
    )
    (error,) = refused(file, "services.0.model=meta-llama/Llama-3.1-9B-Instruct")
    assert (
        "no model named 'meta-llama/Llama-3.1-9B-Instruct'; did you mean 'meta-llama/Llama-3.1-8B-Instruct'?" in error
    )


DRAFTS = "services.1.speculation={draft: %s, tokens: 2, acceptance: %s}"


def test_drafts_go_by_name(file: Path) -> None:
    eagle = resolved(file, DRAFTS % ("eagle3", "0.7")).services[1].pool.speculation
    assert eagle is not None
    assert eagle.draft is not None
    assert (eagle.by, eagle.acceptances, eagle.draft.name) == ("eagle3", (0.7, 0.7), "llama-3.1-8b-eagle3")
    named = resolved(file, DRAFTS % ("meta-llama/Llama-3.2-1B-Instruct", "[0.7, 0.5]")).services[1].pool.speculation
    assert named is not None
    assert named.draft is not None
    assert (named.by, named.acceptances, named.draft.name) == ("model", (0.7, 0.5), "llama-3.2-1b")
    (error,) = refused(file, DRAFTS % ("mtp", "0.7"))
    assert "speculation.draft: Llama 3.1 8B has no layers that draft" in error
    (error,) = refused(file, DRAFTS % ("ngram, parameters: 1e9", "0.7"))
    assert error.endswith("parameters: are of an 'eagle3' draft, and 'ngram' has its own")


def test_the_models_of_2026_are_served_as_they_are_named() -> None:
    services = resolve(load(Path(__file__).parents[2] / "scenarios" / "models_of_2026.yaml")).services
    assert [each.architecture.name for each in services] == [
        *("qwen3.5-397b-a17b", "minimax-m2.5", "glm-4.7", "glm-4.7", "deepseek-r1", "deepseek-r1")
    ]
    assert [each.pool.speculation.by if each.pool.speculation else "" for each in services] == [
        "",
        "",
        "",
        "mtp",
        "",
        "mtp",
    ]
    drafts = [each.pool.step_model.kv_memory.weights_bytes for each in services]
    assert drafts[3] - drafts[2] > 3.9e9  # GLM-4.7's layer, in 8 bits
    assert drafts[5] - drafts[4] > 11.5e9  # DeepSeek R1's


def test_acceptance_has_a_range(file: Path) -> None:
    found = resolved(file, DRAFTS % ("ngram", "{low: 0.5, mid: [0.8, 0.6], high: 0.9}")).services[1].pool.speculation
    assert found is not None
    assert (found.acceptances, found.least, found.most) == ((0.8, 0.6), (0.5, 0.5), (0.9, 0.9))
    (error,) = refused(file, DRAFTS % ("ngram", "{low: 0.7, mid: [0.8, 0.6], high: 0.9}"))
    assert error.endswith("acceptance: a range is low <= mid <= high, for each draft")
    again = to_yaml(resolved(file, DRAFTS % ("ngram", "{low: 0.5, mid: 0.6, high: 0.9}")))
    assert resolve(validate(parse(again, "again.yaml"))).services[1].pool.speculation.most == (0.9, 0.9)


def test_services_share_one_traffic_unless_they_have_their_own(file: Path) -> None:
    own = "services.1.traffic={arrivals: {kind: closed, users: 4, think_time: 2 s}, prompt_tokens: {kind: uniform, " \
        "low: 1, high: 9}, output_tokens: {kind: table, tokens: [1, 2]}}"  # fmt: skip
    one, other = resolved(file).services
    assert one.traffic is other.traffic
    assert isinstance(one.traffic, OpenTraffic)
    one, other = resolved(file, own).services
    assert isinstance(other.traffic, ClosedTraffic)
    assert (one.own_traffic, other.own_traffic) == (False, True)
    assert (other.traffic.users, other.traffic.think_time.mean_s) == (4, 2.0)


def test_prices_merge_key_by_key(file: Path) -> None:
    wafer, gpus = (service.prices for service in resolved(file).services)
    assert wafer.purchase_usd == Band(450_000, 1_000_000, 2_260_000)
    assert wafer.pue == Band.exactly(1.1)
    assert wafer.electricity_usd_per_j is not None
    assert wafer.electricity_usd_per_j.mid == catalog.load_price("us-industrial-2024").value
    assert wafer.sold is not None
    assert (wafer.sold.input_usd, wafer.sold.output_usd) == (1e-7, 1e-7)
    assert gpus.electricity_usd_per_j is None
    assert gpus.colocation_usd_per_w_s is not None
    assert gpus.colocation_usd_per_w_s.mid == pytest.approx(180 / (1000 * 730 * 3600))
    assert gpus.rental_usd_per_device_s is not None
    assert gpus.rental_usd_per_device_s.mid == pytest.approx(2.99 / 3600)
    assert gpus.life_s == 4 * 365 * 86400


def test_replicas_over_several_systems_go_down_together(file: Path) -> None:
    change = [
        "services.0.model=llama-3.1-70b",
        "services.0.price.list=null",
        "services.0.limits={max_context: 8192}",
        "services.0.fleet={system: cs-3, systems: 9, devices_per_replica: 4}",
        "services.0.outages=[{system: 5, at: 10 s, for: 5 s}, {system: 0, at: 1 s, for: 2 s}, "
        "{system: 7, at: 12 s, for: 10 s}, {system: 8, at: 1 s, for: 1 s}]",
    ]
    service = resolved(file, *change).services[0]
    assert (service.pool.replicas, service.pool.groups) == (2, 2)  # 9 // 4, one system left over
    # Systems 4 to 7 carry the second replica: 10 to 15 s and 12 to 22 s are one outage of it. System 8 carries none.
    assert service.pool.outages == (Outage(0, 1.0, 2.0), Outage(1, 10.0, 12.0))


def test_all_that_cannot_be_had_is_said_at_once(file: Path) -> None:
    said = refused(
        file,
        "services.0.model=llama-3.1-70b",
        "services.0.fleet.devices_per_replica=3",
        "services.1.model=llama-3.1-70b",
        "services.1.fleet.tensor_parallel=1",
    )
    assert [line.split(": ")[1] for line in said] == ["services.0.fleet", "services.1.fleet"]


def test_a_model_that_does_not_fit_names_the_smallest_fleet(file: Path) -> None:
    (said,) = refused(
        file,
        "services.0.price.list=null",
        "services.0.model=llama-3.1-70b",
        "services.0.limits={max_context: 8192}",
        "services.0.fleet={system: cs-3, systems: 3, devices_per_replica: 3}",
    )
    assert "does not fit on 3" in said
    assert "at least 4" in said
    (said,) = refused(file, "services.1.model=llama-3.1-70b", "services.1.fleet={system: dgx-h100}")
    assert said.startswith("--set services.1.fleet={system: dgx-h100}: services.1.fleet: ")
    assert "tensor_parallel" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "services.0.engine=vllm",
            "services.0.engine: 'vllm' does not run on Cerebras WSE-3; did you mean 'cerebras'?",
        ),
        (
            "services.0.fleet.tensor_parallel=2",
            "services.0.fleet.tensor_parallel: is for GPUs; Cerebras WSE-3 is a pipeline of layers; "
            "use devices_per_replica",
        ),
        (
            "services.1.fleet.devices_per_replica=4",
            "services.1.fleet.devices_per_replica: is for wafers and chips of a pipeline, not for GPUs; "
            "write tensor_parallel: 4",
        ),
        (
            "services.1.fleet.replicas=9",
            "services.1.fleet.replicas: 9 replicas do not fit: a replica takes 2 of 16 devices; at most 8",
        ),
        (
            "services.1.fleet.systems=999999",
            "services.1.fleet.systems: 3999996 replicas are more than 100000, the most that can be simulated; "
            "model a part of the fleet with its share of the traffic",
        ),
        (
            "services.1.limits.max_context=200000",
            "services.1.limits.max_context: Llama 3.1 8B reads at most 131072 tokens, not 200000",
        ),
        (
            "services.1.outages=[{system: 2, at: 1 s, for: 1 s}]",
            "services.1.outages.0.system: the fleet has 2 systems, counted from 0; at most 1",
        ),
        (
            "services.0.price.purchase=dgx-h100",
            "services.0.price.purchase: 'dgx-h100' is the purchase price of dgx-h100, not of cs-3; one of cs-3",
        ),
        (
            "services.0.price.purchase=us-industrial-2024",
            "services.0.price.purchase: 'us-industrial-2024' is a price of the category electricity, not purchase; "
            "one of cs-3",
        ),
        (
            "prices.electricity=cs-3",
            "prices.electricity: 'cs-3' is a price of the category purchase, not electricity; "
            "one of us-industrial-2024, us-industrial-2026",
        ),
        ("services.0.price.list=cs-3", "services.0.price.list: 'cs-3' is a price of the category purchase, not list"),
    ],
)
def test_what_cannot_be_had_is_refused_at_its_key(file: Path, change: str, said: str) -> None:
    assert refused(file, change) == [f"--set {change}: {said}"]


def test_a_replica_that_needs_more_systems_says_how_many(file: Path) -> None:
    change = ["services.0.model=llama-3.1-70b", "services.0.price=null", "services.0.limits.max_context=8192"]
    (said,) = refused(file, *change)
    at = ":12:12: services.0.fleet: "
    assert said == f"{at}a replica takes 4 devices, which is 4 Cerebras CS-3; the fleet has 1; write systems: 4"


def test_traces_are_found_beside_the_scenario_and_broken_ones_named(file: Path) -> None:
    replay = "traffic={arrivals: {kind: trace, file: log.csv, format: requests, from: 1 s}}"
    (said,) = refused(file, replay)
    assert f"traffic.arrivals.file: no trace file 'log.csv': looked for {file.parent / 'log.csv'}" in said
    log = file.parent / "log.csv"
    log.write_text("arrived_at_s,prompt_tokens,output_tokens\n0,10,5\n2,20,x\n")
    (said,) = refused(file, replay)
    assert said.startswith(f"{log}:3:6: traffic.arrivals.file: output_tokens")
    log.write_text("arrived_at_s,prompt_tokens,output_tokens\n0,10,5\n2,20,7\n")
    one, other = resolved(file, replay, "duration=null").services
    assert isinstance(one.traffic, TraceTraffic)
    assert one.traffic is other.traffic
    assert one.traffic.total_requests == 1
    (said,) = refused(file, replay.replace("1 s", "9 s"))
    assert "no request of the trace arrives from 9 s to the end" in said


def test_a_model_is_read_from_its_config(file: Path) -> None:
    folder = file.parent / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(
        '{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256, "intermediate_size": 512,'
        '"num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 1000,'
        '"max_position_embeddings": 4096, "tie_word_embeddings": false}'
    )
    (said,) = refused(file, "services.0.model={config: tiny/config.json}", "services.0.price=null")
    assert "does not say in which format its weights are kept; write precision: {weights: bf16}" in said
    (folder / "config.json").write_text((folder / "config.json").read_text()[:-1] + ', "dtype": "bfloat16"}')
    service = resolved(file, "services.0.model={config: tiny/config.json}", "services.0.price=null").services[0]
    assert service.architecture.hidden == 256
    assert service.pool.limits.max_context == 4096
    (said,) = refused(file, "services.0.model={config: none.json}", "services.0.price=null")
    assert "none.json" in said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10 min", "600 s"),
        ("30 /min", "0.5 /s"),
        ("7000", "7k tok"),
        ("1 s", "1000 ms"),
        ("180 USD/kW-month", "0.18 USD/W-month"),
    ],
)
def test_units_spelled_differently_give_the_same_digest(file: Path, one: str, other: str) -> None:
    digest = resolved(file).digest
    file.write_text(SOUND.replace(one, other))
    assert resolved(file).digest == digest


@pytest.mark.parametrize(
    "change",
    [
        "seed=2",
        "services.0.fleet.systems=2",
        "traffic.arrivals.rate=31 /min",
        "services.1.router=random",
        "prices.pue=1.2",
    ],
)
def test_whatever_changes_the_result_changes_the_digest(file: Path, change: str) -> None:
    assert resolved(file, change).digest != resolved(file).digest


def test_a_figure_of_the_catalog_changes_the_digest(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = resolved(file).digest
    system = catalog.load_system("cs-3")
    bigger = replace(system, device=replace(system.device, memory_capacity_bytes=48e9))
    known = catalog.load_system
    monkeypatch.setattr(catalog, "load_system", lambda name: bigger if name == "cs-3" else known(name))
    assert resolved(file).digest != digest


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["requests=100", "duration=null", "warm_up=3 s", "capacity=false"],
        [
            "traffic.arrivals={kind: profile, rates: [[0 h, 10 /min], [1 h, 7 /min]], repeat: 3 h}",
            "traffic.priorities={levels: [0, 1]}",
        ],
        [
            "services.1.outages=[{system: 1, at: 3 min, for: 1 min}]",
            "prices.colocation=colocation-planning",
            "prices.pue=null",
        ],
        ["claims=[{id: C01, statement: fast, published: 1800, unit: tok/s, source: launch, answer: {service: CS-3}}]"],
        ["objectives={ttft_p99.9: 2 s, attainment: 99 %}", "title='2024'", "description='a: b # c'"],
    ],
)
def test_the_resolved_scenario_loads_to_the_same_digest(file: Path, changes: list[str]) -> None:
    first = resolved(file, *changes)
    again = file.parent / "elsewhere" / "scenario.resolved.yaml"
    again.parent.mkdir()
    again.write_text(to_yaml(first), encoding="utf-8")
    second = resolved(again)
    assert second.digest == first.digest
    assert to_yaml(second) == to_yaml(first)


def test_a_trace_beside_the_scenario_is_found_from_the_resolved_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file.parent / "log.csv").write_text("arrived_at_s,prompt_tokens,output_tokens\n0,10,5\n2,20,7\n")
    first = resolved(file, "traffic={arrivals: {kind: trace, file: log.csv, format: requests}}", "duration=null")
    again = file.parent / "elsewhere" / "scenario.resolved.yaml"
    again.parent.mkdir()
    again.write_text(to_yaml(first), encoding="utf-8")
    assert resolved(again).digest == first.digest


STARTER = files("infermodel.scenario").joinpath("starter.yaml").read_text(encoding="utf-8")
VALUES = [match.span() for match in re.finditer(r"(?<=: )[^,}\n#]+", STARTER)]
INSTEAD = st.sampled_from(
    [
        "0",
        "-1",
        "1e308",
        "1e-300",
        ".nan",
        "1000000",
        "999999999",
        "true",
        "cs-3",
        "groq-rack",
        "dgx-h100",
        "llama-3.1-405b",
        "deepseek-v3",
        "fp8",
        "vllm",
        "auto",
        "1 h",
        "1 USD",
        "1e-320 s",
        "200 %",
        "8k tok",
        "{config: /dev/null}",
        "{kind: offline, requests: 9}",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(VALUES), INSTEAD, min_size=1, max_size=4))
def test_a_mangled_scenario_is_resolved_or_refused(changes: dict[tuple[int, int], str]) -> None:
    text = STARTER
    for (start, end), instead in sorted(changes.items(), reverse=True):
        text = text[:start] + instead + text[end:]
    with suppress(ScenarioErrors):
        assert resolve(validate(parse(text, "s.yaml"))).services


IMAGES = "traffic.images={size: 640X480 px, per_request: 3}"


def test_images_need_a_known_encoder_and_a_gpu(file: Path) -> None:
    said = sorted(refused(file, IMAGES))
    assert [each.split("traffic.images: ")[1][:60] for each in said] == [
        "Llama 3.1 8B takes no images; models of the catalog that do:",
        "how long a wafer takes to encode an image was never publishe",
    ]
    (size,) = refused(file, "traffic.images={size: large}")
    assert size.endswith("images.size: expected width and height in pixels, got 'large'; such as 1024x768")
    (trace,) = refused(file, IMAGES, "traffic.arrivals={kind: trace, file: a.csv, format: azure}")
    assert "a trace brings its own" in trace


def test_services_get_images_as_their_own_models_see_them(file: Path) -> None:
    own = {"fleet": "{system: dgx-h100, tensor_parallel: 2, replicas: 1}", "limits": "{max_context: 16384}"}
    changes = [f"services.{i}.{key}={value}" for i in (0, 1) for key, value in {**own, "price": "null"}.items()]
    models = ["services.0.model=qwen3.5-27b", "services.1.model=gemma-4-26b-a4b"]
    scenario = resolved(file, IMAGES, "traffic.prompt_tokens={kind: fixed, tokens: 100}", *models, *changes)
    means = [service.traffic.mean_prompt_tokens for service in scenario.services]
    assert means == [100 + 3 * 302, 100 + 3 * 268]  # 20 x 15 squares of 32 pixels; 19 x 14 of 48; two marks
    assert "CS-3: an image is 302 tokens of a prompt, and 1,200 patches" in scenario.notes[0]
    assert "reads it in 23 ms" in scenario.notes[0]  # 307,200 pixels of 74 ns
