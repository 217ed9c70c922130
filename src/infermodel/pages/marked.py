"""Places of the documentation that the program writes: `make docs` renews them, a test asks that nothing moved.

    <!-- made by: infermodel.pages.endpoints.table(); do not edit until end -->
    ...
    <!-- end -->

What stands between the marks is the Markdown that the call gives.
"""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

from infermodel.files import read_plain, write_whole

MARKED = re.compile(r"(<!-- made by: (.+?); do not edit until end -->\n).*?(<!-- end -->)", re.DOTALL)


def made(call: str) -> str:
    """The Markdown of a call such as `infermodel.units.f(1, "a")`: a function by its full name, its arguments literals.

    Raises:
        ValueError: it is no such call.
    """
    try:
        asked = ast.parse(call, mode="eval").body
        if not isinstance(asked, ast.Call) or asked.keywords:
            raise ValueError
        arguments = [ast.literal_eval(each) for each in asked.args]
    except (SyntaxError, ValueError):
        raise ValueError(f"{call!r} calls no function with literals") from None
    module, _, name = ast.unparse(asked.func).rpartition(".")
    return str(getattr(import_module(module), name)(*arguments))


def renewed(text: str) -> str:
    """A page with all its marked places as the program writes them now."""
    return MARKED.sub(lambda place: f"{place[1]}\n{made(place[2]).strip()}\n\n{place[3]}", text)


def pages(folder: Path) -> list[Path]:
    """The pages of a folder that have marked places."""
    return [path for path in sorted(folder.rglob("*.md")) if MARKED.search(path.read_text(encoding="utf-8"))]


def renew(folder: Path) -> list[Path]:
    """Renew the pages of a folder; those that changed."""
    changed = []
    for path in pages(folder):
        text = read_plain(path)
        if (now := renewed(text)) != text:
            write_whole(path, now)
            changed.append(path)
    return changed


if __name__ == "__main__":
    print("\n".join(f"{path} renewed" for path in renew(Path("docs"))) or "nothing moved")
