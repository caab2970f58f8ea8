"""What can be wrong with a file before anyone asks what it means, and how to mend it.

Found by looking at the bytes, by the parser, or by `desired.yaml_source` while it builds.
"""

import re
from dataclasses import dataclass
from typing import Any

from yaml.reader import ReaderError

from reconciler.desired.suggestions import quoted

BOM = b"\xef\xbb\xbf"
MAX_FAULTS = 50
"""Faults told of one file; a file with more has one cause."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MARKER = re.compile(rb"^(<{7}|>{7})(?: .*)?\r?$", re.MULTILINE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")

_WORDS = {
    "alias": (
        "an alias repeats another part of the file, which is not allowed",
        "write the value out; shared parts belong into environments/",
    ),
    "merge-key": (
        "the merge key `<<` is not allowed",
        "write the fields out; shared parts belong into environments/",
    ),
    "tag": (
        "a tag (`!…`) is not allowed",
        "remove the tag; a field's type decides how its value is read",
    ),
    "too-deep": (
        "values are nested more than 32 deep",
        "an integration needs about six levels; look for a stray bracket",
    ),
    "too-many-nodes": ("the file holds more than 100,000 values", "split the file"),
    "missing-value": (
        "a name within `{…}` has no value",
        "write `name: value`, and put a text that holds a comma in quotes",
    ),
    "complex-key": (
        "the name of a field must be a plain text",
        "take the brackets away; a name in quotes may hold any sign",
    ),
}
_NESTING_LIMIT = "exceeded maximum nesting depth"
"""How libyaml words its own limit of 1,000 levels, which it has since PyYAML 6.0.4."""

_MISLEADING = frozenset({"alias", "too-deep", "too-many-nodes", "complex-key", "missing-value"})


@dataclass(frozen=True, slots=True)
class YamlError:
    """One finding; line and column count from 0.

    `fatal` tells that data is missing because of it, so that checking the rest would mislead.
    """

    code: str
    summary: str
    hint: str
    line: int = 0
    column: int = 0
    fatal: bool = True


def of_event(code: str, line: int, column: int, **facts: Any) -> YamlError:
    """Describe what the builder does not accept."""
    if code == "duplicate-key":
        name, first = quoted(facts["name"]), facts["first"]
        summary = f"{name} stands here for the second time; first on line {first}"
        return YamlError(code, summary, "keep one of the two", line, column, fatal=False)
    summary, hint = _WORDS[code]
    return YamlError(code, summary, hint, line, column, fatal=code in _MISLEADING)


def before_parsing(data: bytes) -> list[YamlError]:
    """Find what makes parsing pointless: another encoding, binary content, conflict markers."""
    if data.startswith(_UTF16):
        return [YamlError("not-utf8", "the file is UTF-16, not UTF-8", "save it as UTF-8")]
    zero = data.find(b"\0")
    if zero >= 0:
        line, column = _position(data, zero)
        return [YamlError("binary", "the file is not text", "save it as UTF-8 text", line, column)]
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _position(data, error.start)
        return [YamlError("not-utf8", "the file is not UTF-8", "save it as UTF-8", line, column)]
    if b"<<<<<<<" in data or b">>>>>>>" in data:
        return _conflicts(data)
    return []


def _conflicts(data: bytes) -> list[YamlError]:
    found = [(m.start(), m[1][:1]) for m in _MARKER.finditer(data)]
    starts = [at for at, sign in found if sign == b"<"] or [at for at, _ in found]
    return [
        YamlError(
            "conflict-marker",
            "a merge conflict has not been resolved",
            "choose one side, then remove the lines with <<<<<<<, ======= and >>>>>>>",
            *_position(data, at),
        )
        for at in starts[:MAX_FAULTS]
    ]


def _position(data: bytes, offset: int) -> tuple[int, int]:
    before = data[:offset].removeprefix(BOM)
    start = before.rfind(b"\n") + 1
    return before.count(b"\n"), len(before[start:].decode("utf-8", "replace"))


def is_nesting_limit(error: Any) -> bool:
    """Return whether the parser gave up because values are nested deeper than it accepts."""
    return getattr(error, "problem", None) == _NESTING_LIMIT


def of_parser(error: Any, data: bytes) -> YamlError:
    """Describe what the parser does not understand."""
    if isinstance(error, ReaderError):
        return _control_character(data)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line, mark.column) if mark else (0, 0)
    if is_nesting_limit(error):
        return of_event("too-deep", line, column)
    rows = data.removeprefix(BOM).decode("utf-8", "replace").splitlines()
    if _is_bracket_as_name(error, rows):
        # The parser notices up to 1,024 characters behind the bracket, or at the end of the file.
        at = error.context_mark
        return YamlError("syntax", *_BRACKET_AS_NAME, at.line, at.column)
    row = rows[line] if line < len(rows) else ""
    tab = row.find("\t")
    if tab >= 0 and (not row[:tab].strip() or tab == column):
        return YamlError("tab", "a tab cannot indent YAML", "use spaces", line, tab)
    problem = getattr(error, "problem", None) or "it is not complete"
    context = getattr(error, "context", None)
    words = f"not valid YAML: {problem}" + (f", {context}" if context else "")
    return YamlError("syntax", words, _SYNTAX_HINTS.get(problem, _SYNTAX_HINT), line, column)


def _is_bracket_as_name(error: Any, rows: list[str]) -> bool:
    """Return whether a list or mapping begins where the name of a field is required."""
    at = getattr(error, "context_mark", None)
    if getattr(error, "context", None) != "while scanning a simple key" or at is None:
        return False
    row = rows[at.line] if at.line < len(rows) else ""
    return row[at.column : at.column + 1] in {"[", "{"}


_BRACKET_AS_NAME = (
    "not valid YAML: a bracket begins where the name of a field must be",
    "remove the bracket, or indent it below the field that it belongs to",
)
_SYNTAX_HINT = "look here and just above for a bracket, a quote or an indentation that does not fit"
_SYNTAX_HINTS = {
    "mapping values are not allowed in this context": "put quotes around a value with a colon, "
    "and check the indentation",
    "found character that cannot start any token": "put quotes around a value that begins with "
    "@ or `",
    "could not find expected ':'": "a line without a colon; check the one above as well",
    "found unexpected end of stream": "a quote or a bracket is not closed",
}


def _control_character(data: bytes) -> YamlError:
    found = _CONTROL.search(data.decode("utf-8", "replace"))
    offset = len(data.decode("utf-8", "replace")[: found.start()].encode()) if found else 0
    line, column = _position(data, offset)
    return YamlError("binary", "the file holds a control character", "remove it", line, column)
