"""docs/results.md holds every latency field of every tool, as its reader has it."""

from pathlib import Path

from infermodel.formats.results import RESULTS
from infermodel.formats.results.measured import DEFINITIONS

PAGE = Path(__file__).parents[3] / "docs" / "results.md"
BEGIN, END = "<!-- fields of all tools; compared with the readers by a test -->\n", "<!-- end -->"


def table() -> str:
    heading = ("tool", "field", "unit", "what the tool puts into it", "ours", "how it is taken")
    lines = [f"| {' | '.join(heading)} |", "|---|---|---|---|---|---|"]
    for tool, known in RESULTS.items():
        lines += [
            f"| {tool} | {field.name} | {field.unit} | {field.means} | {field.of.upper()} | {field.taken} |"
            for field in known.fields
        ]
    return "\n".join(lines) + "\n"


def test_the_table_is_what_the_readers_say() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert rest.partition(END)[0] == table(), f"put this between the marks of {PAGE}:\n{table()}"


def test_the_definitions_are_told() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, definition in DEFINITIONS.items():
        assert f"| {name.upper()} | {definition} |" in text
