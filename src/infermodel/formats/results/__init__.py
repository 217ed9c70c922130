"""Results of load generators: a module a tool, one shape for all of them, and what a file or a folder holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infermodel.formats.results import (
    aiperf,
    evalscope,
    genai_perf,
    guidellm,
    inference_perf,
    llmperf,
    sglang_bench,
    vllm_bench,
)
from infermodel.formats.results.documents import bare_name, values, whole_text
from infermodel.formats.results.measured import Field, Measured
from infermodel.formats.text import FormatError, read_lines

ENDINGS = (".json", ".jsonl", ".csv")
"""Of names of files that can be results, `.gz` aside."""

PYTORCH = ".pytorch.json"


def _never(first_line: str) -> bool:
    return False


@dataclass(frozen=True)
class ResultFormat:
    """A tool's results.

    Attributes:
        recognises: whether the first JSON value of a file is one of them.
        read: the runs of a file, with what its neighbours tell of them.
        fields: what it writes of latencies.
        recognises_csv: whether a CSV file starts as one of them.
    """

    recognises: Callable[[Any], bool]
    read: Callable[[Path], tuple[Measured, ...]]
    fields: tuple[Field, ...]
    recognises_csv: Callable[[str], bool] = _never


RESULTS: Mapping[str, ResultFormat] = {
    vllm_bench.TOOL: ResultFormat(vllm_bench.recognises, vllm_bench.read, vllm_bench.FIELDS),
    sglang_bench.TOOL: ResultFormat(sglang_bench.recognises, sglang_bench.read, sglang_bench.FIELDS),
    guidellm.TOOL: ResultFormat(guidellm.recognises, guidellm.read, guidellm.FIELDS, guidellm.recognises_csv),
    aiperf.TOOL: ResultFormat(aiperf.recognises, aiperf.read, aiperf.FIELDS, aiperf.recognises_csv),
    inference_perf.TOOL: ResultFormat(inference_perf.recognises, inference_perf.read, inference_perf.FIELDS),
    evalscope.TOOL: ResultFormat(evalscope.recognises, evalscope.read, evalscope.FIELDS),
    genai_perf.TOOL: ResultFormat(genai_perf.recognises, genai_perf.read, genai_perf.FIELDS, genai_perf.recognises_csv),
    llmperf.TOOL: ResultFormat(llmperf.recognises, llmperf.read, llmperf.FIELDS),
}
"""Tools by name."""

NO_RESULT = f"is no result of a tool that is known here: {', '.join(RESULTS)}"


def tool_of(path: Path) -> str:
    """The tool that wrote a file, by its content; empty if none that is known.

    Raises:
        FormatError: it cannot be read, or is JSON that breaks off before it shows what it is.
    """
    name = bare_name(path)
    if name.endswith(".yaml"):
        return inference_perf.TOOL if _is_its_config(path) else ""
    first = next(read_lines(path, 1_000_000_000), "")
    for tool, each in RESULTS.items():
        if each.recognises_csv(first):
            return tool
    if not first.lstrip().startswith(("{", "[")):
        return ""
    _, value = next(values(path, whole_text(path), "JSON"))
    return next((tool for tool, each in RESULTS.items() if each.recognises(value)), "")


def _is_its_config(path: Path) -> bool:
    """Whether a YAML file is the configuration that inference-perf saves beside its reports."""
    keys = {line.split(":")[0] for line in read_lines(path) if line and not line.startswith((" ", "#", "-"))}
    return {"api", "data", "load", "report", "server"} <= keys


def read(path: Path) -> tuple[Measured, ...]:
    """The runs that a file tells of, whatever tool wrote it.

    Raises:
        FormatError: it is no result that is known here, or broken; with line and column.
    """
    if bare_name(path).endswith(PYTORCH):
        raise FormatError(
            path, f"repeats the result of the same name without {PYTORCH.removesuffix('.json')}; name that"
        )
    tool = tool_of(path)
    if not tool:
        raise FormatError(path, NO_RESULT)
    return RESULTS[tool].read(path)


@dataclass(frozen=True)
class Folder:
    """What a folder holds.

    Attributes:
        runs: in order of file names, each once, however many files tell of it.
        passed_over: files that tell of none, each with the reason.
    """

    runs: tuple[Measured, ...]
    passed_over: tuple[tuple[Path, str], ...]


def read_folder(folder: Path) -> Folder:
    """The runs of a folder of any mix of tools, folders within it included.

    Raises:
        FormatError: a file is a result that is broken.
        FileNotFoundError: there is no file that could be one.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and bare_name(path).endswith(ENDINGS))
    if not paths:
        raise FileNotFoundError(f"no results in {folder}: no JSON, JSON lines or CSV files")
    runs: list[Measured] = []
    passed: list[tuple[Path, str]] = []
    told: set[Path] = set()
    for path in paths:
        if path in told:
            continue
        if bare_name(path).endswith(PYTORCH):
            passed.append((path, "repeats the result beside it"))
        elif not (tool := tool_of(path)):
            passed.append((path, NO_RESULT))
        else:
            found = RESULTS[tool].read(path)
            runs += found
            told |= {file for run in found for file in run.files}
    return Folder(tuple(runs), tuple(passed))
