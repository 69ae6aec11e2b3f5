"""Who has read the beginning of a prompt before, and so holds it in the cache of a slot."""

from __future__ import annotations

from collections import OrderedDict

FINE = 512
"""Bytes of a block at the beginning of a prompt."""
FINE_BLOCKS = 128
COARSE = 8192
"""Bytes of a block behind them."""
BLOCKS = 256
BYTES_PER_TOKEN = 4
KEPT = 4096
"""Blocks remembered of each (backend, model)."""


def prefix_of(prompt: bytes, seed: bytes = b"") -> tuple[int, ...]:
    """Running hashes of ``prompt`` at its block borders; equal beginnings have equal hashes.

    A prompt that goes on from an earlier one repeats the hashes of that one. ``seed`` is what stands before
    the prompt (a system prompt). Hashes hold for this process only.
    """
    hashes: list[int] = []
    state, at = hash(seed), 0
    while len(hashes) < BLOCKS:
        end = at + (FINE if len(hashes) < FINE_BLOCKS else COARSE)
        if end > len(prompt):
            break
        state = hash((state, prompt[at:end]))
        hashes.append(state)
        at = end
    return tuple(hashes)


def tokens(blocks: int) -> int:
    """Tokens in the first ``blocks`` blocks of a prompt, as an estimate."""
    fine = min(blocks, FINE_BLOCKS)
    return (fine * FINE + (blocks - fine) * COARSE) // BYTES_PER_TOKEN


class Affinity:
    """Prefixes that each (backend, model) was given lately."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], OrderedDict[int, None]] = {}

    def remember(self, backend: str, model: str, prefix: tuple[int, ...]) -> tuple[int, ...]:
        """``backend`` reads a prompt with ``prefix`` now. Returns what of it is news, for :meth:`unlearn`."""
        if not prefix:
            return ()
        seen = self._seen.setdefault((backend, model), OrderedDict())
        news = tuple([state for state in prefix if state not in seen])
        for state in reversed(prefix):  # so that a short prefix is never forgotten before a longer one
            seen[state] = None
            seen.move_to_end(state)
        while len(seen) > KEPT:
            seen.popitem(last=False)
        return news

    def unlearn(self, backend: str, model: str, news: tuple[int, ...]) -> None:
        """``backend`` did not read that prompt after all: it refused it."""
        seen = self._seen.get((backend, model))
        if seen:
            for state in news:
                seen.pop(state, None)

    def warm(self, backend: str, model: str, prefix: tuple[int, ...]) -> int:
        """Tokens of a prompt with ``prefix`` that ``backend`` has read before."""
        seen = self._seen.get((backend, model))
        if not seen or not prefix:
            return 0
        low, high = 0, len(prefix)
        while low < high:
            middle = (low + high + 1) // 2
            if prefix[middle - 1] in seen:
                low = middle
            else:
                high = middle - 1
        return tokens(low)

    def forget(self, backend: str) -> None:
        """``backend`` is gone, or started anew."""
        for key in [key for key in self._seen if key[0] == backend]:
            del self._seen[key]
