"""Edits of one value: in every YAML layout, only this value changes."""

from typing import Any

import pytest
import yaml

from reconciler.desired.yaml_edit import FileEdit

LAYOUTS = {
    "list in the column of its name": "a:\n  x: 1\n  l:\n  - id: p\n    on: 1\n  - id: q\n  z: 2\n",
    "list at the top": "l:\n- id: p\n- id: q\nz: 2\n",
    "deeper list": "a:\n    x: 1\n    l:\n        - id: p\n          on: 1\n    z: 2\n",
    "list with comments": "a:\n  l:  # why\n  # more\n  - id: p  # one\n\n  # two\n  z: 2\n",
    "list at the end": "a:\n  z: 2\n  l:\n  - id: p",
    "quoted name": 'a:\n  "l" :\n  - id: p\n  z: 2\n',
    "list of lists": "a:\n  l:\n  - - 1\n    - 2\n  z: 2\n",
    "list in a list": "a:\n- l:\n  - id: p\n  z: 2\n",
    "list in brackets": "a: {l: [{id: p}], z: 2}\n",
    "list in brackets below": "a:\n  l:\n    [{id: p}]\n  z: 2\n",
    "mapping": "a:\n  l:\n    p: 1\n  z: 2\n",
    "text": "a:\n  l: |\n    one\n    two\n  z: 2\n",
    "text below": "a:\n  l:\n    one\n  z: 2\n",
    "nothing": "a:\n  l:\n  z: 2\n",
    "JSON": '{"a": {"l": [{"id": "p"}], "z": 2}}\n',
}
VALUES = [None, [], {}, False, 7, "", "one: two", [{"id": "r", "on": True}], {"p": {"q": None}}]


def place(value: Any) -> tuple[Any, ...]:
    """Return the path of the field `l`."""
    if "l" in value:
        return ("l",)
    inner = value["a"]
    return ("a", 0, "l") if isinstance(inner, list) else ("a", "l")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_value_is_replaced_in_every_layout(layout: str, newline: str) -> None:
    text = LAYOUTS[layout].replace("\n", newline)
    for value in VALUES:
        expected = yaml.safe_load(text)
        steps = place(expected)
        holder = expected
        for step in steps[:-1]:
            holder = holder[step]
        holder["l"] = value
        edit = FileEdit(text.encode())
        edit.replace(0, steps, value)
        done = edit.result().decode()
        assert yaml.safe_load(done) == expected, done
        assert done.count("\n") == done.count(newline), done
        assert done.endswith("\n") is text.endswith("\n")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["b: 1", "b: 1\n"])
@pytest.mark.parametrize("gap", ["\n", "\n\n\n"])
@pytest.mark.parametrize("header", ["|", "|-", "|+", ">", ">+ # why", "|2+"])
def test_multi_line_text_is_kept_if_its_neighbours_are_edited(
    header: str, gap: str, last: str, newline: str
) -> None:
    text = f"a: {header}\n    one\n    two{gap}{last}".replace("\n", newline)
    before = yaml.safe_load(text)
    edit = FileEdit(text.encode())
    edit.insert(0, ("c",), 2, order=("a", "c", "b"))
    assert yaml.safe_load(edit.result()) == {**before, "c": 2}
    edit.remove(0, ("c",))
    assert yaml.safe_load(edit.result()) == before
    # The text is now the last value, also in a file without a final newline.
    edit.remove(0, ("b",))
    assert yaml.safe_load(edit.result()) == {"a": before["a"]}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("header", ["|", ">-", "|+"])
@pytest.mark.parametrize("holder", ["{}", "l:\n- x: 0\n{}"])
def test_comments_after_a_removed_field_do_not_become_text(
    holder: str, header: str, newline: str
) -> None:
    indent = "  " if holder != "{}" else ""
    lines = [f"a: {header}", "  one", "b:", "    - 1", "    # why", "", "      # more", "z: 1"]
    text = holder.format("\n".join(indent + line for line in lines)).replace("\n", newline)
    expected = yaml.safe_load(text)
    steps: tuple[Any, ...] = () if holder == "{}" else ("l", 0)
    edit = FileEdit(text.encode())
    edit.remove(0, (*steps, "b"))
    (expected["l"][0] if steps else expected).pop("b")
    done = edit.result().decode()
    assert done.count("# why") == done.count("# more") == 1
    assert yaml.safe_load(done) == expected


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["\n\n", "\n\n\nc: 1\n", "\n  \n# why\n\nc: 1\n"])
@pytest.mark.parametrize("header", ["|+", ">+ # why", "|2+", "|"])
@pytest.mark.parametrize("kept", ["a: {}\n  one\n", "a:\n- x: {}\n      one\n\n"])
def test_blank_lines_after_a_removed_field_do_not_become_text(
    kept: str, header: str, end: str, newline: str
) -> None:
    text = f"{kept.format(header)}b: 2{end}".replace("\n", newline)
    expected = yaml.safe_load(text)
    del expected["b"]
    edit = FileEdit(text.encode())
    edit.remove(0, ("b",))
    done = edit.result().decode()
    assert yaml.safe_load(done) == expected
    assert done.count("# why") == text.count("# why")


@pytest.mark.parametrize("header", ["|", "|+", "|2", ">", ">+ # why", "|-"])
@pytest.mark.parametrize("before", ["a: {}\n  one", "a:\n- {}\n  one", "a: \n  b: {}\n     one"])
def test_the_last_text_of_a_file_is_kept_if_a_field_follows(before: str, header: str) -> None:
    text = before.format(header)
    expected = yaml.safe_load(text)
    edit = FileEdit(text.encode())
    edit.insert(0, ("z",), 2)
    assert yaml.safe_load(edit.result()) == {**expected, "z": 2}
    if isinstance(expected["a"], list):
        edit = FileEdit(text.encode())
        edit.append(0, ("a",), {"x": 1})
        assert yaml.safe_load(edit.result()) == {"a": [*expected["a"], {"x": 1}]}
