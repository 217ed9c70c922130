import os
from pathlib import Path

import pytest

from infermodel.formats import requests_csv
from infermodel.formats.text import FormatError


def written(folder: Path, text: str) -> Path:
    path = folder / "requests.csv"
    path.write_text(text)
    return path


def test_times_stand_as_they_are_and_priorities_are_optional(tmp_path: Path) -> None:
    trace = requests_csv.read(written(tmp_path, "arrived_at_s,prompt_tokens,output_tokens\n3.5,10,2\n4,20,3\n"))
    assert trace.arrived_at_s.tolist() == [3.5, 4]
    assert trace.priority is None
    text = "priority,arrived_at_s,prompt_tokens,output_tokens,ttft_s\n5,4,10,2,x\n-1,3,20,3,y\n"
    trace = requests_csv.read(written(tmp_path, text))
    assert trace.priority is not None
    assert trace.priority.tolist() == [-1, 5]
    assert trace.prompt_tokens.tolist() == [20, 10]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("arrived_at_s,prompt_tokens\n", "missing: output_tokens"),
        ("arrived_at_s,prompt_tokens,output_tokens\n-1,2,3\n", "requests.csv:2:1: arrived_at_s: expected a time"),
        ("arrived_at_s,prompt_tokens,output_tokens\n1e400,2,3\n", "requests.csv:2:1: arrived_at_s: expected a time"),
        ("arrived_at_s,prompt_tokens,output_tokens\n0,2,3.5\n", "requests.csv:2:5: output_tokens: expected a whole"),
        ("arrived_at_s,prompt_tokens,output_tokens,priority\n0,2,3,high\n", "requests.csv:2:7: priority: expected a"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(FormatError) as caught:
        requests_csv.read(path)
    assert says in str(caught.value)


@pytest.mark.skipif("INFERMODEL_MEASUREMENTS" not in os.environ, reason="needs the measured requests")
def test_real_measurements() -> None:
    folder = Path(os.environ["INFERMODEL_MEASUREMENTS"]) / "requests"
    for path in sorted(folder.iterdir()):
        requests = requests_csv.read(path)
        assert len(requests) >= 300
        assert requests.notes == ()
