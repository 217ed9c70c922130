"""The page's template, compiled once: the result lies where Python keeps its own byte code, if that can be written."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined, Template
from jinja2.bccache import Bucket

from infermodel.report import human

AUTOESCAPE, TRIM_BLOCKS, LSTRIP_BLOCKS = True, True, True
FILTERS = ("number", "seconds", "usd", "usd_band", "share", "share_band", "watts", "quantity")


class BesideTheSource(FileSystemBytecodeCache):
    """Compiled templates in files; a folder that cannot be written costs time and nothing else."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write what was compiled."""
        with suppress(OSError):
            super().dump_bytecode(bucket)

    def get_source_checksum(self, source: str) -> str:
        """What was compiled holds for this source with these options."""
        return super().get_source_checksum(f"{source}{AUTOESCAPE}{TRIM_BLOCKS}{LSTRIP_BLOCKS}")


def page_template() -> Template:
    """The template of `report.html`; to parse and compile it takes a third of a small scenario's time."""
    folder = Path(str(files("infermodel.report")))
    environment = Environment(
        loader=FileSystemLoader(folder),
        bytecode_cache=None if sys.dont_write_bytecode else BesideTheSource(str(folder / "__pycache__")),
        undefined=StrictUndefined,
        autoescape=AUTOESCAPE,
        trim_blocks=TRIM_BLOCKS,
        lstrip_blocks=LSTRIP_BLOCKS,
    )
    for name in FILTERS:
        environment.filters[name] = getattr(human, name)
    return environment.get_template("report.html.jinja")
