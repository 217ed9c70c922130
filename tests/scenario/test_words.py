"""Words that people type are read, or answered with what to write."""

from collections.abc import Iterator

import pytest

from infermodel.scenario.document import parse
from infermodel.scenario.errors import ScenarioErrors
from infermodel.scenario.schema.scenario import Scenario
from infermodel.scenario.validation import block_at, validate
from infermodel.scenario.words import KNOWN_AS, NOT_MODELLED

TEXT = """
title: T
duration: 10 minutes
traffic:
  arrivals: {{kind: Poisson, rate: {rate}}}
  prompt_tokens: {{kind: Fixed, tokens: {tokens}}}
  output_tokens: {{kind: fixed, tokens: 250 tokens}}
services:
  - name: A
    model: Llama-3.1-8B
    engine: {engine}
    fleet: {{system: {system}, {fleet}}}
    precision: {{weights: FP8}}
    price: {{rental: {rental}}}
"""
SOUND = {
    "rate": "1.2k rpm",
    "tokens": "3k",
    "engine": "vllm",
    "system": "DGX-H100",
    "fleet": "systems: 1",
    "rental": "$2.99/h",
}


def scenario(**changes: str) -> Scenario:
    return validate(parse(TEXT.format(**SOUND | changes), "s.yaml"))


def test_words_of_people_are_read() -> None:
    read = scenario()
    plain = scenario(rate="20 /s", tokens="3000", system="dgx-h100", rental="2.99 USD/h")
    assert read.model_dump() == plain.model_dump()


def refusal(**changes: str) -> str:
    with pytest.raises(ScenarioErrors) as refused:
        scenario(**changes)
    (error,) = refused.value.errors
    return f"{error.path}: {error.message}; {error.suggestion}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fleet": "tp: 8"}, "services.0.fleet.tp: no key named 'tp' here; write 'tensor_parallel'"),
        ({"fleet": "max_num_seqs: 8"}, "write 'max_sequences' under 'limits' of the service"),
        ({"fleet": "enforce_eager: true"}, "write 'cuda_graphs' under 'engine_settings' of the service"),
        ({"fleet": "max-model-len: 8"}, "write 'max_context' under 'limits' of the service"),
        ({"fleet": "lora: true"}, "LoRA adapters are not modelled; play the base model"),
        ({"fleet": "context_parallel: 2"}, "one sequence's attention over several GPUs is not modelled"),
        ({"fleet": "spot: true"}, "spot instances are not modelled; give the rental price that you pay"),
        ({"fleet": "slo: 2 s"}, "write 'objectives' at the top"),
        ({"fleet": "tensor_paralel: 8"}, "did you mean 'tensor_parallel'?"),
        ({"system": "8xH100"}, "no system named '8xH100'; did you mean 'dgx-h100' or 'h100-nvl-8' or 'h100-pcie-8'?"),
        ({"system": "8 x H100 80GB SXM5"}, "did you mean 'dgx-h100'?"),
        ({"system": "h100-sxm"}, "did you mean 'dgx-h100'?"),
        ({"system": "B300"}, "did you mean 'hgx-b300'?"),
        ({"system": "MI300"}, "did you mean 'mi300x-8'?"),
        ({"system": "H200"}, "did you mean 'hgx-h200'?"),
        ({"tokens": "3K"}, "unknown unit 'K'; write 'k' for 1,000 or 'Ki' for 1,024"),
        ({"tokens": "0.3%"}, "'0.3%' is a plain number, not tokens"),
        ({"rate": "2.5 Rpm"}, "unknown unit 'Rpm'; did you mean 'rpm'?"),
        ({"rental": "'2,99 USD/h'"}, "has a comma that parts no thousands; write decimals with a point"),
        ({"rental": "2.99"}, "2.99 has no unit; a money per time reads like '2.99 USD/h'"),
    ],
)
def test_what_is_not_read_is_answered(changes: dict[str, str], said: str) -> None:
    assert said in refusal(**changes)


def everywhere(block: str) -> Iterator[tuple[str | int, ...]]:
    path: tuple[str | int, ...] = ()
    for key in block.split("."):
        path += (key, 0) if key == "services" else (key,)
    yield path


@pytest.mark.parametrize("path", KNOWN_AS)
def test_every_name_that_is_told_is_a_key_of_the_language(path: str) -> None:
    block, _, name = path.rpartition(".")
    tree = {
        "traffic": {
            "arrivals": {"kind": "closed" if name == "users" else "poisson"},
            "prompt_tokens": {"kind": "lognormal"},
        },
        "services": [{"fleet": {}, "limits": {}, "precision": {}, "front_end": {}, "engine_settings": {}, "price": {}}],
    }
    found = block_at(next(everywhere(block)) if block else (), tree)
    assert found is not None
    assert name in {field.alias or key for key, field in found.model_fields.items()}


def test_no_word_is_told_two_things() -> None:
    words = [word for known in (*KNOWN_AS.values(), *NOT_MODELLED.values()) for word in known]
    assert len(words) == len(set(words))
