"""Words that people type are read, or answered with what to write, at their place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from infermodel.architecture import PRECISION_BYTES
from infermodel.catalog import names
from infermodel.cli import infermodel
from infermodel.metrics.objectives import PER_REQUEST
from infermodel.scenario.document import parse
from infermodel.scenario.schema.lengths import LENGTHS
from infermodel.scenario.schema.traffic import ARRIVALS
from infermodel.scenario.validation import block_at, validate
from infermodel.scenario.words import KNOWN_AS, KNOWN_HERE, LONE, NAMES, NOT_MODELLED
from infermodel.simulation.pool.router import ROUTER_NAMES
from infermodel.simulation.replica.queues import QUEUES

SOUND = """\
title: T
duration: 10 minutes
traffic:
  arrivals: {kind: Poisson, rate: 1.2k rpm}
  prompt_tokens: {kind: lognormal, mean: 3k, cv: 70%, max: 16k tokens}
  output_tokens: {kind: Fixed, tokens: 250}
objectives: {ttft_p99: 2 seconds, tpot_p99: 40ms}
services:
  - name: A
    model: meta-llama/Llama-3.3-70B-Instruct
    engine: vLLM
    precision: {weights: FP8}
    fleet: {system: DGX-H100, systems: 1, tensor_parallel: 8}
    limits: {max_context: 32k, max_sequences: 64}
    router: Round_Robin
    price: {rental: $2.99/h}
"""
PLAIN = """\
title: T
duration: 600 s
traffic:
  arrivals: {kind: poisson, rate: 20 /s}
  prompt_tokens: {kind: lognormal, mean: 3000, cv: 0.7, max: 16000}
  output_tokens: {kind: fixed, tokens: 250}
objectives: {ttft_p99: 2 s, tpot_p99: 40 ms}
services:
  - name: A
    model: meta-llama/Llama-3.3-70B-Instruct
    engine: vllm
    precision: {weights: fp8}
    fleet: {system: dgx-h100, systems: 1, tensor_parallel: 8}
    limits: {max_context: 32000, max_sequences: 64}
    router: round_robin
    price: {rental: 2.99 USD/h}
"""

RATE, MEAN, LAW = "rate: 1.2k rpm", "mean: 3k", "kind: lognormal"
MODEL, SYSTEM, PARALLEL = "meta-llama/Llama-3.3-70B-Instruct", "DGX-H100", "tensor_parallel: 8"
PRICE, RENTAL = "price: {rental: $2.99/h}", "rental: $2.99/h"
FLEET = "fleet: {system: DGX-H100, systems: 1, tensor_parallel: 8}"

TENANTS = "rate_limits: {{tenants: [{{name: a, share: {}}}, {{name: b, share: {}}}]}}"


def outage(more: str, system: str = "system: 0, ", at: str = "at: 2 min, ") -> tuple[str, str]:
    return "router: Round_Robin", f"outages: [{{{system}{at}{more}}}]"


WRONG: list[tuple[str, str, str]] = [
    # units and counts
    (RATE, "rate: «1200»", "1200 has no unit; a rate reads like '30 /min'"),
    (RATE, "rate: «1.2K rpm»", "unknown unit 'K'; write 'k' for 1,000 or 'Ki' for 1,024"),
    (RATE, "rate: «2.5 Rpm»", "unknown unit 'Rpm'; did you mean 'rpm'?"),
    (RATE, "rate: «20 tps»", "'20 tps' is a token rate, not a rate (such as '30 /min')"),
    (RATE, "rate: «~1200 rpm»", "'~1200 rpm' does not start with a number; write '1200 rpm'"),
    (RATE, "rate: «about 1200 rpm»", "does not start with a number; write '1200 rpm'"),
    (RATE, "rate: «1000-1200 rpm»", "'1000-1200 rpm' is a range; write one number"),
    (RATE, "rate: «1.2k»", "'1.2k' is a plain number, not a rate"),
    (RATE, "rate: «0 rpm»", "must be more than 0 /s, not 0 rpm"),
    (RATE, "«rps»: 20", "no key named 'rps' here; write 'rate'"),
    (MEAN, "mean: «3K»", "unknown unit 'K'; write 'k' for 1,000 or 'Ki' for 1,024"),
    (MEAN, "mean: «3m»", "unknown unit 'm'; write 'min', 'ms' or, for a million, 'M'"),
    (MEAN, "mean: «3kb»", "'3kb' is bytes, not tokens (such as '8k tok')"),
    (MEAN, "mean: «3_000»", "'3_000' has a '_' in its number; write '3000'"),
    (MEAN, "mean: «0.3%»", "'0.3%' is a plain number, not tokens"),
    ("10 minutes", "«10»", "10 has no unit; a time reads like '10 min'"),
    ("10 minutes", "«10m»", "unknown unit 'm'; write 'min', 'ms' or"),
    ("10 minutes", "«1h30m»", "'1h30m' has more than one number; write one with one unit, such as '90 min'"),
    ("10 minutes", "«00:10:00»", "'00:10:00' has more than one number"),
    ("systems: 1", "systems: «2x»", "expected a whole number, got '2x'; write 2"),
    (PARALLEL, "tensor_parallel: «TP8»", "expected a whole number, got 'TP8'; write 8"),
    (PARALLEL, 'tensor_parallel: «"8"»', "expected a whole number, got '8'; write 8"),
    # shares and objectives
    ("cv: 70%", "cv: «70»", "must be at most 10, not 70"),
    ("max_sequences: 64", "memory_utilisation: «90»", "must be at most 1, not 90; write 90 %"),
    ("ttft_p99: 2 seconds", "attainment: «95»", "must be at most 1, not 95; write 95 %"),
    ("ttft_p99: 2 seconds", "ttft_p99: «2»", "2 has no unit; a time reads like '10 min'"),
    ("ttft_p99: 2 seconds", "ttft_p99: «<2s»", "'<2s' does not start with a number; write '2s'"),
    ("tpot_p99: 40ms", "tpot_p99: «25 tok/s»", "'25 tok/s' is a token rate, not a time"),
    ("tpot_p99: 40ms", "tpot_p99: «40ms/token»", "'40ms/token' is second per token, not a time"),
    ("router: Round_Robin", f"{TENANTS.format('60 %', '«40»')}", "40 stands beside 60 %; give all of them in % or"),
    ("router: Round_Robin", f"{TENANTS.format('«0.4»', '60%')}", "0.4 stands beside 60%; give all of them in % or"),
    (
        LAW + ", mean: 3k, cv: 70%, max: 16k tokens",
        "kind: table, tokens: [1, 2], weights: [«70», 30 %]",
        "70 stands besi",
    ),
    ("objectives:", "  priorities: {levels: [0, 1], shares: [60 %, «40»]}\nobjectives:", "40 stands beside 60 %; give"),
    # prices
    (RENTAL, "rental: «2.99»", "2.99 has no unit; a money per time reads like '2.99 USD/h'"),
    (RENTAL, "rental: «$2.99»", "'$2.99' is money, not a money per time (such as '2.99 USD/h')"),
    (RENTAL, "rental: «€2.99/h»", "'€2.99/h' is in another currency; write prices in 'USD'"),
    (RENTAL, "rental: «2.99 EUR/h»", "unknown unit 'EUR'; write prices in 'USD'"),
    (RENTAL, "rental: «'2,99 USD/h'»", "has a comma that parts no thousands; write decimals with a point"),
    (RENTAL, "rental: «$24/h per node»", "unknown unit 'node'; a rent is that of one device: divide by its devices"),
    (RENTAL, "purchase: «300000»", "300000 has no unit; money reads like '380 kUSD'"),
    (RENTAL, "purchase: «hgx-h200»", "'hgx-h200' is the purchase price of hgx-h200, not of dgx-h100"),
    (
        PRICE,
        "price: «$2.99/h»",
        "expected a mapping with the keys list, purchase, rental; got '$2.99/h'; write {rental",
    ),
    (PRICE, "«rental»: 2.99 USD/h", "write 'rental' under 'price' of the service"),
    (PRICE, "«price»:", "has no value; write one or remove the key"),
    # names
    (MODEL, "«Llama 3.3 70B»", "no model named 'Llama 3.3 70B'; did you mean 'llama-3.3-70b'?"),
    (MODEL, "«nvidia/Llama-3.3-70B-Instruct-FP8»", "did you mean 'meta-llama/Llama-3.3-70B-Instruct'?"),
    (MODEL, "«deepseek r1»", "did you mean 'deepseek-r1'?"),
    (MODEL, "«gpt-4o»", "'infermodel catalog models' lists those known; of another give {config: config.json}"),
    (MODEL, "«config.json»", "no model named 'config.json'; write {config: config.json}"),
    (SYSTEM, "«8xH100»", "no system named '8xH100'; did you mean 'dgx-h100' or 'h100-nvl-8' or 'h100-pcie-8'?"),
    (SYSTEM, "«8 x H100 80GB SXM5»", "did you mean 'dgx-h100'?"),
    (SYSTEM, "«MI300»", "did you mean 'mi300x-8'?"),
    (SYSTEM, "«H200»", "did you mean 'h200-nvl-4' or 'hgx-h200'?"),
    (SYSTEM, "«8*H20»", "did you mean 'h20-8'?"),
    (SYSTEM, "«NVIDIA L4 24 GB»", "did you mean 'l4-8'?"),
    (SYSTEM, "«TPU v7»", "did you mean 'tpu7x-64'?"),
    (SYSTEM, "«trn2.48xlarge»", "did you mean 'trn2-48xlarge'?"),
    (SYSTEM, "«SN40L»", "the SN40L streams whole layers out of its memory, which no law here prices"),
    (SYSTEM, "«4090»", "expected the name of a system, got 4090; did you mean 'rtx-4090-8'?"),
    (SYSTEM, "«p5.48xlarge»", "no system named 'p5.48xlarge'; write 'dgx-h100'"),
    (SYSTEM, "«Cerebras»", "no system named 'Cerebras'; write 'cs-3'"),
    ("vLLM", "«vllm==0.33.0»", "did you mean 'vllm-0.33'?"),
    ("vLLM", "«TRT-LLM»", "did you mean 'tensorrt-llm'?"),
    ("weights: FP8", "weights: «AWQ»", "no precision named 'AWQ'; write 'int4'"),
    ("weights: FP8", "weights: «fp8_e4m3»", "no precision named 'fp8_e4m3'; write 'fp8'"),
    ("precision: {weights: FP8}", "precision: «FP8»", "got 'FP8'; write {weights: FP8}"),
    ("Round_Robin", "«least-loaded»", "no router named 'least-loaded'; write 'least_outstanding'"),
    ("Round_Robin", "«prefix-aware»", "no router named 'prefix-aware'; did you mean 'prefix_aware'?"),
    ("kind: Poisson", "kind: «bursty»", "no kind of arrivals named 'bursty'; write 'gamma'"),
    (LAW, "kind: «normal»", "no kind of lengths named 'normal'; write 'lognormal'"),
    ("ttft_p99: 2 seconds", "p99_ttft: «2 s»", "no objective named 'p99_ttft'; write 'ttft_p99'"),
    ("ttft_p99: 2 seconds", "latency_p99: «2 s»", "no objective named 'latency_p99'; write 'e2e_p99'"),
    ("Round_Robin", "random\n    prefix_caching: «yes»", "expected true or false, got 'yes'; write true"),
    # keys by another name, and near ones
    (PARALLEL, "«tp»: 8", "no key named 'tp' here; write 'tensor_parallel'"),
    (PARALLEL, "«tensor-parallel-size»: 8", "write 'tensor_parallel'"),
    (PARALLEL, "«tensor_paralel»: 8", "did you mean 'tensor_parallel'?"),
    (PARALLEL, "«max_num_seqs»: 8", "write 'max_sequences' under 'limits' of the service"),
    (PARALLEL, "«enforce_eager»: true", "write 'cuda_graphs' under 'engine_settings' of the service"),
    (PARALLEL, "«slo»: 2 s", "write 'objectives' at the top"),
    ("systems: 1", "«nodes»: 2", "write 'systems', of whole systems; replicas follow from them"),
    ("systems: 1", "«num_gpus»: 16", "write 'systems', of whole systems"),
    ("max_context: 32k", "«max-model-len»: 8192", "write 'max_context'"),
    ("max_context: 32k", "«memory_utilization»: 90%", "write 'memory_utilisation'"),
    ("precision: {weights: FP8}", "«quantization»: fp8", "write 'weights' under 'precision' of the service"),
    ("router: Round_Robin", "«replicas»: 2", "write 'replicas' under 'fleet' of the service"),
    ("cv: 70%", "«std»: 2000", "no key named 'std' here; write 'cv', the standard deviation over the mean"),
    (MEAN, "«avg»: 3000", "no key named 'avg' here; write 'mean'"),
    (MEAN, "«median»: 3000", "write 'mean', of a lognormal law the median times sqrt(1 + cv^2)"),
    (*outage("«duration»: 3 min"), "no key named 'duration' here; write 'for', the time from then until it is up"),
    (*outage("for: 3 min, «start»: 0 s", at=""), "no key named 'start' here; write 'at'"),
    (*outage("for: 3 min, «node»: 0", system=""), "no key named 'node' here; write 'system', its number from 0"),
    ("prompt_tokens:", "«input_tokens»:", "no key named 'input_tokens' here; write 'prompt_tokens'"),
    ("title: T", "«tittle»: T", "no key named 'tittle' here; did you mean 'title'?"),
    # what is known and not modelled
    (
        PARALLEL,
        "«lora»: true",
        "LoRA adapters are not modelled; play the base model, and take their memory off limits.",
    ),
    (PARALLEL, "«context_parallel»: 2", "one sequence's attention over several GPUs is not modelled; raise tensor_par"),
    (
        SYSTEM,
        "«[dgx-h100, hgx-h200]»",
        "unlike devices in one replica are not modelled; give each kind a pool: of role",
    ),
    (PARALLEL, "«heterogeneous»: true", "unlike devices in one replica are not modelled; give each kind a pool: of"),
    (
        RENTAL,
        "«spot»: 1 USD/h",
        "spot instances are not modelled; give the rental price that you pay, and as 'failures'",
    ),
    (PARALLEL, "«nvlink»: true", "links between devices are those of the system"),
    ("router: Round_Robin", "«kv_offload»: cpu", "KV cache outside the device's memory is not modelled"),
    # braces, colons, indentation
    (RATE, "rate: 1,«200 rpm»", "has no value; inside braces a comma parts entries: write '1200 rpm'"),
    (MEAN, "mean: 3,«000»", "inside braces a comma parts entries: write '3000'"),
    (RATE, "rate: 1.200,«5 rpm»", "inside braces a comma parts entries: decimals have a point"),
    ("{weights: FP8}", "{«weights:fp8»}", "has no value; write 'weights: fp8', with a space after the colon"),
    ("    engine: vLLM", "    «e»ngine:vllm", "YAML: expected 'key: value', with a space after the colon"),
    ("{weights: FP8}", "{weights: fp8}«}»", "YAML: a '}' too many: nothing is open before it"),
    ("{weights: FP8}", "{weights: fp8", "YAML: the '{' of line 12 is not closed before this"),
    (FLEET, "fleet: {system: dgx-h100 systems«:» 1}", "YAML: a comma is missing between two entries in braces"),
    (FLEET, "fleet: «dgx-h100»", "got 'dgx-h100'; write {system: dgx-h100}"),
    ("    engine: vLLM", "  «e»ngine: vllm", "YAML: the indentation fits none of the lines above"),
    ("    engine: vLLM", "     engine«:» vllm", "YAML: this line stands deeper than the key above"),
    ("    engine: vLLM", "«\t»engine: vllm", "YAML: a tab cannot indent"),
    ("title: T", "title: T«:» what?", "YAML: a second ': ' on one line; quote the text, or start a new line"),
    ("title: T", "title: 'it'«s»'", "YAML: text goes on after the closing quote"),
]


def test_words_of_people_are_read() -> None:
    assert validate(parse(SOUND)).model_dump() == validate(parse(PLAIN)).model_dump()


def test_there_are_75_mistakes_and_more() -> None:
    assert len({new for _, new, _ in WRONG}) >= 75


@pytest.mark.parametrize(("sound", "wrong", "said"), WRONG, ids=[wrong for _, wrong, _ in WRONG])
def test_a_mistake_is_answered_at_its_place(sound: str, wrong: str, said: str, tmp_path: Path) -> None:
    """One message, the caret below what stands between « and »; status 2, and nothing is written."""
    assert SOUND.count(sound) == 1
    before, _, after = SOUND.replace(sound, wrong).partition("«")
    meant = after.partition("»")[0]
    file = tmp_path / "s.yaml"
    file.write_text(SOUND.replace(sound, wrong.replace("«", "").replace("»", "")))
    done = CliRunner().invoke(infermodel, ["run", str(file), "--out", str(tmp_path / "out")])
    assert (done.exit_code, done.stdout) == (2, "")
    message, line, caret = done.stderr.splitlines()
    assert said in message
    if "«" in wrong:
        place = f"{before.count(chr(10)) + 1}:{len(before.rpartition(chr(10))[2]) + 1}: "
        assert message.startswith(f"{file}:{place}")
        assert caret.count("^") == len(meant)
        assert line[caret.index("^") :].startswith(meant.replace("\t", " "))
    assert list(tmp_path.iterdir()) == [file]


def everywhere(block: str) -> Iterator[tuple[str | int, ...]]:
    path: tuple[str | int, ...] = ()
    for key in block.split("."):
        path += (key, 0) if key == "services" else (key,)
    yield path


@pytest.mark.parametrize("path", [*KNOWN_AS, *KNOWN_HERE])
def test_every_name_that_is_told_is_a_key_of_the_language(path: str) -> None:
    block, _, name = path.rpartition(".")
    tree = {
        "traffic": {
            "arrivals": {"kind": "closed" if name == "users" else "poisson"},
            "prompt_tokens": {"kind": "lognormal"},
        },
        "services": [
            {
                "autoscaling": {},
                "failures": {},
                "outages": [{}],
                "fleet": {},
                "limits": {},
                "precision": {},
                "front_end": {},
                "engine_settings": {},
                "price": {},
            }
        ],
    }
    found = block_at(next(everywhere(block)) if block else (), tree)
    assert found is not None
    assert name in {field.alias or key for key, field in found.model_fields.items()}


@pytest.mark.parametrize("noun", NAMES)
def test_every_name_that_is_told_is_known(noun: str) -> None:
    known = {
        "precision": PRECISION_BYTES, "kind of arrivals": ARRIVALS, "kind of lengths": LENGTHS, "router": ROUTER_NAMES,
        "queue policy": QUEUES, "system": names("systems"), "objective": (*PER_REQUEST, "itl", "attainment"),
    }[noun]  # fmt: skip
    assert {*NAMES[noun]} <= {*known}
    words = [word for told in NAMES[noun].values() for word in told]
    assert len(words) == len({*words} - {*known})


@pytest.mark.parametrize(("mapping", "key"), LONE.items())
def test_a_lone_value_is_given_a_key_of_its_mapping(mapping: str, key: str) -> None:
    block = block_at(("services", 0, mapping), {"services": [{mapping: {}}]})
    assert block is not None
    assert key in block.model_fields


def test_no_word_is_told_two_things() -> None:
    words = [word for known in (*KNOWN_AS.values(), *NOT_MODELLED.values()) for word in known]
    assert len(words) == len(set(words))
