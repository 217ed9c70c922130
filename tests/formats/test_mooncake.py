import gzip
import json
import os
from pathlib import Path

import pytest

from infermodel.formats import mooncake
from infermodel.formats.text import FormatError

FIRST = {"timestamp": 0, "input_length": 1200, "output_length": 500, "hash_ids": [0, 1, 2]}
SECOND = {"timestamp": 2500, "input_length": 512, "output_length": 0, "hash_ids": [0]}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "trace.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in FIRST.items() if name != key}


@pytest.mark.parametrize("packed", [False, True])
def test_lengths_hashes_and_times(tmp_path: Path, packed: bool) -> None:
    path = written(tmp_path, FIRST, "", SECOND)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    trace = mooncake.read(path)
    assert trace.arrived_at_s.tolist() == [0, 2.5]
    assert trace.prompt_tokens.tolist() == [1200, 512]
    assert trace.output_tokens.tolist() == [500, 1]
    assert trace.hash_ids == ((0, 1, 2), (0,))
    assert trace.hash_block_tokens == 512
    assert trace.notes == ("trace.jsonl: 1 requests of 0 output tokens count as 1",)


def test_hashes_follow_their_requests_when_sorted(tmp_path: Path) -> None:
    trace = mooncake.read(written(tmp_path, SECOND, FIRST))
    assert trace.prompt_tokens.tolist() == [1200, 512]
    assert trace.hash_ids == ((0, 1, 2), (0,))
    assert trace.notes[0] == "trace.jsonl: 1 rows arrive before the row above them; sorted by arrival"


def test_a_log_without_hashes(tmp_path: Path) -> None:
    trace = mooncake.read(written(tmp_path, without("hash_ids")))
    assert (trace.hash_ids, trace.hash_block_tokens) == (None, 0)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (without("timestamp"), "2:1: timestamp: expected milliseconds, 0 or later; the key is missing"),
        ({**FIRST, "timestamp": -1}, "2:2: timestamp: expected milliseconds, 0 or later, got '-1'"),
        ({**FIRST, "timestamp": float("nan")}, "2:2: timestamp: expected milliseconds, 0 or later, got 'NaN'"),
        ({**FIRST, "timestamp": "5"}, "2:2: timestamp: expected milliseconds"),
        ({**FIRST, "input_length": 1.5}, "2:18: input_length: expected a whole number of tokens"),
        ({**FIRST, "input_length": True}, "2:18: input_length: expected a whole number of tokens"),
        ({**FIRST, "output_length": 10**30}, "2:40: output_length: expected a whole number of tokens"),
        ({**FIRST, "output_length": None}, "2:40: output_length: expected a whole number of tokens"),
        ({**FIRST, "hash_ids": "0"}, "2:62: hash_ids: expected a list of whole numbers"),
        ({**FIRST, "hash_ids": [0, -1]}, "2:62: hash_ids: expected a list of whole numbers"),
        ({**FIRST, "hash_ids": [0, 2**80]}, "2:62: hash_ids: expected a list of whole numbers"),
        ({**FIRST, "hash_ids": [0, 1, 2, 3]}, "2:62: hash_ids: expected at most 3 ids for so short a prompt"),
        (without("hash_ids"), "2:1: expected hash_ids on every line or on none"),
        ("[1, 2]", "2:1: expected a JSON object with timestamp"),
        ('{"timestamp": 1, }', "2:18: expected one JSON object a line"),
        ('{"timestamp": ' + "9" * 5000 + "}", "2:1: expected one JSON object a line"),
        ("[" * 100_000, "2:1: expected one JSON object a line"),
        ("timestamp,input_length", "2:1: expected one JSON object a line"),
    ],
)
def test_broken_lines(tmp_path: Path, line: object, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        mooncake.read(written(tmp_path, FIRST, line))
    assert f"trace.jsonl:{says}" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="at least one request"):
        mooncake.read(written(tmp_path))


@pytest.mark.skipif("INFERMODEL_TRACES" not in os.environ, reason="needs the Mooncake traces")
def test_the_real_hour_of_long_conversations() -> None:
    trace = mooncake.read(Path(os.environ["INFERMODEL_TRACES"]) / "mooncake_fast25_conversation.jsonl.gz")
    assert len(trace) == 12_031
    assert round(trace.prompt_tokens.mean()) == 12_035
    assert trace.hash_ids is not None
    # 36.6 % of blocks hit an infinite prefix cache, as the dataset's description says.
    blocks = [block for ids in trace.hash_ids for block in ids]
    assert 1 - len(set(blocks)) / len(blocks) == pytest.approx(0.366, abs=0.0005)
