"""Values nested deeper than 32 levels are reported there, with each parser and in each file."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.desired.yaml_reader import read_yaml
from reconciler.desired.yaml_values import MAX_DEPTH
from reconciler.diagnostics import Diagnostic
from reconciler.fleet.config import read_fleet
from tests.desired.building import OPENAI, loaded, places

PARSERS = [
    pytest.param(yaml.CSafeLoader, id="libyaml"),
    pytest.param(
        yaml.SafeLoader, id="pure Python", marks=pytest.mark.slow
    ),  # few installations have it
]
DEEP = "[" * 100_000

Finding = tuple[str, int, int]


def first(data: bytes, parser: Any) -> Finding:
    fault = read_yaml(data, parser=parser).faults[0]
    return fault.code, fault.line + 1, fault.column + 1


def indented(text: str, levels: int) -> str:
    return "".join(" " * level + text + "\n" for level in range(levels))


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(DEEP, ("too-deep", 1, 33), id="lists"),
        pytest.param("[" * 1_001, ("too-deep", 1, 33), id="one level above libyaml's limit"),
        pytest.param("[" * 1_000 + "]" * 1_000, ("too-deep", 1, 33), id="libyaml's limit"),
        pytest.param("[" * 5_000 + "]" * 5_000, ("too-deep", 1, 33), id="lists that are closed"),
        pytest.param("[\n" * 50_000, ("too-deep", 33, 1), id="a list a line"),
        pytest.param("[ # [[[\n" * 50_000, ("too-deep", 33, 1), id="brackets in comments"),
        pytest.param("{a: " * 50_000, ("too-deep", 1, 129), id="mappings"),
        pytest.param("{'a': " * 50_000, ("too-deep", 1, 193), id="mappings with quoted names"),
        pytest.param("[{a: " * 25_000, ("too-deep", 1, 81), id="lists and mappings"),
        pytest.param("- " * 50_000, ("too-deep", 1, 65), id="dashes"),
        pytest.param("- - - " + DEEP, ("too-deep", 1, 36), id="dashes, then lists"),
        pytest.param("a: " + DEEP, ("too-deep", 1, 35), id="the value of a field"),
        pytest.param("a:\n  " + DEEP, ("too-deep", 2, 34), id="a value on its own line"),
        pytest.param("a: ä\r\nb: " + DEEP, ("too-deep", 2, 35), id="Windows line ends"),
        pytest.param("a: '😀\u2028'\nb: " + DEEP, ("too-deep", 3, 35), id="wide characters"),
        pytest.param("\ufeff" + DEEP, ("too-deep", 1, 33), id="a byte order mark"),
        pytest.param("a: b\n---\n" + DEEP, ("too-deep", 3, 33), id="the second document"),
        pytest.param(indented("a:", 1_300), ("too-deep", 33, 33), id="indented mappings"),
        pytest.param(indented("-", 1_300), ("too-deep", 33, 33), id="indented lists"),
        pytest.param(
            indented("a:", 20) + " " * 20 + DEEP, ("too-deep", 21, 33), id="indented, then lists"
        ),
        pytest.param("{" * 100_000, ("complex-key", 1, 2), id="mappings as names"),
        pytest.param("? " * 50_000, ("complex-key", 1, 3), id="names with a question mark"),
        pytest.param("[{" * 50_000, ("complex-key", 1, 3), id="lists as names"),
        pytest.param("a: b\n" + DEEP, ("syntax", 2, 1), id="a list in the place of a name"),
        pytest.param("a: b\n[c]\nd: e\n", ("syntax", 2, 1), id="a short one"),
    ],
)
def test_depth_is_reported_where_it_exceeds_the_limit(
    text: str, expected: Finding, parser: Any
) -> None:
    assert first(text.encode(), parser) == expected


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "text",
    [
        "[" * MAX_DEPTH + "]" * MAX_DEPTH,
        indented("-", MAX_DEPTH),
        "a: '" + "[" * 5_000 + "'\n",
        "a: b" + "[" * 5_000 + "\n",
        "a: b # " + "[" * 5_000 + "\n",
        "a: |\n  " + "[" * 5_000 + "\n",
        "[" + "[],[[]]," * 2_000 + "]",
    ],
)
def test_values_within_the_limit_are_read(text: str, parser: Any) -> None:
    assert read_yaml(text.encode(), parser=parser).faults == []


@settings(max_examples=40)
@given(
    before=st.lists(st.sampled_from(["a: b\n", "'ä': \"{[\"\n", "# [[\n", "c: [d, {e: f}]\n"])),
    levels=st.lists(st.sampled_from(["[", "[ ", "{a: ", '{"ä": ', "[\n "]), min_size=1).map(
        lambda pattern: pattern * (1_200 // len(pattern) + 1)
    ),
    parser=st.sampled_from([yaml.CSafeLoader, yaml.SafeLoader]),
)
def test_the_location_is_that_of_the_first_level_beyond_the_limit(
    before: list[str], levels: list[str], parser: Any
) -> None:
    lead = "".join(dict.fromkeys(before)) + "z: "
    above = lead + "".join(levels[: MAX_DEPTH - 1])
    line = above.count("\n") + 1
    column = len(above) - (above.rfind("\n") + 1) + 1
    assert first((lead + "".join(levels)).encode(), parser) == ("too-deep", line, column)


@pytest.mark.parametrize(
    "file", ["integrations/b.yaml", "access/a.yaml", "environments/production/a.yaml"]
)
def test_every_file_of_a_folder_is_checked(file: str) -> None:
    result = loaded({"integrations/a.yaml": OPENAI, file: DEEP}, target="production")
    assert result.state is None
    assert ("too-deep", file, 1, 33) in places(result.diagnostics)


def found(diagnostics: tuple[Diagnostic, ...]) -> list[tuple[str, int | None, int | None]]:
    return [(d.code, d.at.line, d.at.column) for d in diagnostics if d.at is not None]


def test_the_configuration_is_checked() -> None:
    result = loaded({"integrations/a.yaml": OPENAI}, config=DEEP)
    assert result.state is None
    assert found(result.diagnostics) == [("too-deep", 1, 33)]


def test_the_members_of_a_fleet_are_checked() -> None:
    fleet, diagnostics = read_fleet(DEEP.encode(), path=Path("fleet.yaml"))
    assert fleet is None
    assert found(diagnostics) == [("too-deep", 1, 33)]
