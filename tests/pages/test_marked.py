"""What the program writes into the documentation stands there as it would write it now."""

from __future__ import annotations

from pathlib import Path

import pytest

from infermodel.pages.marked import MARKED, made, pages, renew, renewed

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("page", pages(DOCS), ids=lambda page: page.name)
def test_nothing_moved(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = page.read_text(encoding="utf-8")
    assert renewed(text) == text, f"docs/{page.relative_to(DOCS)} is behind the program: `make docs` renews it"


def test_every_mark_is_closed() -> None:
    for page in DOCS.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        places = [place[0] for place in MARKED.finditer(text)]
        assert len(places) == text.count("<!-- made by:"), page
        assert all(place.count("<!--") == 2 for place in places), page


def test_a_page_is_renewed_once(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    mark = "<!-- made by: infermodel.report.human.usd(1234.5); do not edit until end -->"
    page.write_text(f"A\n\n{mark}\nold\n<!-- end -->\n\nB\n")
    (tmp_path / "other.md").write_text("no mark\n")
    assert renew(tmp_path) == [page]
    assert page.read_text() == f"A\n\n{mark}\n\n{made('infermodel.report.human.usd(1234.5)')}\n\n<!-- end -->\n\nB\n"
    assert renew(tmp_path) == []


@pytest.mark.parametrize("call", ["1 + 1", "os.system", "f(open('x'))", "f(a=1)", "f("])
def test_only_calls_with_literals_are_made(call: str) -> None:
    with pytest.raises(ValueError, match="calls no function with literals"):
        made(call)
