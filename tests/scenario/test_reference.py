"""The reference and the examples in the documentation are those of the schema."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from infermodel.scenario import resolve
from infermodel.scenario.document import parse
from infermodel.scenario.validation import validate
from infermodel.search.reference import FILES, reference_of

PAGE = (Path(__file__).parents[2] / "docs" / "scenario.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", FILES)
def test_every_key_has_a_meaning_and_stands_once(kind: str) -> None:
    rows = re.findall(r"^\| `(.*?)` \| (.*?) \| (.*?) \| (.*) \|$", reference_of(kind), re.MULTILINE)
    assert {row[0] for row in rows} >= FILES[kind].model_fields.keys()
    assert all(written and meaning and meaning != "None" for _, written, _, meaning in rows)
    headings = re.findall(r"^### (.*)$", reference_of(kind), re.MULTILINE)
    assert len(headings) == len(set(headings))


def test_the_example_of_the_page_runs() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(resolve(validate(parse(example, "example.yaml"))).services) == 2


def test_the_starter_runs() -> None:
    text = files("infermodel.scenario").joinpath("starter.yaml").read_text(encoding="utf-8")
    resolved = resolve(validate(parse(text, "starter.yaml")))
    assert [service.pool.replicas for service in resolved.services] == [1, 8]
