"""Whether a client saw all tokens that the server counted: chunks of several tokens against tokens never shown."""

from __future__ import annotations

LEAST_BYTES_A_TOKEN = 3.0
"""Of text that was seen whole. Tokens of today's tokenizers hold about four bytes of English, code or Chinese."""

TEXT_UNSEEN = (
    "the server counted {held:.1f} tokens a chunk, and the file does not show whether chunks held several or the "
    "client never saw some, such as reasoning under a name that it does not read"
)


def several_a_chunk(bytes_a_token: float) -> bool:
    """Whether the text that the client kept is long enough to be that of all tokens. False for NaN.

    >>> several_a_chunk(3.6), several_a_chunk(1.9), several_a_chunk(float("nan"))
    (True, False, False)
    """
    return bytes_a_token >= LEAST_BYTES_A_TOKEN
