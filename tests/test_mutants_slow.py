"""Planted bugs are caught; see `tests/mutants.py`."""

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant, judged


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_each_text_stands_once(mutant: Mutant) -> None:
    assert (ROOT / "src/infermodel" / mutant.file).read_text().count(mutant.text) == 1


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_is_caught(mutant: Mutant) -> None:
    assert judged(mutant) == "caught"
