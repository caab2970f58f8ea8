"""Errors of the YAML format, with hints.

They are found by the parser, or by `desired.yaml_values` and `desired.yaml_reader` in the bytes of
a file and while its data are built. What the data mean is checked later.
"""

import re

from yaml.error import MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

from reconciler.desired.suggestions import quoted
from reconciler.frozen_dataclass import dataclass

BOM = b"\xef\xbb\xbf"
MAX_FAULTS = 50
"""Reported errors of one file; more than this usually have one cause."""

# Not allowed in YAML: C0 except tab and line breaks, DEL, C1 except NEL, two noncharacters.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")

_MESSAGES = {
    "alias": (
        "aliases are not allowed",
        "write the value out; move shared parts to environments/",
    ),
    "merge-key": (
        "the merge key `<<` is not allowed",
        "write the fields out; move shared parts to environments/",
    ),
    "tag": (
        "tags (`!…`) are not allowed",
        "remove the tag; the type of the field decides how its value is read",
    ),
    "too-deep": (
        "values are nested more than 32 levels deep",
        "look for a stray bracket; an integration needs about six levels",
    ),
    "too-many-nodes": ("the file has more than 100,000 values", "split the file"),
    "missing-value": (
        "a name within `{…}` has no value",
        "write `name: value`, and quote a string that contains a comma",
    ),
    "complex-key": (
        "the name of a field must be a string",
        "remove the brackets, or quote the name",
    ),
}
_NESTING_LIMIT = "exceeded maximum nesting depth"
"""The message of libyaml for its own limit of 1,000 levels, since PyYAML 6.0.4."""

_FATAL = frozenset({"alias", "too-deep", "too-many-nodes", "complex-key", "missing-value"})


@dataclass(frozen=True, slots=True)
class YamlError:
    """An error in a file; line and column count from 0.

    `fatal` if data are missing because of it, so that further checks would be misleading.
    """

    code: str
    summary: str
    hint: str
    line: int = 0
    column: int = 0
    fatal: bool = True


def describe_refusal(code: str, line: int, column: int) -> YamlError:
    """Return the error for a construct that the reader refuses."""
    summary, hint = _MESSAGES[code]
    return YamlError(code, summary, hint, line, column, fatal=code in _FATAL)


def describe_duplicate(name: str, first_line: int, line: int, column: int) -> YamlError:
    """Return the error for a field that a mapping has twice."""
    summary = f"{quoted(name)} is set twice; first on line {first_line}"
    return YamlError("duplicate-key", summary, "keep one of the two", line, column, fatal=False)


def position_in(data: bytes, offset: int) -> tuple[int, int]:
    """Return the line and column of a byte, both from 0."""
    before = data[:offset].removeprefix(BOM)
    start = before.rfind(b"\n") + 1
    # Offsets count bytes, columns count characters.
    return before.count(b"\n"), len(before[start:].decode("utf-8", "replace"))


def is_nesting_limit(error: YAMLError) -> bool:
    """Return whether the parser refused to nest values deeper."""
    return isinstance(error, MarkedYAMLError) and error.problem == _NESTING_LIMIT


def describe_parser_error(error: YAMLError, data: bytes) -> YamlError:
    """Return the error for a text that the parser cannot parse."""
    if isinstance(error, ReaderError):
        return _control_character(data)
    if not isinstance(error, MarkedYAMLError):
        return YamlError("syntax", "not valid YAML", _SYNTAX_HINT)
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    if is_nesting_limit(error):
        return describe_refusal("too-deep", line, column)
    rows = data.removeprefix(BOM).decode("utf-8", "replace").splitlines()
    if _is_bracket_as_name(error, rows) and error.context_mark is not None:
        # The parser detects it up to 1,024 characters after the bracket, or at the end of the file.
        at = error.context_mark
        return YamlError("syntax", *_BRACKET_AS_NAME, at.line, at.column)
    row = rows[line] if line < len(rows) else ""
    tab = row.find("\t")
    # A tab within a value is harmless: it must be in the indent, or at the error.
    if tab >= 0 and (not row[:tab].strip() or tab == column):
        return YamlError("tab", "YAML cannot be indented with tabs", "use spaces", line, tab)
    problem = error.problem or "it is not complete"
    summary = f"not valid YAML: {problem}" + (f", {error.context}" if error.context else "")
    place, hint = _missing_space(line, rows) or _cause(error, line, rows) or (None, "")
    line, column = place or (line, column)
    hint = hint or _SYNTAX_HINTS.get(problem, _SYNTAX_HINT)
    return YamlError("syntax", summary, hint, line, column)


_Cause = tuple[tuple[int, int] | None, str]
"""Place of the mistake, None for that of the parser, and the hint."""


def _missing_space(line: int, rows: list[str]) -> _Cause | None:
    """Return the cause if a space is missing in this line or in the one above."""
    for at in (line, line - 1):
        row = rows[at] if 0 <= at < len(rows) else ""
        if found := _NO_SPACE_AFTER_DASH.match(row):
            return (at, found.end() - 1), "write a space after the `-`"
        if found := _NO_SPACE_AFTER_COLON.match(row):
            return (at, found.end() - 1), "write a space after the colon"
    return None


def _cause(error: MarkedYAMLError, line: int, rows: list[str]) -> _Cause | None:
    """Return the cause of an error that the parser detects after it."""
    begin, row = error.context_mark, rows[line] if line < len(rows) else ""
    if row.lstrip().startswith("```"):
        return None, "remove the lines that begin with ```"
    if begin is None:
        above = next((r for r in reversed(rows[:line]) if r.strip()), "")
        above_value = _HAS_VALUE.fullmatch(above)
        is_deeper = above_value and _indent(row) > len(above_value[1])
        return (
            (None, "indent this line like the one above, which has a value") if is_deeper else None
        )
    place = begin.line, begin.column
    match error.problem:
        case "could not find expected ':'":
            return place, "add a colon and a value, or indent the line below the value above"
        case "found unexpected end of stream":
            return place, "close the quote that begins here"
        case "did not find expected ',' or '}'" | "did not find expected ',' or ']'":
            # A line that is not indented further than that of the bracket is not part of it.
            is_outside = begin.line < line and _indent(row) <= _indent(rows[begin.line])
            hint = "close the bracket that begins here" if is_outside else ""
            return (place, hint) if is_outside else (None, "add the missing comma or bracket")
        case _:
            return None


def _indent(row: str) -> int:
    return len(row) - len(row.lstrip())


_NO_SPACE_AFTER_DASH = re.compile(r"\s*-[\w{\[\"']")
_HAS_VALUE = re.compile(r"(\s*(?:- +)*)[A-Za-z_][\w-]*: +[^\s#|>].*")
# Not `http://…`, and not a line that also has a colon with a space.
_NO_SPACE_AFTER_COLON = re.compile(r"\s*(?:- )?[A-Za-z_][\w-]*:[^\s:/](?!.*:\s)(?!.*:$)")


def _is_bracket_as_name(error: MarkedYAMLError, rows: list[str]) -> bool:
    """Return whether a list or mapping begins where the name of a field is required."""
    at = error.context_mark
    if error.context != "while scanning a simple key" or at is None:
        return False
    row = rows[at.line] if at.line < len(rows) else ""
    return row[at.column : at.column + 1] in {"[", "{"}


_BRACKET_AS_NAME = (
    "not valid YAML: the name of a field is required here, not a bracket",
    "remove the bracket, or indent it below the field that it belongs to",
)
_SYNTAX_HINT = "check the brackets, quotes and indentation of this line and the one above"
_SYNTAX_HINTS = {
    "mapping values are not allowed in this context": "quote a value that contains a colon, "
    "and check the indentation",
    "found character that cannot start any token": "quote a value that begins with @, % or `",
    "found unexpected end of stream": "close the open quote or bracket",
}


def _control_character(data: bytes) -> YamlError:
    text = data.decode("utf-8", "replace")
    found = _CONTROL.search(text)
    offset = len(text[: found.start()].encode()) if found else 0
    line, column = position_in(data, offset)
    return YamlError("binary", "the file contains a control character", "remove it", line, column)
