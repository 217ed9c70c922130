from pathlib import Path

import pytest

from infermodel.formats import burstgpt
from infermodel.formats.text import FormatError

OLD = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,ChatGPT,0,0,0,Conversation log
118,GPT-4,417,276,693,API log
"""
NEW = """Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
5.25,a-1,3.5,ChatGPT,472,18,490,Conversation log
118,,2,GPT-4,417,276,693,API log
"""


def test_failures_are_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "burst.csv"
    path.write_text(OLD)
    trace = burstgpt.read(path)
    assert trace.arrived_at_s.tolist() == [5, 118]
    assert trace.prompt_tokens.tolist() == [472, 417]
    assert trace.output_tokens.tolist() == [18, 276]
    assert trace.notes == ("burst.csv: 1 failed requests (0 response tokens) left out",)


def test_the_later_release_with_more_columns(tmp_path: Path) -> None:
    path = tmp_path / "burst.csv"
    path.write_text(NEW)
    trace = burstgpt.read(path)
    assert trace.arrived_at_s.tolist() == [5.25, 118]
    assert trace.notes == ()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (OLD.replace("45,", "-45,"), "burst.csv:3:1: Timestamp: expected a time in seconds, 0 or later, got '-45'"),
        (OLD.replace("45,", "nan,"), "burst.csv:3:1: Timestamp: expected a time in seconds, 0 or later, got 'nan'"),
        (OLD.replace("276", ""), "burst.csv:4:15: Response tokens: expected a whole number of tokens"),
        (OLD.replace("Request tokens", "Prompt tokens"), "missing: Request tokens"),
        ("\n".join(OLD.splitlines()[:3:2]), "expected at least one request"),
    ],
)
def test_broken_files(tmp_path: Path, broken: str, says: str) -> None:
    path = tmp_path / "burst.csv"
    path.write_text(broken)
    with pytest.raises(FormatError) as caught:
        burstgpt.read(path)
    assert says in str(caught.value)


def test_sessions_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "burst.csv"
    path.write_text("Timestamp,Session ID,Request tokens,Response tokens\n1,a,5,5\n2,a,5,5\n3,b,5,5\n")
    told = "burst.csv: 2 sessions; prompts are shorter than the text before them, and played as texts of their own"
    assert burstgpt.read(path).notes == (told,)
    path.write_text("Timestamp,Session ID,Request tokens,Response tokens\n1,a,40,8\n2,a,60,5\n3,b,5,5\n")
    log = burstgpt.read(path)
    assert log.notes == ("burst.csv: 2 sessions; 1 turns begin with the text before them, and come at their times",)
    assert log.hash_ids == ((0, 1, 2), (0, 1, 2, 3), ())  # 48, 65 and 10 tokens in blocks of 16
