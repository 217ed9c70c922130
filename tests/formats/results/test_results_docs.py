"""docs/results.md tells what each latency is."""

from pathlib import Path

from infermodel.formats.results.measured import DEFINITIONS

PAGE = Path(__file__).parents[3] / "docs" / "results.md"


def test_the_definitions_are_told() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, definition in DEFINITIONS.items():
        assert f"| {name.upper()} | {definition} |" in text
