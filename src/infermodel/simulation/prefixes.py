"""The beginnings of prompts that running requests share in the KV cache of a replica."""

from __future__ import annotations

from infermodel.simulation.kv_cache import KvCache
from infermodel.simulation.recorder import RequestLog


class SharedPrefixes:
    """Who of the running requests holds which shared pieces of the cache."""

    def __init__(self, kv: KvCache, log: RequestLog) -> None:
        self._kv, self._log = kv, log
        self._held: dict[int, tuple[tuple[int, ...], int]] = {}  # request -> keys of its pieces, their blocks

    def find(self, request: int, limit_tokens: int) -> tuple[int, int]:
        """Tokens of the prompt that the cache holds, at most `limit_tokens`, and blocks that sharing them takes."""
        chain = self._chain(request)
        cached = self._kv.find_prefix(chain, limit_tokens)
        return cached, self._kv.claim_cost(chain, cached // self._kv.block_tokens)

    def claim(self, request: int, cached: int) -> None:
        """Share the first `cached` tokens of the prompt."""
        count = cached // self._kv.block_tokens
        self._held[request] = (self._kv.claim(self._chain(request), count), count)

    def publish(self, request: int) -> None:
        """The prompt is in the cache now: others may share its pieces."""
        held, count = self._held.get(request, ((), 0))
        keys, moved = self._kv.publish(self._chain(request), held)
        if keys:
            self._held[request] = (keys, count + moved)

    def let_go(self, request: int) -> int:
        """The request ends or gives way: what it shared is others' now; returns its blocks."""
        keys, count = self._held.pop(request, ((), 0))
        self._kv.release_prefix(keys)
        return count

    def _chain(self, request: int) -> tuple[tuple[int, int], ...]:
        """The pieces of a prompt that others may share: (key, whole blocks) each."""
        log, block = self._log, self._kv.block_tokens
        hashes = log.block_hashes.get(request)
        if hashes is not None:
            whole = log.prompt_tokens[request] // log.hash_block_tokens
            return tuple([(key, log.hash_block_tokens // block) for key in hashes[:whole]])
        if log.prompt_id[request] < 0:
            return ()
        return ((log.prompt_id[request], log.prompt_tokens[request] // block),)
