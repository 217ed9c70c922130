"""The dated series of engines: which file describes which version, and what a file that extends another one says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infermodel import catalog
from infermodel.catalog import CatalogError, build, documents
from infermodel.scenario import load, resolve

FIGURE = {"value": 1, "kind": "datasheet", "source": "a manual", "date": "2026"}


@pytest.mark.parametrize(
    ("version", "entry"),
    [
        ("0.9.1", "vllm-0.10"),  # older than all: the oldest
        ("0.10.2", "vllm-0.10"),
        ("0.13", "vllm-0.10"),
        ("v0.14.0", "vllm-0.14"),
        ("0.18.1", "vllm-0.14"),
        ("0.19.0", "vllm-0.19"),
        ("0.20", "vllm-0.20"),
        ("0.32.9", "vllm-0.20"),
        ("0.33.0", "vllm"),  # vllm-0.33 says the same under a name that stays
        ("1.0", "vllm"),
        ("nightly", "vllm"),
        ("V1 custom (Feb 2026)", "vllm-0.14"),  # between 0.14 of January and 0.19 of April
        ("V1 custom (Mar-Apr 2026)", "vllm-0.14"),
        ("September 2025", "vllm-0.10"),
    ],
)
def test_a_version_is_described_by_the_last_file_that_is_not_newer(version: str, entry: str) -> None:
    assert catalog.load_engine_version("vllm", version).name == entry


def test_what_changed_in_vllm_is_what_its_sources_say() -> None:
    # SchedulerConfig of 0.18.0 has no scheduler_reserve_full_isl; 0.19.0 has it, true. async_scheduling is false in
    # 0.10.2 and decided at start-up, for nearly all models to true, in 0.14.0.
    series = [catalog.load_engine(name) for name in ("vllm-0.10", "vllm-0.14", "vllm-0.19", "vllm-0.20", "vllm")]
    assert [engine.admission for engine in series] == ["first_chunk"] * 2 + ["whole_prompt"] * 3
    assert [engine.schedules_ahead for engine in series] == [False] + [True] * 4
    assert all(engine.prefix_caching and engine.caches_answers for engine in series)
    assert {engine.blocks_findable for engine in series} == {"scheduled"}


def test_only_engines_that_reserve_answers_never_preempt() -> None:
    reserving = {name for name in catalog.names("engines") if catalog.load_engine(name).reserves_output}
    assert reserving == {"tensorrt-llm", "tensorrt-llm-0.17"}


def test_an_inherited_figure_says_whose_it_is() -> None:
    newest, old = catalog.load_engine("vllm"), catalog.load_engine("vllm-0.14")
    assert newest.host_step_s == old.host_step_s
    assert newest.provenance["host_step_s"].note == "as vllm-0.14"
    assert old.provenance["host_step_s"].note == ""
    assert newest.rules["caches_answers"].note.endswith("as vllm-0.14")
    assert newest.rules["admission"].note.endswith("as vllm-0.33")


@pytest.mark.parametrize(
    ("engine", "note"),
    [
        ("vllm-0.27.1", "vllm-0.27.1 is played as vllm-0.20 (vLLM 0.20 to 0.32), with the"),
        ("vllm-0.9", "vllm-0.9 is played as vllm-0.10 (vLLM before 0.14), which is newer, with the"),
        ("vllm-0.40", "vllm-0.40 is played as vllm (vLLM), the newest that the catalog describes, with the"),
        ("vllm-0.19", ""),
        ("vllm", ""),
    ],
)
def test_a_scenario_may_name_any_version(tmp_path: Path, engine: str, note: str) -> None:
    (tmp_path / "s.yaml").write_text(
        "title: T\nrequests: 10\ntraffic:\n  arrivals: {kind: poisson, rate: 1 /s}\n"
        "  prompt_tokens: {kind: fixed, tokens: 10}\n  output_tokens: {kind: fixed, tokens: 10}\n"
        f"services:\n  - {{name: S, model: llama-3.1-8b, engine: {engine}, fleet: {{system: dgx-h100}}}}\n"
    )
    found = resolve(load(tmp_path / "s.yaml", ()))
    assert len(found.notes) == bool(note)
    assert not note or found.notes[0].startswith(note)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty catalog."""
    (tmp_path / "engines").mkdir()
    monkeypatch.setattr(documents, "_FOLDER", tmp_path)
    documents.names.cache_clear()
    yield tmp_path / "engines"
    documents.names.cache_clear()


def test_a_file_says_only_what_differs(folder: Path) -> None:
    base = {"engine": "old", "title": "Old", "ingress": FIGURE, "constants": {"a": FIGURE, "b": FIGURE}}
    own = {"engine": "new", "title": "New", "extends": "old", "constants": {"b": {**FIGURE, "value": 2}}}
    for content in (base, own):
        (folder / f"{content['engine']}.yaml").write_text(yaml.safe_dump(content))
    inherited = {**FIGURE, "inherited": "old"}
    assert documents.read("engines", "new") == {
        "title": "New",
        "extends": "old",
        "ingress": inherited,
        "constants": {"a": inherited, "b": {**FIGURE, "value": 2}},
    }


def test_files_that_extend_one_another_are_refused(folder: Path) -> None:
    for name, base in (("a", "b"), ("b", "a"), ("c", "c")):
        (folder / f"{name}.yaml").write_text(f"engine: {name}\ntitle: T\nextends: {base}\n")
    for name in "abc":
        with pytest.raises(CatalogError, match="extends itself"):
            documents.read("engines", name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"admission": {"value": "all", "source": "s"}}, "here: admission: 'all' is none of first_chunk, whole_prompt"),
        ({"mixes_prompts": {"value": 1, "source": "s"}}, "here: mixes_prompts: 1 is none of true, false"),
        ({"mixes_prompts": True}, "here: mixes_prompts: expected a mapping, found True"),
        ({"mixes_prompts": {"value": True}}, "here: mixes_prompts: a rule has a value and a source"),
        ({"since": {"value": 0.1, "source": "s"}}, "here: since: 0.1 is no version, such as '0.33'"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(change: dict[str, object], message: str) -> None:
    content = documents.read("engines", "vllm") | change
    with pytest.raises(CatalogError) as error:
        build.engine("mine", content, "here")
    assert str(error.value).startswith(message)
