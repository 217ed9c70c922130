import math
import os
from pathlib import Path

import numpy as np
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


def test_measured_times_follow_their_requests(tmp_path: Path) -> None:
    text = (
        "arrived_at_s,prompt_tokens,output_tokens,measured_ttft_ms,measured_e2e_ms,failed\n"
        "1,10,2,130.5,1943.7,0\n0.5,20,3,,,1\n"
    )
    measured = requests_csv.read_measured(written(tmp_path, text))
    assert measured.requests.prompt_tokens.tolist() == [20, 10]
    assert measured.failed.tolist() == [True, False]
    assert math.isnan(measured.ttft_s[0])
    assert measured.ttft_s[1] == pytest.approx(0.1305, rel=1e-15)
    assert measured.e2e_s[1] == pytest.approx(1.9437, rel=1e-15)
    assert np.isnan(measured.tpot_s).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("arrived_at_s,prompt_tokens\n", "missing: output_tokens"),
        ("arrived_at_s,prompt_tokens,output_tokens\n-1,2,3\n", "requests.csv:2:1: arrived_at_s: expected a time"),
        ("arrived_at_s,prompt_tokens,output_tokens\n1e400,2,3\n", "requests.csv:2:1: arrived_at_s: expected a time"),
        ("arrived_at_s,prompt_tokens,output_tokens\n0,2,3.5\n", "requests.csv:2:5: output_tokens: expected a whole"),
        ("arrived_at_s,prompt_tokens,output_tokens,priority\n0,2,3,high\n", "requests.csv:2:7: priority: expected a"),
        ("arrived_at_s,prompt_tokens,output_tokens,failed\n0,2,3,\n", "requests.csv:2:7: failed: expected a whole"),
        (
            "arrived_at_s,prompt_tokens,output_tokens,measured_ttft_ms\n0,2,3,-9\n",
            "requests.csv:2:7: measured_ttft_ms: expected a number, 0 or more, or nothing, got '-9'",
        ),
    ],
)
def test_broken_files(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(FormatError) as caught:
        requests_csv.read_measured(path) if "priority" not in text else requests_csv.read(path)
    assert says in str(caught.value)


@pytest.mark.skipif("INFERMODEL_MEASUREMENTS" not in os.environ, reason="needs the measured requests")
def test_real_measurements() -> None:
    folder = Path(os.environ["INFERMODEL_MEASUREMENTS"]) / "requests"
    for path in sorted(folder.iterdir()):
        measured = requests_csv.read_measured(path)
        answered = ~measured.failed
        assert len(measured.requests) >= 300
        assert measured.requests.notes == ()
        assert (measured.ttft_s[answered] <= measured.e2e_s[answered]).all()
