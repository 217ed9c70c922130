"""What a run was sent, written for load generators: read back it is the same traffic, down to the text it shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infermodel.experiment import run
from infermodel.experiment.result import Result
from infermodel.formats import mooncake
from infermodel.report.long_files import write_traces
from infermodel.scenario import load, resolve
from infermodel.tables import Texts

SERVICE = "{name: 8B, model: llama-3.1-8b, prefix_caching: true, fleet: {system: dgx-h100, replicas: 1}}"
LENGTHS = "prompt_tokens: {kind: uniform, low: 100, high: 3000}\n  output_tokens: {kind: fixed, tokens: 20}"

TRAFFIC = {
    "own prompts": f"arrivals: {{kind: poisson, rate: 20 /s}}\n  {LENGTHS}",
    "repeated prompts": f"arrivals: {{kind: poisson, rate: 20 /s}}\n  {LENGTHS}\n  prefix: {{distinct_prompts: 5}}",
    "users": f"arrivals: {{kind: closed, users: 8}}\n  {LENGTHS}",
    "questions": f"arrivals: {{kind: poisson, rate: 4 /s}}\n  {LENGTHS}\n"
    "  session: {kind: chain, calls: 4, added: {kind: fixed, tokens: 100}}",
}


def played(folder: Path, traffic: str, more: str = "") -> Result:
    path = folder / "s.yaml"
    path.write_text(f"title: t\nrequests: 60\ntraffic:\n  {traffic}\nservices:\n  - {SERVICE}\n{more}")
    return run(resolve(load(path)))


def replayed(folder: Path, result: Result) -> Path:
    named = [(each.service.name, each.record) for each in result.services]
    return folder / write_traces(folder, named)[0]


@pytest.mark.parametrize("kind", TRAFFIC)
def test_a_replay_is_what_was_sent(tmp_path: Path, kind: str) -> None:
    result = played(tmp_path, TRAFFIC[kind])
    path = replayed(tmp_path, result)
    sent, read = result.services[0].record.requests, mooncake.read(path)
    order = np.argsort(np.rint(sent.arrived_at * 1e3), kind="stable")
    assert read.prompt_tokens.tolist() == sent.prompt_tokens[order].tolist()
    assert read.output_tokens.tolist() == sent.output_tokens[order].tolist()
    assert np.abs(read.arrived_at_s - sent.arrived_at[order]).max() <= 0.0005 + 1e-9
    assert (read.hash_ids is not None) == (kind in ("repeated prompts", "questions"))


@pytest.mark.parametrize("kind", ["repeated prompts", "questions"])
def test_a_replay_finds_in_the_cache_what_the_run_found(tmp_path: Path, kind: str) -> None:
    """But for parts of blocks: of 512 tokens where a prompt is repeated, of 16 where calls go on; and the 20 tokens of
    the answer before a call, for which a trace has ids only in the call after it.
    """
    result = played(tmp_path, TRAFFIC[kind])
    path = replayed(tmp_path, result)
    again = played(tmp_path, f"arrivals: {{kind: trace, file: {path}, format: mooncake}}")
    found, refound = (each.services[0].record.requests for each in (result, again))
    count = min(len(found), len(refound))
    cached, recached = found.cached_tokens[:count], refound.cached_tokens[:count]
    assert (cached > 0).sum() > 10
    assert (np.abs(cached - recached) <= (512 if kind == "repeated prompts" else 20 + 2 * 16)).all()


def lines(prompts: list[int], texts: Texts | None) -> list[dict[str, Any]]:
    count = len(prompts)
    tokens = np.array(prompts, dtype=np.int64)
    return [json.loads(line) for line in mooncake.lines_of(np.arange(count) * 1.0005, tokens, tokens, texts)]


def test_times_are_whole_milliseconds_and_prompts_of_their_own_have_no_ids() -> None:
    texts = Texts(np.array([-1, -1]), {}, 0)
    first, second = lines([100, 2000], texts)
    assert first == {"timestamp": 0, "input_length": 100, "output_length": 100}
    assert (second["timestamp"], "hash_ids" in second) == (1000, False)


def test_the_same_prompt_has_the_same_ids_and_others_none_of_them() -> None:
    """1,100 tokens are two blocks of 512 and a part of one."""
    texts = Texts(np.array([0, 1, 0, -1]), {}, 0)
    ids = [each["hash_ids"] for each in lines([1100, 600, 1100, 512], texts)]
    assert [len(each) for each in ids] == [3, 2, 3, 1]
    assert ids[0] == ids[2]
    assert len({*ids[0], *ids[1], *ids[3]}) == 6


def test_blocks_of_a_text_are_cut_at_the_prompt_and_its_part_of_one_is_new() -> None:
    """The ids go on over the answer; the prompt has two whole blocks of 16 tokens and 8 tokens more."""
    texts = Texts(np.array([-1, -1]), {0: (7, 8, 9), 1: (7, 8, 9, 11)}, 16)
    ids = [each["hash_ids"] for each in lines([40, 64], texts)]
    assert ids == [[7, 8, 12], [7, 8, 9, 11]]


def test_services_whose_names_look_alike_have_files_of_their_own(tmp_path: Path) -> None:
    record = played(tmp_path, TRAFFIC["own prompts"]).services[0].record
    names = write_traces(tmp_path, [("a b", record), ("a_b", record)])
    assert len(set(names)) == 2
