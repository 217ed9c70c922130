"""No step of any model beats the laws that plans are bounded by."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.least_step import LeastStep, seen_s
from infermodel.cost.step import Batch, Chunk, StepModel, Windowed
from infermodel.cost.work import chunk_pairs
from infermodel.scenario import load, resolve

SERVICE = """\
title: t
requests: 10
traffic:
  arrivals: {{kind: poisson, rate: 60 /min}}
  prompt_tokens: {{kind: fixed, tokens: 100}}
  output_tokens: {{kind: fixed, tokens: 10}}
services: [{{name: S, model: {model}, fleet: {fleet}, precision: {precision}}}]
"""
ASKED = {
    "8b": ("llama-3.1-8b", "{system: dgx-h100}", "{}"),
    "70b-tp4": ("llama-3.1-70b", "{system: dgx-h100, tensor_parallel: 4}", "{weights: fp8}"),
    "70b-pp4": ("llama-3.1-70b", "{system: dgx-h100, pipeline_parallel: 4}", "{}"),
    "r1-dp": ("deepseek-r1", "{system: hgx-h200, data_parallel: 8, expert_parallel: 8}", "{weights: fp8}"),
    "gpt-oss": ("gpt-oss-120b", "{system: dgx-h100, tensor_parallel: 2}", "{}"),
    "wafers": ("llama-3.1-70b", "{system: cs-3, systems: 4, devices_per_replica: 4}", "{}"),
    "windowed wafers": ("gpt-oss-120b", "{system: cs-3, systems: 4, devices_per_replica: 4}", "{}"),
    "lpu": ("llama-3.1-8b", "{system: groq-rack, systems: 8}", "{}"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StepModel]:
    """A step model of each kind."""
    found = {}
    for name, (model, fleet, precision) in ASKED.items():
        path = tmp_path_factory.mktemp("models") / "one.yaml"
        path.write_text(SERVICE.format(model=model, fleet=fleet, precision=precision))
        found[name] = resolve(load(path)).services[0].pool.step_model
    return found


def batch_of(model: StepModel, contexts: list[int], chunks: list[Chunk], finishing: int) -> Batch:
    windowed = tuple(Windowed(sum(min(c, w) for c in contexts), sum(c < w for c in contexts)) for w in model.windows)
    return Batch(len(contexts), sum(contexts), max(contexts, default=0), windowed, 1, tuple(chunks), finishing)


def least_s(law: LeastStep, contexts: list[int], chunks: list[Chunk], finishing: int) -> float:
    """The law, word for word: the first `finishing` chunks put a token out, all their other tokens are computed."""
    out = [*contexts, *(chunk.before + chunk.new for chunk in chunks[:finishing])]
    besides = [Chunk(chunk.new - (i < finishing), chunk.before) for i, chunk in enumerate(chunks)]
    seconds = law.fixed_s(len(out), sum(chunk.new for chunk in besides))
    seconds += sum(seen_s(law.token_s, context) for context in out)
    return seconds + sum(s * chunk_pairs(chunk, w) for w, s in law.pair_s.items() for chunk in besides)


@given(
    name=st.sampled_from(sorted(ASKED)),
    contexts=st.lists(st.integers(1, 6000), max_size=300),
    chunks=st.lists(st.builds(Chunk, st.integers(1, 3000), st.integers(0, 5000)), max_size=4),
    finishing=st.integers(0, 4),
)
@settings(max_examples=600, deadline=None)
def test_no_step_beats_its_laws(models, name, contexts, chunks, finishing) -> None:
    if not contexts and not chunks:
        return
    model, finishing = models[name], min(finishing, len(chunks))
    took_s = model.step(batch_of(model, contexts, chunks, finishing)).latency_s
    laws = model.least_laws()
    assert laws
    for law in laws:
        assert took_s >= least_s(law, contexts, chunks, finishing) * (1 - 1e-12)
    for context in [*contexts, *(chunk.before + chunk.new for chunk in chunks[:finishing])]:
        assert all(took_s >= law.alone_s(context) * (1 - 1e-12) for law in laws)


@given(
    name=st.sampled_from(sorted(ASKED)),
    n=st.integers(0, 300),
    m=st.integers(0, 9000),
    more=st.integers(0, 300),
    further=st.integers(0, 3000),
)
@settings(max_examples=400, deadline=None)
def test_more_tokens_never_take_less_by_a_law(models, name, n, m, more, further) -> None:
    for law in models[name].least_laws():
        assert law.fixed_s(n + more, m + further) >= law.fixed_s(n, m) * (1 - 1e-12) if n + m else True


def test_the_law_of_gpus_is_their_step_where_they_only_decode(models) -> None:
    model = models["8b"]
    assert isinstance(model, GpuStepModel)
    (law,) = model.least_laws()
    contexts = [1000] * 128
    took_s = model.step(batch_of(model, contexts, [], 0)).latency_s
    assert least_s(law, contexts, [], 0) == pytest.approx(took_s, rel=1e-12)
