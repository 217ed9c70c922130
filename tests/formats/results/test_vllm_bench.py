import json
import math
from pathlib import Path

import numpy as np
import pytest

from infermodel.formats.results import vllm_bench
from infermodel.formats.text import FormatError

SUMMARY = {
    "date": "20250101-120000",
    "endpoint_type": "openai",
    "model_id": "an/8b",
    "num_prompts": 3,
    "request_rate": "inf",
    "burstiness": 1.0,
    "max_concurrency": 2,
    "duration": 4.5,
    "completed": 2,
    "total_input_tokens": 30,
    "total_output_tokens": 5,
    "mean_ttft_ms": 125.0,
    "p99_tpot_ms": 20.0,
    "std_itl_ms": 1.5,
    "mean_e2el_ms": 190.0,
}
DETAIL = {
    "input_lens": [10, 20, 7],
    "output_lens": [2, 3, 0],
    "ttfts": [0.1, 0.15, 0.0],
    "itls": [[0.02], [0.03, 0.01], []],
    "start_times": [100.5, 101.0, 103.25],
    "generated_texts": ["a b", "c d e", ""],
    "errors": ["", "", "timeout"],
}


def written(folder: Path, *runs: object, indent: int | None = None) -> Path:
    path = folder / "result.json"
    path.write_text("\n".join(run if isinstance(run, str) else json.dumps(run, indent=indent) for run in runs))
    return path


def test_a_summary(tmp_path: Path) -> None:
    (run,) = vllm_bench.read(written(tmp_path, SUMMARY))
    assert (run.model, run.load.rate_per_s, run.load.concurrency) == ("an/8b", math.inf, 2)
    assert (run.requests, run.failed, run.duration_s) == (3, 1, 4.5)
    assert (run.prompt.total, run.output.total) == (30, 5)
    told = {name: dict(latency.figures_s) for name, latency in run.latencies.items()}
    assert told == {"ttft": {"mean": 0.125}, "tpot": {"p99": 0.02}, "itl": {"std": 0.0015}, "e2e": {"mean": 0.19}}
    assert run.columns is None


def test_even_spacing_is_an_infinite_burstiness(tmp_path: Path) -> None:
    """As `--burstiness inf` is written: the bare word that JSON has not, but Python's writer."""
    path = written(tmp_path, {**SUMMARY, "request_rate": 8.0, "burstiness": math.inf, "max_concurrency": None})
    assert '"burstiness": Infinity' in path.read_text()
    (run,) = vllm_bench.read(path)
    assert str(run.load) == "8/s evenly spaced"


def test_single_requests(tmp_path: Path) -> None:
    (run,) = vllm_bench.read(written(tmp_path, {**SUMMARY, **DETAIL}, indent=2))
    detail = run.columns
    assert detail is not None
    assert detail.sent_at_s is not None
    assert detail.gaps_s is not None
    assert detail.sent_at_s.tolist() == [0, 0.5, 2.75]
    assert detail.prompt_tokens.tolist() == [10, 20, 7]
    assert detail.failed.tolist() == [False, False, True]
    assert detail.ttft_s[:2].tolist() == [0.1, 0.15]
    assert detail.e2e_s[:2] == pytest.approx([0.12, 0.19], rel=1e-15)
    assert np.isnan([detail.ttft_s[2], detail.e2e_s[2]]).all()
    assert [gaps.tolist() for gaps in detail.gaps_s] == [[0.02], [0.03, 0.01], []]


def test_several_runs_appended_to_one_file(tmp_path: Path) -> None:
    later = {**SUMMARY, "request_rate": 4.0, "max_concurrency": None}
    runs = vllm_bench.read(written(tmp_path, SUMMARY, later, ""))
    assert [(run.load.rate_per_s, run.load.concurrency) for run in runs] == [(math.inf, 2), (4.0, None)]


def lacking(key: str) -> dict[str, object]:
    return {name: value for name, value in {**SUMMARY, **DETAIL}.items() if name != key}


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (lacking("duration"), ":1:1: duration: expected a number, 0 or more; the key is missing"),
        (lacking("input_lens"), ":1:1: input_lens: expected a list of the prompts' tokens; the key is missing"),
        (lacking("itls"), ":1:1: itls: expected a list of 3 lists of seconds; the key is missing"),
        ({**SUMMARY, "completed": 2.5}, ": completed: expected a whole number, 0 or more, got '2.5'"),
        ({**SUMMARY, "duration": -1}, ": duration: expected a number, 0 or more, got '-1'"),
        ({**SUMMARY, "duration": math.nan}, ": duration: expected a number, 0 or more, got 'NaN'"),
        ({**SUMMARY, "mean_ttft_ms": "fast"}, ": mean_ttft_ms: expected a number, 0 or more"),
        ({**SUMMARY, **DETAIL, "ttfts": [0.1]}, ": ttfts: expected a list of 3 numbers, 0 or more, got '[0.1]'"),
        ({**SUMMARY, **DETAIL, "output_lens": [1, 2, 2.5]}, ": output_lens: expected a list of 3 whole numbers"),
        ({**SUMMARY, **DETAIL, "itls": [[0.1], [None], []]}, ": itls: expected a list of 3 lists of seconds, 0 or"),
        ("[1]", ":1:1: expected the JSON that"),
        ('{"a": 1', ":1:8: expected the JSON that"),
        ("[" * 100_000, ":1:1: expected the JSON that"),
        ("", ": expected the JSON that"),
    ],
)
def test_broken_files(tmp_path: Path, run: object, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        vllm_bench.read(written(tmp_path, run))
    assert says in str(caught.value)
    assert len(str(caught.value)) < 500


def test_the_place_of_a_wrong_value_in_an_indented_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        vllm_bench.read(written(tmp_path, {**SUMMARY, "duration": "long"}, indent=2))
    assert (caught.value.line, caught.value.column) == (9, 3)
    assert str(caught.value).endswith('       9 |   "duration": "long",\n         |   ^^^^^^^^^^')
