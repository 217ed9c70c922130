import os
from pathlib import Path

import pytest

from infermodel.formats.text import FormatError
from infermodel.workload.trace import FORMATS, TraceNotFound, find, load

SCENARIOS = Path(__file__).parents[2] / "scenarios"
ROWS = "arrived_at_s,prompt_tokens,output_tokens\n0,5,6\n"


def test_the_synthetic_conversation_is_found_beside_its_scenario() -> None:
    log = load("traces/synthetic_conversation.csv", "azure", SCENARIOS)
    requests, notes = log.requests, log.notes
    assert len(requests) == 500
    assert notes == ()
    assert requests.arrived_at[0] == 0
    assert requests.priority.tolist() == [0] * 500
    assert requests.prompt_id.tolist() == [-1] * 500


def test_the_places_are_tried_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, data, shelf = tmp_path / "scenarios", tmp_path / "data/traces", tmp_path / "shelf"
    for folder in (scenario, data, shelf):
        folder.mkdir(parents=True)
        (folder / "log.csv").write_text(ROWS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFERMODEL_TRACES", str(shelf))
    assert find("log.csv", "requests", scenario) == scenario / "log.csv"
    (scenario / "log.csv").unlink()
    assert find("log.csv", "requests", scenario) == Path("data/traces/log.csv")
    (data / "log.csv").unlink()
    assert find("log.csv", "requests", scenario) == shelf / "log.csv"
    assert find(str(shelf / "log.csv"), "requests", scenario) == shelf / "log.csv"


def test_a_missing_trace_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFERMODEL_TRACES", raising=False)
    name = "AzureLLMInferenceTrace_conv_2023.csv"
    with pytest.raises(TraceNotFound) as caught:
        find(name, "azure", Path("scenarios"))
    assert str(caught.value) == (
        f"no trace file '{name}': looked for scenarios{os.sep}{name}, {name}, {Path('data/traces') / name}, "
        "and the environment variable INFERMODEL_TRACES is not set. "
        "It is a CSV with the columns TIMESTAMP, ContextTokens, GeneratedTokens; get it from "
        "https://github.com/Azure/AzurePublicDataset (AzureLLMInferenceDataset2023.md and ...2024.md; CC-BY-4.0) "
        "(published there without _2023 in its name), "
        "and put it into data/traces or point INFERMODEL_TRACES at its folder."
    )
    monkeypatch.setenv("INFERMODEL_TRACES", str(tmp_path))
    with pytest.raises(TraceNotFound, match="looked for .*" + str(tmp_path)):
        find(name, "azure", Path("scenarios"))


def test_a_broken_trace_is_an_error_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(ROWS + "1,x,5\n")
    with pytest.raises(FormatError, match=r"log\.csv:3:3: prompt_tokens"):
        load("log.csv", "requests", tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_says_what_it_looks_like(name: str) -> None:
    known = FORMATS[name]
    assert callable(known.read)
    assert known.columns.split()[0] in ("a", "JSON")


def test_hashes_become_block_hashes(tmp_path: Path) -> None:
    line = '{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [4, 9]}\n'
    (tmp_path / "log.jsonl").write_text(line)
    requests = load("log.jsonl", "mooncake", tmp_path).requests
    assert requests.block_hashes == ((4,),)  # 88 tokens do not fill the second block: nobody else can use it
    assert requests.hash_block_tokens == 512
