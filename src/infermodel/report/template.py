"""Pages' templates, compiled once: the result lies where Python keeps its own byte code, if that can be written."""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined, Template
from jinja2.bccache import Bucket

from infermodel import __version__
from infermodel.report import human

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content security policy: the browser itself refuses scripts and everything that is not in the file."""

AUTOESCAPE, TRIM_BLOCKS, LSTRIP_BLOCKS = True, True, True
FILTERS = ("about", "number", "seconds", "usd", "usd_band", "share", "share_band", "watts", "quantity")


class BesideTheSource(FileSystemBytecodeCache):
    """Compiled templates in files; a folder that cannot be written costs time and nothing else."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write what was compiled."""
        with suppress(OSError):
            super().dump_bytecode(bucket)

    def get_source_checksum(self, source: str) -> str:
        """What was compiled holds for this source with these options."""
        return super().get_source_checksum(f"{source}{AUTOESCAPE}{TRIM_BLOCKS}{LSTRIP_BLOCKS}")


def one_file(name: str, pictures: Mapping[str, tuple[str, bytes]], command: Sequence[str], **told: Any) -> str:
    """A page as HTML text, its style and pictures inside.

    Args:
        name: of the template.
        pictures: name to caption and SVG or PNG; the template has them as (name, caption, source).
        command: that made the page.
        told: what else the template asks for.
    """
    return page_template(name).render(
        **told,
        policy=POLICY,
        style=files("infermodel.report").joinpath("report.css").read_text(encoding="utf-8"),
        pictures=[(title, caption, _address(image)) for title, (caption, image) in pictures.items()],
        command=" ".join(command),
        version=__version__,
    )


def _address(image: bytes) -> str:
    """A picture, SVG or PNG, as an address that holds it."""
    kind = "png" if image.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{b64encode(image).decode('ascii')}"


def page_template(name: str) -> Template:
    """A template; to parse and compile that of `report.html` takes a third of a small scenario's time."""
    folder = Path(str(files("infermodel.report")))
    environment = Environment(
        loader=FileSystemLoader(folder),
        bytecode_cache=None if sys.dont_write_bytecode else BesideTheSource(str(folder / "__pycache__")),
        undefined=StrictUndefined,
        autoescape=AUTOESCAPE,
        trim_blocks=TRIM_BLOCKS,
        lstrip_blocks=LSTRIP_BLOCKS,
    )
    for each in FILTERS:
        environment.filters[each] = getattr(human, each)
    return environment.get_template(name)
