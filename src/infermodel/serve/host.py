"""By what names a server on this machine may be called: a web page that reaches it by another name is refused."""

from __future__ import annotations

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Addresses that no other machine can reach."""


def own_names(*called: str) -> frozenset[str]:
    """Names that a request's `Host` may have, without ports: those of this machine, and others that are given.

    >>> sorted(own_names("Models.example"))
    ['127.0.0.1', '[::1]', 'localhost', 'models.example']
    """
    return frozenset({"localhost", "127.0.0.1", "[::1]", *(each.lower() for each in called)})


def host_name(header: str) -> str:
    """Name of a host without its port.

    >>> host_name("localhost:8000"), host_name("[::1]:8000"), host_name("127.0.0.1")
    ('localhost', '[::1]', '127.0.0.1')
    """
    name = header.lower()
    return name[: name.index("]") + 1] if name.startswith("[") and "]" in name else name.partition(":")[0]
