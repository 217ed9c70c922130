"""Wrong scenarios and the exact words in which they are refused; sound ones and what is read from them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from infermodel.scenario.document import dump, parse
from infermodel.scenario.errors import ScenarioErrors
from infermodel.scenario.override import override
from infermodel.scenario.schema.lengths import Lognormal
from infermodel.scenario.schema.scenario import Scenario
from infermodel.scenario.schema.traffic import Poisson
from infermodel.scenario.schema.values import tree
from infermodel.scenario.validation import validate, validate_as
from infermodel.search.plan_schema import Plan
from infermodel.search.sweep_schema import Sweep

WRONG = sorted((Path(__file__).parent / "wrong").glob("*.yaml"))

SOUND = """
title: What does a CS-3 deliver?
duration: 10 min
traffic:
  arrivals: {kind: poisson, rate: 30 /min}
  prompt_tokens: {kind: lognormal, mean: 1000, cv: 0.8, max: 7k tok}
  output_tokens: {kind: fixed, tokens: 250}
objectives: {ttft_p99: 1 s, attainment: 99 %, output_speed_p10: 100 tok/s}
services:
  - name: CS-3 8B
    model: llama-3.1-8b
    fleet: {system: cs-3}
    price: {list: {input: 0.10 USD/Mtok, output: 0.10 USD/Mtok, source: launch}, purchase: cs-3}
  - name: H100 v1.0
    model: llama-3.1-8b
    fleet: {system: dgx-h100, systems: 2}
"""


def messages(text: str, *changes: str) -> str:
    """What is wrong with a text, in full; nothing where nothing is."""
    try:
        validate(override(parse(text, "s.yaml"), changes))
    except ScenarioErrors as errors:
        return str(errors)
    return ""


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_wrong_scenarios_are_refused_in_these_words(path: Path) -> None:
    said = messages(path.read_text(encoding="utf-8")).replace("s.yaml", path.name)
    assert said + "\n" == path.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("root", "text", "said"),
    [
        (
            Scenario,
            "title: T\nbase: b.yaml\ncandidates: []\n",
            "s.yaml:3:1: candidates: this file is a plan: 'infermodel plan'",
        ),
        (Scenario, "title: T\nbase: b.yaml\naxes: []\n", "s.yaml:3:1: axes: this file is a sweep: 'infermodel sweep'"),
        (Plan, SOUND, "s.yaml:9:1: services: this file is a scenario: 'infermodel run'"),
        (Sweep, SOUND, "s.yaml:9:1: services: this file is a scenario: 'infermodel run'"),
    ],
)
def test_a_file_of_another_command_is_told_so(root: type[BaseModel], text: str, said: str) -> None:
    with pytest.raises(ScenarioErrors) as refused:
        validate_as(root, parse(text, "s.yaml"))
    (error,) = refused.value.errors
    assert str(error).startswith(said)


def test_there_are_twelve_wrong_scenarios_and_more() -> None:
    assert len(WRONG) >= 12


def test_a_sound_scenario_is_read_in_si() -> None:
    scenario = validate(parse(SOUND))
    assert scenario.duration == 600.0
    assert scenario.warm_up == "auto"
    assert scenario.traffic is not None
    arrivals, prompts = scenario.traffic.arrivals, scenario.traffic.prompt_tokens
    assert isinstance(arrivals, Poisson)
    assert arrivals.rate == 0.5
    assert isinstance(prompts, Lognormal)
    assert (prompts.mean, prompts.cv, prompts.least, prompts.greatest) == (1000.0, 0.8, 1, 7000)
    assert {each.name: each.limit for each in scenario.objectives} == {
        "attainment": 0.99,
        "output_speed_p10": 100.0,
        "ttft_p99": 1.0,
    }
    assert scenario.services[1].fleet.systems == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("duration: 10 min", "duration: 600 s"),
        ("rate: 30 /min", "rate: 0.5 /s"),
        ("7k tok", "7000"),
        ("99 %", "0.99"),
        ("0.10 USD/Mtok", "100 USD / Gtok"),
        ("ttft_p99: 1 s", "ttft_p99: 1000 ms"),
    ],
)
def test_units_spelled_differently_mean_the_same(one: str, other: str) -> None:
    assert one in SOUND
    assert tree(validate(parse(SOUND.replace(one, other)))) == tree(validate(parse(SOUND)))


def test_what_is_read_can_be_written_and_read_again() -> None:
    scenario = validate(parse(SOUND))
    assert tree(validate(parse(dump(tree(scenario))))) == tree(scenario)


@pytest.mark.parametrize("bad", [".nan", ".inf", "-.inf", "-1", "0", "1e308", "1e999", "[]", "{}", "''", "'x'", "true"])
@pytest.mark.parametrize(
    "path",
    [
        "duration",
        "traffic.arrivals.rate",
        "traffic.prompt_tokens.mean",
        "traffic.prompt_tokens.cv",
        "traffic.prompt_tokens.max",
        "services.0.fleet.systems",
        "services.0.fleet.tensor_parallel",
        "services.0.limits.max_sequences",
        "services.0.limits.max_batched_tokens",
        "services.0.limits.memory_utilisation",
        "objectives.ttft_p99",
        "objectives.attainment",
        "capacity.width",
        "prices.life",
    ],
)
@pytest.mark.parametrize("unit", ["", " s", " /s"])
def test_senseless_numbers_are_refused(path: str, bad: str, unit: str) -> None:
    said = messages(SOUND, f"{path}={bad}{unit}")
    assert said.startswith(f"--set {path}={bad}{unit}: {path}: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("seed", "--set seed: expected path=value; such as services.0.fleet.systems=4"),
        ("=3", "--set =3: expected path=value; such as services.0.fleet.systems=4"),
        ("seed=", "--set seed=: seed: has no value; write null to remove the key"),
        ("sed=2", "--set sed=2: sed: no key named 'sed' here; did you mean 'seed'?"),
        (
            "services.CS-3 70B.fleet.systems=4",
            "--set services.CS-3 70B.fleet.systems=4: services.CS-3 70B.fleet.systems: "
            "no item 'CS-3 70B' in a list of 2; did you mean 'CS-3 8B'?",
        ),
        (
            "services.CS-3 8B.fleet.systems=many",
            "--set services.CS-3 8B.fleet.systems=many: services.0.fleet.systems: expected a whole number, got 'many'",
        ),
        (
            "services.0.name.first=4",
            "--set services.0.name.first=4: services.0.name.first: 'services.0.name' is 'CS-3 8B', which has no parts",
        ),
        ("services.0=null", "--set services.0=null: services.0: an item of a list cannot be removed"),
        ("seed=*a", "--set seed=*a: seed: the alias '*a' is not part of the language; write the value out"),
        (
            "services..x=1",
            "--set services..x=1: services..x: no item '' in a list of 2; one of 0, 1, CS-3 8B, H100 v1.0",
        ),
        ("a..x=1", "--set a..x=1: a..x: the path 'a..x' has an empty part"),
    ],
)
def test_an_override_that_fails_is_named(change: str, said: str) -> None:
    assert messages(SOUND, change) == said


def test_overrides_reach_services_by_index_and_by_name() -> None:
    changes = ["services.0.fleet.systems=4", "services.H100 v1.0.limits.max_sequences=64", "seed=7", "seed=8"]
    scenario = validate(override(parse(SOUND), changes))
    assert scenario.services[0].fleet.systems == 4
    assert scenario.services[1].limits.max_sequences == 64
    assert scenario.seed == 8


def test_an_override_can_remove_a_key() -> None:
    scenario = validate(override(parse(SOUND), ["duration=null", "requests=100"]))
    assert (scenario.duration, scenario.requests) == (None, 100)


def test_an_override_leaves_the_document_alone() -> None:
    document = parse(SOUND)
    override(document, ["seed=7", "services.0.name=other"])
    assert document == parse(SOUND)


MUTANTS = st.sampled_from(
    ["", ":", "- ", "  ", "{", "}", "[", "]", "'", "1e999", "-1", "null", "&a ", "*a", "\t", "kind", "模"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SOUND)), st.integers(0, 6), MUTANTS), max_size=4))
def test_a_mangled_scenario_is_read_or_refused(edits: list[tuple[int, int, str]]) -> None:
    text = SOUND
    for at, cut, put in edits:
        text = text[:at] + put + text[at + cut :]
    said = messages(text)
    assert not said or said.startswith("s.yaml")


PATHS = st.sampled_from(
    [
        "seed",
        "traffic",
        "traffic.arrivals",
        "services",
        "services.0",
        "services.0.fleet",
        "prices",
        "services.0.price.list",
        "claims",
        "capacity",
        "warm_up",
        "objectives",
        "services.1.outages",
    ]
)
PARTS = st.recursive(
    st.sampled_from(["x", "1 s", "cs-3", "auto"]) | st.integers(-2, 10**400) | st.floats() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "name", "a", "rate"]), inner),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(PATHS, PARTS)
def test_any_value_anywhere_is_read_or_refused(path: str, value: object) -> None:
    said = messages(SOUND, f"{path}={dump(value).removesuffix('...' + chr(10)).strip()}")
    assert not said or said.startswith(("--set", "s.yaml"))
