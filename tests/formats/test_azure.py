import gzip
import os
import runpy
from pathlib import Path

import pytest

from infermodel.formats import azure
from infermodel.formats.text import FormatError

SYNTHETIC = Path(__file__).parents[2] / "scenarios" / "traces" / "synthetic_conversation.csv"
HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "trace.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def complaint(folder: Path, text: str | bytes) -> str:
    with pytest.raises(FormatError) as caught:
        azure.read(written(folder, text))
    return str(caught.value).replace(f"{folder}{os.sep}", "")


@pytest.mark.parametrize(
    "stamps",
    [
        ("2023-11-16 18:15:46.6805900", "2023-11-16 18:15:50.9951690"),  # as in 2023
        ("2024-05-10 00:00:46.680590+00:00", "2024-05-10 00:00:50.995169+00:00"),  # as in 2024
        ("2024-05-10T00:00:46.680590Z", "2024-05-10T02:00:50.995169+02:00"),
    ],
)
def test_both_years_are_read(tmp_path: Path, stamps: tuple[str, str]) -> None:
    trace = azure.read(written(tmp_path, f"{HEADER}{stamps[0]},374,44\n{stamps[1]},396,109\n"))
    assert trace.arrived_at_s.tolist() == [0.0, 4.314579]
    assert trace.prompt_tokens.tolist() == [374, 396]
    assert trace.output_tokens.tolist() == [44, 109]
    assert trace.notes == ()


def test_columns_are_found_by_name_and_others_ignored(tmp_path: Path) -> None:
    text = "Model, GeneratedTokens ,TIMESTAMP,ContextTokens\nm,44,2023-11-16 18:15:46,374\n"
    trace = azure.read(written(tmp_path, text))
    assert (trace.prompt_tokens.tolist(), trace.output_tokens.tolist()) == ([374], [44])


@pytest.mark.parametrize(
    "packed",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.rstrip(b"\n"),
        lambda text: text + b"\n  \n\n",
        gzip.compress,
        lambda text: text.replace(b"374", b' "374" '.strip()),
        lambda text: text.replace(b",374", b", 374 "),
        lambda text: text.replace(b"374", b"374.0"),
    ],
    ids=["byte order mark", "CRLF", "no last line end", "blank lines", "gzip", "quotes", "spaces", "374.0"],
)
def test_the_same_log_in_other_clothes(tmp_path: Path, packed: type) -> None:
    text = f"{HEADER}2023-11-16 18:15:46,374,44\n2023-11-16 18:15:48,10,20\n".encode()
    trace = azure.read(written(tmp_path, packed(text)))
    assert trace.arrived_at_s.tolist() == [0, 2]
    assert trace.prompt_tokens.tolist() == [374, 10]


def test_rows_out_of_order_are_sorted_and_told(tmp_path: Path) -> None:
    text = f"{HEADER}2023-11-16 18:15:48,1,10\n2023-11-16 18:15:46,2,20\n2023-11-16 18:15:48,3,30\n"
    trace = azure.read(written(tmp_path, text))
    assert trace.arrived_at_s.tolist() == [0, 2, 2]
    assert trace.prompt_tokens.tolist() == [2, 1, 3]
    assert trace.notes == ("trace.csv: 1 rows arrive before the row above them; sorted by arrival",)


def test_requests_without_tokens_count_as_one_and_are_told(tmp_path: Path) -> None:
    trace = azure.read(written(tmp_path, f"{HEADER}2023-11-16 18:15:48,0,0\n2023-11-16 18:15:49,5,0\n"))
    assert (trace.prompt_tokens.tolist(), trace.output_tokens.tolist()) == ([1, 5], [1, 1])
    assert trace.notes == (
        "trace.csv: 1 requests of 0 prompt tokens count as 1",
        "trace.csv: 2 requests of 0 output tokens count as 1",
    )


def test_a_broken_cell_is_pointed_at(tmp_path: Path) -> None:
    good = "2023-11-16 18:15:46.6805900,374,44\n"
    assert complaint(tmp_path, f"{HEADER}{good}\n{good}2023-11-16 18:15:50.9951690,3x6,109\n{good}") == (
        "trace.csv:5:29: ContextTokens: expected a whole number of tokens, 0 to 1,000,000,000, got '3x6'\n"
        "       5 | 2023-11-16 18:15:50.9951690,3x6,109\n"
        "         |                             ^^^"
    )


@pytest.mark.parametrize(
    "cell", ["", "-5", "nan", "inf", "12.5", "1e10", "1_000", "twelve", "0x10", "\x00", "NaN", "9" * 5000]
)
def test_tokens_that_are_no_whole_number(tmp_path: Path, cell: str) -> None:
    said = complaint(tmp_path, f"{HEADER}2023-11-16 18:15:46,374,{cell}\n")
    assert said.startswith(
        "trace.csv:2:25: GeneratedTokens: expected a whole number of tokens, 0 to 1,000,000,000, got"
    )
    assert len(said) < 400


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "now",
        "NaT",
        "2023",
        "12345",
        "2023-13-16 18:15:46",
        "18:15:46",
        "16/11/2023 18:15:46",
        "2023-11-16 18:15:460",
    ],
)
def test_times_that_are_none(tmp_path: Path, cell: str) -> None:
    said = complaint(tmp_path, f"{HEADER}{cell},374,44\n")
    assert said.startswith(
        "trace.csv:2:1: TIMESTAMP: expected a date and time such as 2023-11-16 18:15:46.6805900, got"
    )


def test_lines_with_too_few_or_too_many_cells(tmp_path: Path) -> None:
    expected = "expected 3 columns (TIMESTAMP, ContextTokens, GeneratedTokens), got"
    good = "2023-11-16 18:15:46,1,2\n"
    assert complaint(tmp_path, f"{HEADER}{good}2023-11-16 18:15:46,374\n").startswith(f"trace.csv:3:1: {expected} 2")
    assert complaint(tmp_path, f"{HEADER}2023-11-16 18:15:46,374,5,6\n").startswith(f"trace.csv:2:1: {expected} 4")


def test_headers_without_the_columns(tmp_path: Path) -> None:
    expected = "trace.csv:1:1: expected the columns TIMESTAMP, ContextTokens, GeneratedTokens; "
    assert complaint(tmp_path, "TIMESTAMP,ContextTokens\n").startswith(expected + "missing: GeneratedTokens")
    assert complaint(tmp_path, "2023-11-16 18:15:46,374,44\n").startswith(
        expected + "missing: TIMESTAMP, ContextTokens"
    )
    twice = "TIMESTAMP,ContextTokens,ContextTokens,GeneratedTokens\n"
    assert complaint(tmp_path, twice).startswith(expected + "twice or not at all: ContextTokens")


def test_broken_quotes(tmp_path: Path) -> None:
    said = complaint(tmp_path, f'{HEADER}2023-11-16 18:15:46,"374,44\n2023-11-16 18:15:46",374,44\n')
    assert said.startswith("trace.csv:2:21: expected a quoted cell to end on its line")
    said = complaint(tmp_path, f'{HEADER}2023-11-16 18:15:46,"37"4,44\n')
    assert said.startswith("trace.csv:2:1: expected comma-separated cells: ")
    assert complaint(tmp_path, 'TIMESTAMP,"\n').startswith("trace.csv:1:11: expected a quoted cell")


def test_files_that_are_no_text(tmp_path: Path) -> None:
    assert complaint(tmp_path, b"\x89PNG\r\n\x1a\n").startswith("trace.csv:1:1: expected UTF-8 text, found byte 0x89")
    assert complaint(tmp_path, HEADER.encode("utf-16")).startswith(
        "trace.csv:1:1: expected UTF-8 text, found byte 0xff"
    )
    body = HEADER.encode() + b"2023-11-16 18:15:46,37\xff,1\n"
    assert complaint(tmp_path, body).startswith("trace.csv:2:23: expected UTF-8 text, found byte 0xff")


def test_damaged_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(f"{HEADER}2023-11-16 18:15:46,374,44\n".encode())
    assert "damaged gzip data" in complaint(tmp_path, whole[:-10])
    assert "damaged gzip data" in complaint(tmp_path, whole[:12] + b"\x00\x00\x00" + whole[15:])
    assert "damaged gzip data" in complaint(tmp_path, b"\x1f\x8bno")


def test_empty_files(tmp_path: Path) -> None:
    expected = "expected a first line with the columns TIMESTAMP, ContextTokens, GeneratedTokens; the file is empty"
    assert complaint(tmp_path, "") == f"trace.csv: {expected}"
    assert complaint(tmp_path, HEADER) == "trace.csv: expected at least one request below the first line, found none"


def test_a_folder_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read: Is a directory"):
        azure.read(tmp_path)
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        azure.read(tmp_path / "nowhere.csv")


def test_a_broken_line_deep_in_a_long_file_is_found(tmp_path: Path) -> None:
    good = "2023-11-16 18:15:46,374,44\n" * 70_000
    assert complaint(tmp_path, HEADER + good + "2023-11-16 18:15:46,374,no\n").startswith("trace.csv:70002:25:")
    assert len(azure.read(written(tmp_path, HEADER + good))) == 70_000


def test_the_committed_trace_is_what_its_script_makes() -> None:
    made = runpy.run_path(str(SYNTHETIC.with_name("make_synthetic_conversation.py")))["rows"]()
    assert SYNTHETIC.read_text().splitlines() == made
    trace = azure.read(SYNTHETIC)
    assert len(trace) == 500
    # Means of 500 draws within five standard errors of the laws' (1,150 at cv 0.95, 210 at cv 0.75).
    assert trace.prompt_tokens.mean() == pytest.approx(1150, abs=5 * 1150 * 0.95 / 500**0.5)
    assert trace.output_tokens.mean() == pytest.approx(210, abs=5 * 210 * 0.75 / 500**0.5)


@pytest.mark.skipif("INFERMODEL_TRACES" not in os.environ, reason="needs the Azure traces")
def test_the_real_hour_of_conversation() -> None:
    trace = azure.read(Path(os.environ["INFERMODEL_TRACES"]) / "AzureLLMInferenceTrace_conv_2023.csv")
    # 18:15:46.6805900 to 19:14:08.4025270, 19,366 rows; token means as the dataset's description rounds them.
    assert len(trace) == 19_366
    assert trace.arrived_at_s[-1] == pytest.approx(3501.721937, abs=1e-6)
    assert round(trace.prompt_tokens.mean()) == 1155
    assert round(trace.output_tokens.mean()) == 211
    assert trace.notes == ()


def test_images_of_2025_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "multimodal.csv"
    path.write_text(
        "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n2024-10-15 00:00:00,2,374,44\n2024-10-15 00:00:01,0,5,1\n"
    )
    trace = azure.read(path)
    assert trace.prompt_tokens.tolist() == [374, 5]
    assert trace.notes == ("multimodal.csv: the images of 1 requests are left out",)
