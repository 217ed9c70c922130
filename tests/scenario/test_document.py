"""YAML with marks: what is read, and that nothing but a clean error comes of what is not."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infermodel.scenario import document
from infermodel.scenario.document import parse, read
from infermodel.scenario.errors import Mark, ScenarioErrors


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("1e9", 1e9),
        ("1.5E-3", 1.5e-3),
        ("12:30", "12:30"),
        ("2024-08-27", "2024-08-27"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("~", None),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("'1'", "1"),
        ('"true"', "true"),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    read_value = parse(f"key: {text}").tree["key"]
    assert read_value == value
    assert type(read_value) is type(value)


def test_every_key_and_value_knows_its_place() -> None:
    found = parse("services:\n  - name: CS-3 8B\n    fleet: {system: cs-3}\n")
    assert found.tree == {"services": [{"name": "CS-3 8B", "fleet": {"system": "cs-3"}}]}
    assert found.keys["services", 0, "name"] == Mark(2, 5, 4)
    assert found.values["services", 0, "name"] == Mark(2, 11, 7)
    assert found.values["services", 0, "fleet", "system"] == Mark(3, 21, 4)


def test_one_reading_finds_every_refused_part() -> None:
    found = parse("a: 1\na: 2\nb: &x 3\nc: *x\nd: !!int 4\n<<: {e: 5}\n")
    assert [error.line for error in found.errors] == [2, 3, 4, 5, 6]
    assert found.tree == {"a": 1, "b": 3, "c": None, "d": "4"}


def test_an_alias_bomb_is_refused_where_it_starts() -> None:
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 12))
    found = parse("l0: &l0 [lol, lol]\n" + levels)
    assert len(found.errors) == document.MOST_ERRORS
    assert str(found.errors[0]).splitlines() == [
        "<text>:1:5: l0: the anchor '&l0' is not part of the language; remove it",
        "       1 | l0: &l0 [lol, lol]",
        "         |     ^^^",
    ]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 50_000, "- " * 50_000, "a: !!x " * 50, "? " * 10_000])
def test_deep_nesting_ends_early(text: str) -> None:
    assert parse(text).errors


def test_caret_stands_under_wide_characters() -> None:
    found = parse("标题: [模型, *x]")
    assert found.errors[0].excerpt.splitlines() == [
        "       1 | 标题: [模型, *x]",
        "         |              ^^",  # two columns for each Chinese character: 4 + 3 + 4 + 2 = 13 before the star
    ]


def test_a_long_line_is_cut_around_the_caret() -> None:
    shown = parse("a: [" + "x, " * 10_000 + "*y]").errors[0].excerpt.splitlines()
    assert len(shown[0]) < 200
    column = shown[1].index("^")
    assert shown[0][column : column + 2] == "*y"


def test_control_characters_never_reach_the_terminal() -> None:
    found = parse('a: "\\e[31m"\nb: *x\n\x1b: 1')
    assert "\x1b" not in "".join(map(str, found.errors))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"a: \x00", "is a binary file, not YAML text"),
        (b"a: 1\nb: \xff\xfe", "is not UTF-8 text: byte 0xff in line 2"),
        (b"a: " + b"x" * 1_000_000, "is larger than 1 MB; a longer table belongs in a trace file"),
    ],
)
def test_files_that_are_no_scenario(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    try:
        errors = read(path).errors
    except ScenarioErrors as error:
        errors = error.errors
    assert [str(error) for error in errors] == [f"{path}: {message}"]


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ScenarioErrors, match="is a folder, not a scenario file"):
        read(tmp_path)
    with pytest.raises(ScenarioErrors, match="no such file"):
        read(tmp_path / "missing.yaml")
    with pytest.raises(ScenarioErrors, match="cannot be read"):
        read("a\0b.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    with pytest.raises(ScenarioErrors, match="cannot be read"):
        read(tmp_path / "loop.yaml")


YAMLISH = st.text(alphabet=st.sampled_from(list("ab1:-?,[]{}&*!|>'\"%@`#<~\\UxX. \n\t\r\ufeff\u2028é模")), max_size=60)


@given(st.one_of(YAMLISH, st.text(max_size=80)))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = parse(text)
    assert found.tree is None or isinstance(found.tree, dict | list | str | int | float)
    for error in found.errors:
        assert str(error).encode().startswith(b"<text>")


WORDS = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufeff"), max_size=12)
LEAVES = st.one_of(
    WORDS,
    st.sampled_from(
        ["no", "1e9", "0o17", "12:30", "~", "null", "1_000", ".inf", "=", "<<", "- a", "a: b", "# c", "*x"]
    ),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.booleans(),
)
KEYS = st.one_of(WORDS.filter(str.strip), st.sampled_from(["no", "1", "a.b"])).filter(lambda key: key != "<<")
TREES = st.recursive(LEAVES, lambda inner: st.one_of(st.lists(inner), st.dictionaries(KEYS, inner)), max_leaves=12)


@given(st.dictionaries(KEYS, TREES, min_size=1))
def test_what_is_dumped_is_read_back(tree: dict[str, object]) -> None:
    found = parse(document.dump(tree))
    assert not found.errors
    assert found.tree == tree
