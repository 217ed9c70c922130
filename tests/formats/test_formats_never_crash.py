"""Whatever bytes a file holds, a reader returns columns that a simulation can take, or a FormatError."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infermodel.formats import azure, burstgpt, mooncake, requests_csv, vllm_bench
from infermodel.formats.columns import TraceColumns
from infermodel.formats.text import FormatError

SAMPLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "azure": (azure.read, "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n"),
    "burstgpt": (
        burstgpt.read,
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,API log\n",
    ),
    "mooncake": (mooncake.read, '{"timestamp": 0, "input_length": 512, "output_length": 5, "hash_ids": [0]}\n'),
    "requests": (requests_csv.read, "arrived_at_s,prompt_tokens,output_tokens,priority\n0.5,10,2,1\n"),
    "vllm_bench": (
        vllm_bench.read,
        '{"model_id": "m", "num_prompts": 1, "duration": 2.0, "completed": 1, "total_input_tokens": 5,'
        ' "total_output_tokens": 2, "input_lens": [5], "output_lens": [2], "ttfts": [0.1], "itls": [[0.1]]}',
    ),
}
ODD = st.sampled_from([b"", b",", b'"', b"\n", b"\r", b"-", b"nan", b"1e999", b"\xff", b"\x00", b"{", b"]", b"9" * 400])


def check(reader: Callable[[Path], object], content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(content)
        said = ""
        columns = None
        try:
            columns = reader(path)
        except FormatError as error:
            said = str(error)
        assert columns is not None or said.startswith(str(path))
    if isinstance(columns, TraceColumns):
        assert len(columns) >= 1
        assert (np.diff(columns.arrived_at_s) >= 0).all()
        assert columns.arrived_at_s[0] >= 0
        assert columns.prompt_tokens.min() >= 1
        assert columns.output_tokens.min() >= 1


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=150, deadline=None)
@given(where=st.floats(0, 1), cut=st.integers(0, 12), instead=ODD | st.binary(max_size=6), rows=st.integers(1, 3))
def test_a_log_with_something_replaced(name: str, where: float, cut: int, instead: bytes, rows: int) -> None:
    reader, sample = SAMPLES[name]
    first, _, rest = sample.partition("\n")
    whole = (first + "\n" + rest * rows).encode()
    at = int(where * len(whole))
    check(reader, whole[:at] + instead + whole[at + cut :])


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_file_of_anything(name: str, content: bytes) -> None:
    check(SAMPLES[name][0], content)
