"""YAML syntax errors are reported at the error itself, which the parser detects only later."""

import pytest

from tests.desired.building import loaded


@pytest.mark.parametrize(
    ("text", "line", "column", "hint"),
    [
        ("slug: a\nname:Main\nai: b\n", 2, 6, "write a space after the colon"),
        ("name:Main\nai: b\n", 1, 6, "write a space after the colon"),
        ("a:\n  b:x\n  c: d\n", 2, 5, "write a space after the colon"),
        ("a:\n  - b:x\n    c: d\n", 2, 7, "write a space after the colon"),
        ("m:\n  -{slug: gpt, e: true}\n", 2, 4, "write a space after the `-`"),
        ("m:\n  - {a: b}\n  -{slug: gpt}\nx: y\n", 3, 4, "write a space after the `-`"),
        ("m:\n  -slug: x\n    e: true\n", 2, 4, "write a space after the `-`"),
        ('name: "abc\nx: y\n', 1, 7, "close the quote that begins here"),
        ("x: y\nname: 'abc\n", 2, 7, "close the quote that begins here"),
        ("m:\n  - {slug: a\nw:\n  - b\n", 2, 5, "close the bracket that begins here"),
        ("m: [a, b\nw: x\n", 1, 4, "close the bracket that begins here"),
        ("m: [a, b\n", 1, 4, "close the bracket that begins here"),
        ("m: {a: b\n  c: d}\n", 2, 4, "add the missing comma or bracket"),
        ("m: {a: b c: d}\n", 1, 11, "add the missing comma or bracket"),
        ("```yaml\nslug: a\n```\n", 1, 1, "remove the lines that begin with ```"),
        ("slug: a\n```\n", 2, 1, "remove the lines that begin with ```"),
        ("slug: @a\n", 1, 7, "quote a value that begins with @, % or `"),
        ("a: b\n c: d\n", 2, 3, "indent this line like the one above, which has a value"),
        ("w:\n  - a: b\n     c: d\n", 3, 7, "indent this line like the one above"),
        ("slug: a\nmore\nname: b\n", 2, 1, "add a colon and a value"),
        ("a: b: c\n", 1, 5, "quote a value that contains a colon"),
        ("u: http://a\n  b: c\n", 2, 4, "indent this line like the one above"),
    ],
)
def test_location_and_hint_are_those_of_the_error(
    text: str, line: int, column: int, hint: str
) -> None:
    (only,) = loaded({"integrations/a.yaml": text}).diagnostics
    assert only.code == "syntax"
    assert only.at is not None
    assert (only.at.line, only.at.column) == (line, column)
    assert only.hint.startswith(hint)


@pytest.mark.parametrize(
    "lines",
    [
        'key: "canary77 with more\n',
        "configurations: {custom_headers: {X: canary77\n",
        "configurations:\n  custom_headers:\n    X:canary77\n    Y: z\n",
        "configurations:\n  custom_headers:\n    X: canary77\n      Y: canary77\n",
        "key:canary77\nname: b\n",
    ],
)
def test_no_secret_is_shown_in_the_excerpt(lines: str) -> None:
    found = loaded({"integrations/a.yaml": f"slug: a\n{lines}"}).diagnostics
    assert [d.code for d in found] == ["syntax"]
    assert "canary77" not in repr(found)
