"""Measurements of real servers, one experiment a row, as a CSV file carries them."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path

from infermodel.errors import InputError
from infermodel.files import open_plain

METRICS = (
    "output_tok_s",
    "ttft_mean_ms",
    "ttft_p50_ms",
    "ttft_p90_ms",
    "ttft_p99_ms",
    "tpot_mean_ms",
    "tpot_p99_ms",
    "e2e_mean_ms",
    "e2e_p90_ms",
    "e2e_p99_ms",
)
"""What a row may have measured: columns `measured_<metric>`."""

LOADS = ("closed", "poisson", "trace", "offline", "single")


UNSAID = "unsaid"
"""Who drafts on a server of which that is not told."""


class RowError(InputError, ValueError):
    """A measurement file or row that cannot be read: says file, line and column.

    Attributes:
        line: of the row, from 1; 0 where the file as a whole is wrong.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Row:
    """One serving experiment on one replica. Numbers that the row leaves open are NaN, words are empty.

    Attributes:
        load: one of `LOADS`.
        requests_file: of a trace, relative to the folder `requests` beside the measurement file.
        burstiness: of the arrivals of an open load, the shape of the gamma law of their gaps: 1 for Poisson arrivals,
            infinite for even spacing.
        measured: metric name to figure, only those that the row has.
        attention_data_parallel: ranks of attention, `tensor_parallel` GPUs each; 0: as many as the GPUs make.
        draft: who drafts, as a scenario's `speculation` calls it; empty: nobody; `UNSAID` where notes say only that
            drafts are verified.
        acceptance: of each draft of a round in order; empty where only notes tell of drafts.
    """

    id: str
    source_set: str
    gpu: str
    gpus: int
    tensor_parallel: int
    pipeline_parallel: int
    expert_parallel: int
    engine: str
    engine_version: str
    weights_precision: str
    kv_precision: str
    model: str
    load: str
    concurrency: float
    request_rate_per_s: float
    requests: float
    prompt_tokens: float
    output_tokens: float
    length_spread: str
    requests_file: str
    prefix_caching: bool
    distinct_prompts: float
    max_batched_tokens: float
    max_sequences: float
    memory_utilisation: float
    measured: Mapping[str, float]
    burstiness: float = 1.0
    attention_data_parallel: int = 0
    draft: str = ""
    acceptance: tuple[float, ...] = ()

    @property
    def group(self) -> tuple[str, str, str, str]:
        """Source set, GPU, engine and model: what the scores are averaged over."""
        return (self.source_set, self.gpu, self.engine, self.model)

    @property
    def server(self) -> tuple[object, ...]:
        """What rows of one server have in common, whatever its load."""
        return (
            *self.group,
            self.engine_version,
            self.tensor_parallel,
            self.pipeline_parallel,
            self.expert_parallel,
            self.attention_data_parallel,
            self.weights_precision,
            self.kv_precision,
        )

    def drafting(self, draft: str, acceptance: tuple[float, ...]) -> Row:
        """The row with what it leaves unsaid of drafts: who makes them (empty: nobody knows), and how often right."""
        by = draft if draft and self.draft in ("", UNSAID) else self.draft
        return replace(self, draft=by, acceptance=self.acceptance or acceptance) if by else self

    @property
    def configuration(self) -> tuple[object, ...]:
        """Everything but the load: rows of one configuration differ in how hard it is driven."""
        return (*self.server, self.prompt_tokens, self.output_tokens, self.prefix_caching)


LARGEST_BYTES = 50_000_000
"""Of a measurement file: a hundred thousand rows."""

NEEDED = frozenset({"id", "gpu", "engine", "model", "load", "weights_precision", "prompt_tokens", "output_tokens"})
"""Columns of experiments in one pool."""


@dataclass(frozen=True)
class Cells:
    """A line of a table of experiments."""

    path: Path
    line: int
    values: Mapping[str, str | None]

    def word(self, column: str, otherwise: str = "") -> str:
        """What a cell holds, without space around it; `otherwise` where it is empty."""
        return (self.values.get(column) or otherwise).strip()

    def number(self, column: str, otherwise: float = math.nan) -> float:
        """The number of a cell; `otherwise` where it is empty.

        Raises:
            RowError: it holds something else.
        """
        text = self.word(column)
        try:
            return float(text) if text else otherwise
        except ValueError:
            raise self.wrong(f"{column}: {text!r} is no number") from None

    def whole(self, column: str, least: int = 1) -> int:
        """The count of a cell, from `least` on; `least` where it is empty.

        Raises:
            RowError: it holds something else.
        """
        value = self.number(column, float(least))
        if not value.is_integer() or value < least:
            raise self.wrong(f"{column}: {value:g} is no count")
        return int(value)

    def wrong(self, what: str) -> RowError:
        """The error of this line."""
        return RowError(f"{self.path}:{self.line}: {what}", self.line)


def read_rows(path: Path) -> tuple[Row, ...]:
    """All experiments of a measurement file.

    Raises:
        RowError: see `read_cells`; a cell does not hold what its column needs.
    """
    return tuple(map(_row, read_cells(path, NEEDED)))


def read_cells(path: Path, needed: Collection[str]) -> Iterator[Cells]:
    """The lines of a table of experiments.

    Args:
        needed: columns that it must have.

    Raises:
        RowError: the file cannot be read, or a column is missing.
    """
    try:
        with TextIOWrapper(open_plain(path), encoding="utf-8", newline="") as file:
            if path.stat().st_size > LARGEST_BYTES:
                raise RowError(f"{path}: is larger than {LARGEST_BYTES // 1_000_000} MB: no table of experiments")
            reader = csv.DictReader(file)
            missing = sorted(set(needed) - set(reader.fieldnames or ()))
            if missing:
                raise RowError(f"{path}: no column {', '.join(missing)}")
            for values in reader:
                yield Cells(path, reader.line_num, values)
    except UnicodeDecodeError as error:
        raise RowError(f"{path}: is not UTF-8 text: byte 0x{error.object[error.start]:02x}") from None
    except csv.Error as error:
        raise RowError(f"{path}: is no comma-separated table: {error}") from None
    except OSError as error:
        raise RowError(f"{path}: {error.strerror or error}") from None


def drafts_in(notes: str) -> str:
    """Who drafts by what a row's notes say, `UNSAID` where they do not say who; empty: nobody.

    >>> drafts_in("speculative decoding: mtp; an image"), drafts_in("Speculative decoding"), drafts_in("an image")
    ('mtp', 'unsaid', '')
    >>> drafts_in("speculative decoding; ShareGPT :: --speculative-algorithm eagle3 --speculative-num-steps 4")
    'eagle3'
    """
    said = notes.lower()
    if "speculative decoding" not in said:
        return ""
    found = re.search(r"(?:speculative decoding:|--speculative-algorithm) (mtp|eagle3|ngram)\b", said)
    return found[1] if found else UNSAID


def drafted(tokens: int, acceptance: str) -> tuple[float, ...]:
    """Acceptances of each draft of a round.

    Args:
        tokens: drafted.
        acceptance: a share for each, or one for all, apart by semicolons.

    Raises:
        ValueError: there is no number of drafts or no acceptance, or both do not go together.

    >>> drafted(3, "0.9;0.8;0.7"), drafted(2, "0.5")
    ((0.9, 0.8, 0.7), (0.5, 0.5))
    """
    try:
        said = [float(each) for each in acceptance.split(";") if each.strip()]
    except ValueError:
        said = []
    if tokens < 1 or len(said) not in (1, tokens) or not all(0 <= each <= 1 for each in said):
        raise ValueError("drafts need drafted_tokens, and an acceptance from 0 to 1 for all or for each")
    return tuple(said * tokens if len(said) == 1 else said)


def _row(cells: Cells) -> Row:
    word, number, whole = cells.word, cells.number, cells.whole

    def shares() -> tuple[float, ...]:
        """The column `acceptance`: a share for each of `drafted_tokens`, or one for all, apart by semicolons."""
        try:
            return drafted(int(number("drafted_tokens", 0)), word("acceptance")) if word("draft") else ()
        except ValueError as error:
            raise cells.wrong(str(error)) from None

    load = word("load")
    if load not in LOADS:
        raise cells.wrong(f"load: {load!r} is none of {', '.join(LOADS)}")
    measured = {metric: number(f"measured_{metric}") for metric in METRICS}
    return Row(
        id=word("id", f"{cells.path}:{cells.line}"),
        source_set=word("source_set"),
        gpu=word("gpu"),
        gpus=whole("gpus"),
        tensor_parallel=whole("tensor_parallel"),
        pipeline_parallel=whole("pipeline_parallel"),
        expert_parallel=whole("expert_parallel"),
        attention_data_parallel=whole("attention_data_parallel") if word("attention_data_parallel") else 0,
        engine=word("engine"),
        engine_version=word("engine_version"),
        weights_precision=word("weights_precision"),
        kv_precision=word("kv_precision", "bf16"),
        model=word("model"),
        draft=word("draft") or drafts_in(word("notes")),
        acceptance=shares(),
        load=load,
        concurrency=number("concurrency"),
        request_rate_per_s=number("request_rate_per_s"),
        requests=number("requests"),
        prompt_tokens=number("prompt_tokens"),
        output_tokens=number("output_tokens"),
        length_spread=word("length_spread", "fixed"),
        requests_file=word("requests_file"),
        prefix_caching=word("prefix_caching") == "yes",
        distinct_prompts=number("distinct_prompts"),
        max_batched_tokens=number("max_batched_tokens"),
        max_sequences=number("max_sequences"),
        memory_utilisation=number("memory_utilisation"),
        measured={metric: figure for metric, figure in measured.items() if not math.isnan(figure)},
    )
