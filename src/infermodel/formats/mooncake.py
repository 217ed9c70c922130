"""Mooncake traces: one JSON object a line with timestamp (ms), input_length, output_length and hash_ids.

`hash_ids` has one id for each block of 512 prompt tokens, equal where the text up to the end of the block is equal.
Source: https://github.com/kvcache-ai/Mooncake (FAST'25 traces, Apache-2.0).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.block_log import BlockLog, log_columns, read_log
from infermodel.formats.columns import TraceColumns
from infermodel.formats.text import FormatError
from infermodel.tables import Texts

BLOCK_TOKENS = 512

MOST_A_SECOND = 1000
"""Requests a second beyond which times with decimals are no milliseconds."""


def read(path: Path, block_tokens: int = BLOCK_TOKENS) -> TraceColumns:
    """The log, times as they stand but in seconds; `block_tokens` prompt tokens to a hash, unless they prove otherwise.

    Raises:
        FormatError: with line and column of what is broken; or the times are seconds.
    """
    log = read_log(path, "milliseconds")
    if why := _seconds(log):
        raise FormatError(path, f"{why}; Mooncake's are milliseconds. `format: bailian` reads seconds")
    return log_columns(path, log, 1e3, block_tokens)


def lines_of(
    arrived_at: NDArray[np.float64],
    prompt_tokens: NDArray[np.int64],
    output_tokens: NDArray[np.int64],
    texts: Texts | None = None,
) -> Iterator[str]:
    """Lines of a trace that others replay: times in whole milliseconds, and ids of blocks where prompts share text.

    The last block of a prompt may be a part of one, as load generators want it; each id that nobody shares is new.

    Args:
        arrived_at: seconds, ascending.
        prompt_tokens, output_tokens: of each request.
        texts: what the prompts have in common; None: nothing.
    """
    ids = None if texts is None else _block_ids(prompt_tokens, texts)
    columns = (np.rint(arrived_at * 1e3).astype(np.int64), prompt_tokens, output_tokens)
    for i, (at, prompt, output) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        entry = {"timestamp": at, "input_length": prompt, "output_length": output}
        yield json.dumps(entry if ids is None else {**entry, "hash_ids": ids(i)})


def _block_ids(prompt_tokens: NDArray[np.int64], texts: Texts) -> Callable[[int], list[int]] | None:
    """Ids of a request's blocks, to be asked for in order; None where no prompt is like another."""
    known, same = texts.block_hashes, int(texts.prompt_id.max(initial=-1)) + 1
    if not known and not same:
        return None
    block = texts.block_tokens if known else BLOCK_TOKENS
    longest = -(-int(prompt_tokens.max(initial=1)) // block)
    fresh = itertools.count(max((max(ids, default=-1) for ids in known.values()), default=same * longest - 1) + 1)

    def ids(request: int) -> list[int]:
        tokens, prompt = int(prompt_tokens[request]), int(texts.prompt_id[request])
        if not known and prompt >= 0:
            return list(range(prompt * longest, prompt * longest - (-tokens // block)))
        shared = known.get(request, ())[: tokens // block]
        return [*shared, *itertools.islice(fresh, -(-tokens // block) - len(shared))]

    return ids


def _seconds(log: BlockLog) -> str:
    """Why the times of a log are seconds; empty if they may be milliseconds."""
    if log.parents:
        return "has parent_chat_id, as Qwen-Bailian's traces, whose times are seconds"
    span_s = float(np.ptp(log.times)) / 1e3 if len(log.times) else 0.0
    if (log.times == np.rint(log.times)).all() or len(log.times) <= MOST_A_SECOND * span_s:
        return ""
    rate = len(log.times) / span_s if span_s else float("inf")
    return f"times have decimals, and as milliseconds they are {rate:,.0f} requests a second: they look like seconds"
