"""Logs as people bring them, each with a mistake that people make, and what they are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from infermodel.cli import infermodel

HEAD = "created_at,prompt_tokens,completion_tokens\n"
AT = "2026-01-01T10:00:00Z"

REFUSED: dict[str, tuple[str, str]] = {
    "semicolons, as a spreadsheet of some countries writes them": (
        "created_at;prompt_tokens;completion_tokens\n" + f"{AT};100;20\n",
        "log.csv: columns stand apart by ';': write it with commas",
    ),
    "no line with names": (
        f"{AT},100,20\n{AT},100,20\n",
        f"log.csv: its first line holds values ({AT}, 100, 20), no names: write a line with names before it",
    ),
    "one JSON array": (
        '[{"created_at": "' + AT + '", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}]',
        "log.csv: is one JSON array: write one object a line (jq -c '.[]')",
    ),
    "nothing": ("", "log.csv: is empty: expected a line with names of columns, and one for each request"),
    "a misspelt column": (
        f"created_at,promt_tokens,completion_tokens\n{AT},100,20\n",
        "no column with a usual name for prompt; name it with `columns` (perhaps 'promt_tokens'). There are:",
    ),
    "only the sum of tokens": (
        f"created_at,total_tokens\n{AT},120\n",
        "no column with a usual name for prompt; name it with `columns`",
    ),
    "zones on some times": (
        f"{HEAD}{AT},100,20\n2026-01-01T10:00:01,100,20\n",
        "created_at: 1 of 2 times have no zone and the others have one",
    ),
    "a time without its unit": (
        "time,prompt_tokens,completion_tokens\n1.5,100,20\n2.5,100,20\n",
        "time: numbers from 1.5 to 2.5, and nothing says whether these are seconds or milliseconds; "
        "say so by unit: s or --unit s",
    ),
    "months before days": (
        f"{HEAD}01/13/2026 10:00:00,100,20\n",
        "created_at: expected a time such as 2026-03-01T12:00:00.5+01:00 or a number, got '01/13/2026 10:00:00'",
    ),
    "thousands set apart": (
        f'{HEAD}{AT},"1,200",20\n',
        "log.csv:2:23: prompt_tokens: expected a whole number of tokens, 0 to 1,000,000,000, got '1,200'",
    ),
    "a word where a number is missing": (
        f"{HEAD}{AT},n/a,20\n",
        "log.csv:2:22: prompt_tokens: expected a whole number of tokens, 0 to 1,000,000,000, got 'n/a'",
    ),
    "a cell that is missing": (
        f"{HEAD}{AT},100\n",
        "log.csv:2:1: expected 3 columns (created_at, prompt_tokens, completion_tokens), got 2",
    ),
    "a line that was cut off": (
        '{"created_at": "' + AT + '", "prompt_tokens": 3, "completion_tokens": 4}\n{"created_at": "2026-01-0',
        "log.csv:2:1: expected one JSON object a line: Unterminated string",
    ),
}

TOLD: dict[str, tuple[str, str]] = {
    "batches written every three seconds": (
        HEAD + "".join(f"2026-01-01T10:00:{3 * (i // 10):02d}Z,{100 + i},20\n" for i in range(200)),
        "note: times lie on a grid of 3 s, 10.0 requests at once on average",
    ),
    "failed requests as answers of nothing": (
        HEAD + "".join(f"2026-01-01T10:00:{i:02d}Z,100,{20 * (i % 2)}\n" for i in range(60)),
        "note: 30 requests of 0 output tokens count as 1",
    ),
    "rows written twice": (
        HEAD + "".join(f"2026-01-01T10:00:{i // 2:02d}Z,{100 + i // 2},20\n" for i in range(60)),
        "warning: 30 requests are like the one before them in time and lengths: written twice?",
    ),
    "the time of the export for every request": (
        HEAD + "".join(f"{AT},{100 + i},20\n" for i in range(60)),
        "warning: all requests come at one time",
    ),
}


def called(folder: Path, text: str) -> tuple[int, str]:
    (folder / "log.csv").write_text(text)
    found = CliRunner().invoke(infermodel, ["import", str(folder / "log.csv")])
    return found.exit_code, found.output


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_log_that_cannot_be_read_is_refused_with_what_to_do(tmp_path: Path, mistake: str) -> None:
    text, says = REFUSED[mistake]
    status, said = called(tmp_path, text)
    assert status == 2
    assert says in said


@pytest.mark.parametrize("mistake", TOLD)
def test_a_log_that_can_be_read_is_told_what_is_odd(tmp_path: Path, mistake: str) -> None:
    text, says = TOLD[mistake]
    status, said = called(tmp_path, text)
    assert status == 0
    assert says in said


def test_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes((HEAD + f"{AT},100,20\n").encode("utf-16"))
    found = CliRunner().invoke(infermodel, ["import", str(tmp_path / "log.csv")])
    assert (found.exit_code, "log.csv:1:1: expected UTF-8 text, found byte 0xff" in found.output) == (2, True)
