"""The compiled form of the inner loops: which modules it has, where it lies, and whether this process uses it.

mypyc turns the very sources that Python reads into C extensions, so results are the same to the bit. In a checkout they
lie in `build/compiled`, in a folder named by a hash of the sources and the version of Python: what was compiled from
other sources is never found. In an installed wheel they lie beside the package. Without them plain Python runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).resolve().parent
BUILT = PACKAGE.parents[1] / "build" / "compiled"
"""Where a checkout has what was compiled of it."""

PLAIN_VARIABLE = "INFERMODEL_PLAIN"
"""Set to anything: plain Python, whatever has been compiled."""

LIBRARY = "infermodel_inner_loops__mypyc"
"""The extension that holds all that is compiled; mypyc ends its name so."""

WHY_NOT = "why_not.txt"
"""Lies where the library would lie if compiling these sources has failed, and says how."""

HOT = (
    *(
        f"simulation.{name}"
        for name in (
            "alarm", "service", "tally",
            *(f"clients.{name}" for name in ("open", "turns", "users", "way")),
            *(f"memory.{name}" for name in ("ledger", "memory", "pieces", "prefixes", "unheld")),
            *(f"pool.{name}" for name in ("api_servers", "front_end", "load", "pool", "router", "unread")),
            *(f"records.{name}" for name in ("gaps", "leaps", "log", "totals")),
            *(f"replica.{name}" for name in (
                "admission", "answer_share", "arrivals", "budget", "decoding", "drafts", "endings", "gathering",
                "giving_way", "holding_back", "leap", "members", "prompts", "prompts_first", "ranks", "receiving",
                "replica", "scheduler", "transit", "waiting", "waits",
            )),
        )
    ),
    *(
        f"cost.{name}"
        for name in (
            "attention", "contexts", "dataflow", "fixed", "forever", "gpu", "kernels", "ranks", "record", "step",
            "work",
        )
    ),
)  # fmt: skip
"""Modules to compile: where runs spend their time, and what extends classes of these. Those that extend classes of
Python's or SimPy's own (the clock, the queues) stay as they are; each further one takes compiling longer."""


SEEN = ("simulation", "cost", "workload", "catalog", "formats", "architecture")
"""Packages whose sources the compiler may see, with the modules beside them: these and what they import."""


def sources() -> list[str]:
    """Files of the modules to compile, relative to the folder of the package."""
    return [f"{PACKAGE.name}/{name.replace('.', '/')}.py" for name in HOT]


@cache
def products() -> Path:
    """Where a checkout has, or would have, what was compiled from exactly its sources, in its way."""
    checkout, digest = PACKAGE.parents[1], sha256()
    seen = [path for each in SEEN for path in (PACKAGE / each).rglob("*.py")]
    for path in sorted([*checkout.glob("setup.py"), *PACKAGE.glob("*.py"), *seen]):
        digest.update(path.read_bytes())
    return BUILT / f"{sys.implementation.cache_tag}-{digest.hexdigest()[:16]}"


@cache
def library() -> str | None:
    """The file that this process would take compiled modules from; None: there is none."""
    if os.environ.get(PLAIN_VARIABLE):
        return None
    # Where nothing has been compiled, no source need be read to name what would have been.
    folders = [*([products()] if BUILT.is_dir() else ()), PACKAGE.parent]
    found = PathFinder.find_spec(LIBRARY, [str(folder) for folder in folders])
    return None if found is None else found.origin


def entry(name: str) -> str:
    """What the library calls the module of that name."""
    return name.replace(".", "___")


class FromLibrary(ExtensionFileLoader):
    """Makes a module of the library that all of `HOT` share: one file instead of one for each of them, which would take
    longer to compile than what they hold."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """As an extension's of its own, but that it goes by its entry, and needs the library first."""
        import_module(LIBRARY)
        return super().create_module(ModuleSpec(entry(spec.name), self, origin=spec.origin))


class Finder:
    """Finds the library, if there is one, and in it the modules of `HOT`."""

    modules = frozenset(f"{PACKAGE.name}.{name}" for name in HOT)

    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """A module's; None: whoever is asked next finds the source."""
        file = library() if name in cls.modules or name == LIBRARY else None
        if file is None:
            return None
        loader = ExtensionFileLoader if name == LIBRARY else FromLibrary
        return spec_from_file_location(name, file, loader=loader(name, file))


def use() -> None:
    """Let this process import compiled modules where there are any."""
    if Finder not in sys.meta_path:
        sys.meta_path.insert(0, Finder)


def runs() -> bool:
    """Whether this process runs the compiled form."""
    return library() is not None


def form() -> str:
    """In which form the inner loops run here, in words."""
    if runs():
        return "inner loops compiled"
    why_not = products() / WHY_NOT
    if os.environ.get(PLAIN_VARIABLE) or not why_not.exists():
        return "inner loops in plain Python"
    return f"inner loops in plain Python: {why_not.read_text(encoding='utf-8')}"
