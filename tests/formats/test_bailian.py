import json
from pathlib import Path

import pytest

from infermodel.formats import bailian, mooncake
from infermodel.formats.text import FormatError

FIRST = {"chat_id": 7, "parent_chat_id": -1, "timestamp": 61.114, "input_length": 40, "output_length": 132,
         "type": "text", "turn": 1, "hash_ids": [1, 2, 3]}  # fmt: skip
SECOND = {**FIRST, "chat_id": 8, "parent_chat_id": 7, "timestamp": 62.5, "turn": 2}


def written(folder: Path, *lines: dict[str, object]) -> Path:
    path = folder / "trace.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_seconds_and_blocks_of_16(tmp_path: Path) -> None:
    trace = bailian.read(written(tmp_path, FIRST, SECOND))
    assert trace.arrived_at_s.tolist() == [61.114, 62.5]
    assert trace.hash_block_tokens == 16  # 40 tokens are two whole blocks and a half
    assert trace.notes == ("trace.jsonl: 1 requests follow another of their chat; played at the times they came",)


def test_a_chat_is_no_mooncake_trace(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"has parent_chat_id.*seconds.*`format: bailian` reads seconds"):
        mooncake.read(written(tmp_path, FIRST, SECOND))


def test_seconds_without_chats_are_told_by_their_rate(tmp_path: Path) -> None:
    lines = [{"timestamp": i / 10, "input_length": 40, "output_length": 1} for i in range(100)]
    with pytest.raises(FormatError, match="as milliseconds they are 10,101 requests a second"):  # 100 in 9.9 ms
        mooncake.read(written(tmp_path, *lines))
    slow = [{**line, "timestamp": 100.5 * i} for i, line in enumerate(lines)]
    assert len(mooncake.read(written(tmp_path, *slow))) == 100


def test_another_size_of_blocks_is_proved_by_their_number(tmp_path: Path) -> None:
    lines = [{"timestamp": i, "input_length": 640, "output_length": 1, "hash_ids": [*range(10)]} for i in range(20)]
    trace = mooncake.read(written(tmp_path, *lines))
    assert trace.hash_block_tokens == 64  # ten for 640 tokens
    assert trace.notes == ("trace.jsonl: hash_ids have one id for each 64 tokens, by their number",)


def test_a_delay_needs_an_answer_to_follow(tmp_path: Path) -> None:
    turn = {"session_id": "a", "delay": 500, "input_length": 40, "output_length": 1}
    with pytest.raises(FormatError, match="2:21: has a delay and no timestamp, and no line above it of the same"):
        mooncake.read(written(tmp_path, {**turn, "timestamp": 0, "session_id": "b"}, turn))


def test_a_grid_of_times_and_sessions_are_noted(tmp_path: Path) -> None:
    # Three requests every 3,000 ms.
    lines = [
        {"timestamp": 3000 * (i // 3), "input_length": 40, "output_length": 1, "session_id": i % 7} for i in range(60)
    ]
    assert mooncake.read(written(tmp_path, *lines)).notes == (
        "trace.jsonl: 7 sessions; turns are played at the times they came",
        "trace.jsonl: times lie on a grid of 3 s, 3.0 requests at once on average",
    )
