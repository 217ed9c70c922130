"""Logs of a user's own, and the mistakes that people make in them, each with its message."""

import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from infermodel.formats import own_log
from infermodel.formats.own_log import Names
from infermodel.formats.text import FormatError

GATEWAY = Names("created_at", "usage.prompt_tokens", "usage.completion_tokens")
TABLE = Names("time", "prompt_tokens", "output_tokens")


def lines(path: Path, *times: object, **more: object) -> Path:
    """A gateway's log: JSON lines with a `usage` object."""
    usage = {"prompt_tokens": 100, "completion_tokens": 20}
    path.write_text("".join(json.dumps({"created_at": at, "usage": usage, **more}) + "\n" for at in times))
    return path


def table(path: Path, *times: str, head: str = "time,prompt_tokens,output_tokens", tail: str = "100,20") -> Path:
    path.write_text("\n".join([head, *(f"{at},{tail}" for at in times)]) + "\n")
    return path


@pytest.mark.parametrize(
    ("times", "since"),
    [
        (["2026-03-01T12:00:00Z", "2026-03-01T13:00:02.5+01:00"], [0, 2.5]),  # 13:00 in Berlin is 12:00 UTC
        (["2026-03-01T12:00:00.250", "2026-03-01T12:00:01"], [0, 0.75]),
        ([1_772_366_400, 1_772_366_402.5], [0, 2.5]),
        ([1_772_366_400_000, 1_772_366_402_500], [0, 2.5]),
        ([1_772_366_400_000_000, 1_772_366_402_500_000], [0, 2.5]),
        (["1772366400", "1772366402.5"], [0, 2.5]),
        (["2026-03-01T12:00:02Z", "2026-03-01T12:00:00Z"], [0, 2]),  # written when answers ended
    ],
)
def test_times_of_every_kind(times: list[object], since: list[float], tmp_path: Path) -> None:
    log = own_log.read(lines(tmp_path / "log.jsonl", *times), GATEWAY)
    assert log.arrived_at_s.tolist() == since
    assert (log.prompt_tokens.tolist(), log.output_tokens.tolist()) == ([100, 100], [20, 20])


def test_units_that_the_name_or_the_user_says(tmp_path: Path) -> None:
    path = table(tmp_path / "log.csv", "500", "1500", head="arrival_ms,prompt_tokens,output_tokens")
    assert own_log.read(path, Names("arrival_ms", "prompt_tokens", "output_tokens")).arrived_at_s.tolist() == [0, 1]
    said = Names("time", "prompt_tokens", "output_tokens", unit="ms")
    assert own_log.read(table(path, "500", "1500"), said).arrived_at_s.tolist() == [0, 1]


def test_the_columns_that_logs_use_are_found(tmp_path: Path) -> None:
    path = lines(tmp_path / "log.jsonl", 1_772_366_400, model="m", conversation_id="c")
    assert own_log.guess(path) == Names(
        "created_at", "usage.prompt_tokens", "usage.completion_tokens", "conversation_id"
    )


def test_parquet(tmp_path: Path) -> None:
    usage = [{"prompt_tokens": 100, "completion_tokens": 20}] * 2
    frame = pyarrow.table({"created_at": ["2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z"], "usage": usage})
    parquet.write_table(frame, tmp_path / "log.parquet")
    log = own_log.read(tmp_path / "log.parquet", own_log.guess(tmp_path / "log.parquet"))
    assert log.arrived_at_s.tolist() == [0, 1]
    assert log.output_tokens.tolist() == [20, 20]
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(FormatError, match=r"broken\.parquet: expected Parquet"):
        own_log.columns(tmp_path / "broken.parquet")


def test_oddities_are_noted(tmp_path: Path) -> None:
    batches = [f"2026-03-01T12:{i // 60:02}:{i % 60:02}" for i in range(0, 90, 3) for _ in range(4)]
    log = own_log.read(table(tmp_path / "log.csv", *batches, tail="100,0"), TABLE)
    assert log.notes == (
        "log.csv: time has no zone; taken as it stands",
        "log.csv: times lie on a grid of 3 s, 4.0 requests at once on average",
        "log.csv: 120 requests of 0 output tokens count as 1",
    )


def used(prompt: object, completion: object) -> dict[str, object]:
    return {"usage": {"prompt_tokens": prompt, "completion_tokens": completion}}


def named(arrived: str, prompt: str = GATEWAY.prompt) -> Names:
    return Names(arrived, prompt, GATEWAY.output)


WHOLE = "expected a whole number of tokens"
MISTAKES: dict[str, tuple[object, dict[str, object], Names, str]] = {
    "a misspelt column": (0, {}, named("create_at"), "did you mean 'created_at'?"),
    "a column without its object": (0, {}, named("created_at", "prompt_tokens"), "did you mean 'usage.prompt_tokens'?"),
    "a column that is nowhere": (0, {}, named("when"), "no column 'when'; there are created_at, usage."),
    "no unit": (12.5, {}, GATEWAY, "from 12.5 to 12.5, and nothing says whether these are seconds or milliseconds"),
    "a time that is none": ("yesterday", {}, GATEWAY, "expected a time such as 2026-03-01T12:00:00.5+01:00"),
    "no time at all": (None, {}, GATEWAY, "got 'None' in request 1"),
    "tokens that are text": (1e9, used("many", 1), GATEWAY, f"usage.prompt_tokens: {WHOLE}, 0 to 1,000,000,000, got"),
    "no usage": (1e9, used(5, None), GATEWAY, "log.jsonl:1: usage.completion_tokens: expected"),
    "half a token": (1e9, used(1.5, 1), GATEWAY, WHOLE),
    "a negative count": (1e9, used(-1, 1), GATEWAY, WHOLE),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_get_their_message(mistake: str, tmp_path: Path) -> None:
    at, more, names, says = MISTAKES[mistake]
    with pytest.raises(FormatError) as caught:
        own_log.read(lines(tmp_path / "log.jsonl", at, **more), names)
    assert says in str(caught.value)


def test_zones_on_some_times(tmp_path: Path) -> None:
    path = lines(tmp_path / "log.jsonl", "2026-03-01T12:00:00Z", "2026-03-01T12:00:01")
    with pytest.raises(FormatError, match="1 of 2 times have no zone and the others have one"):
        own_log.read(path, GATEWAY)


def test_an_empty_cell_of_a_table_has_its_place(tmp_path: Path) -> None:
    path = table(tmp_path / "log.csv", "2026-03-01T12:00:00", tail="100,")
    with pytest.raises(FormatError, match=rf"log\.csv:2:25: output_tokens: {WHOLE}.*got nothing"):
        own_log.read(path, TABLE)


def test_no_usual_name_lists_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no column with a usual name for arrived; .*There are: a, b"):
        own_log.guess(table(tmp_path / "log.csv", head="a,b"))


def test_failed_requests_have_no_usage_and_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    good = {"created_at": 1_772_366_400, "usage": {"prompt_tokens": 100, "completion_tokens": 20}}
    path.write_text(json.dumps({"created_at": 1_772_366_399, "error": "timeout"}) + "\n" + json.dumps(good) + "\n")
    log = own_log.read(path, own_log.guess(path))  # the first line has no usage, and none of its columns
    assert len(log) == 1
    assert "log.jsonl: 1 requests without tokens, as failed ones are, left out" in log.notes


def test_caches_and_keys_are_noted(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 25}}
    path = lines(tmp_path / "log.jsonl", 1_772_366_400, 1_772_366_401, usage=usage, team_id="a")
    names = own_log.guess(path)
    assert (names.cached, names.key) == ("usage.prompt_tokens_details.cached_tokens", "team_id")
    notes = own_log.read(path, names).notes
    assert "log.jsonl: 25.0 % of prompt tokens were cached there, and need not be computed here" in notes
    assert "log.jsonl: 1 keys; where a service has `rate_limits`, they are its tenants'" in notes
    log = own_log.read(path, names)
    assert log.cached_tokens is not None
    assert log.cached_tokens.tolist() == [25, 25]
    assert log.keys == ("a", "a")


def test_what_anthropic_reads_from_its_cache_is_no_part_of_its_input(tmp_path: Path) -> None:
    usage = {"input_tokens": 40, "cache_read_input_tokens": 60, "output_tokens": 20}
    path = lines(tmp_path / "log.jsonl", 1_772_366_400, 1_772_366_401, usage=usage)
    log = own_log.read(path, own_log.guess(path))
    assert log.prompt_tokens.tolist() == [100, 100]
    assert log.cached_tokens is not None
    assert log.cached_tokens.tolist() == [60, 60]
    assert (
        "log.jsonl: usage.input_tokens leaves out what usage.cache_read_input_tokens counts; prompts are their sum"
        in log.notes
    )


def test_more_cached_than_there_is(tmp_path: Path) -> None:
    path = table(
        tmp_path / "log.csv",
        "2026-03-01T12:00:00",
        head="created_at,prompt_tokens,output_tokens,cached_tokens",
        tail="100,5,130",
    )
    log = own_log.read(path, own_log.guess(path))
    assert log.cached_tokens is not None
    assert log.cached_tokens.tolist() == [100]
    assert log.notes[1] == "log.csv: 1 requests had more cached than their prompt has, and have all of it"


def conversation(folder: Path, *prompts: int) -> own_log.TraceColumns:
    path = folder / "chat.jsonl"
    entries = [
        {"created_at": 1_772_366_400 + i, "prompt_tokens": prompt, "output_tokens": 20, "session_id": "a"}
        for i, prompt in enumerate(prompts)
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in [*entries, {**entries[0], "session_id": "b"}]))
    return own_log.read(path, own_log.guess(path))


def test_turns_begin_with_the_text_before_them(tmp_path: Path) -> None:
    log = conversation(tmp_path, 100, 150, 200)
    assert "chat.jsonl: 2 sessions; 2 turns begin with the text before them, and come at their times" in log.notes
    assert log.hash_ids is not None
    first, other, second, third = log.hash_ids  # by time
    assert [len(ids) for ids in (first, other, second, third)] == [120 // 16, 120 // 16, 170 // 16, 220 // 16]
    assert second[: len(first)] == first
    assert third[: len(second)] == second
    assert not {*other} & {*third}


def test_turns_too_short_for_the_text_before_them_are_their_own(tmp_path: Path) -> None:
    log = conversation(tmp_path, 100, 50, 60)
    assert log.hash_ids is None
    told = "chat.jsonl: 2 sessions; prompts are shorter than the text before them, and played as texts of their own"
    assert told in log.notes
