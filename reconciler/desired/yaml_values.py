"""Values of YAML files, and the reader of a file in which nothing is refused.

YAML does not decide whether `123` is a number or a string; the field does. A scalar that could be
either is a `Plain`, and `apply_types` decides by the schema.

Most files contain nothing that is refused, and only a problem needs positions. `read_documents`
reads such files without them. `desired.yaml_reader` accepts the same files, reports what it refuses
in all others, and takes 1.4 times as long. A file that both accept has the same documents, which
tests/desired/test_yaml_values.py checks.
"""

import math
import re
import sys
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Protocol, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.desired import yaml_errors
from reconciler.desired.yaml_errors import MAX_FAULTS, YamlError
from reconciler.domain.schema import UNKNOWN, FieldSchema
from reconciler.frozen_dataclass import dataclass

MAX_DEPTH = 32
MAX_NODES = 100_000

Step = str | int
Data: TypeAlias = "str | list[Data] | dict[str, Data] | None"
"""Plain data: a scalar is None, a string, or a `Plain` if it may be of another type."""

# Numbers of YAML 1.2's JSON schema, without the leading zeros, octals and underscores of YAML 1.1.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# Digits of the largest 64-bit integer.
_MAX_DIGITS = 19
_MAX_FLOAT = 64
# The first character of a number: other strings need no pattern.
_FIRST_OF_NUMBER = frozenset("-0123456789")


class Plain(str):
    """A scalar without quotes: true, false or a number, unless its field holds strings."""

    __slots__ = ()


# The most frequent scalars; a `Plain` is immutable, so that one of each is enough.
_BOOLEANS = {text: Plain(text) for text in ("true", "false")}


def infer_scalar(text: str) -> bool | int | float | str:
    """Return a scalar's value by YAML 1.2's JSON schema.

    A number that is out of range, or that a float cannot hold without rounding, stays a string.
    """
    if text in {"true", "false"}:
        return text == "true"
    number = _NUMBER.fullmatch(text)
    if number is None:
        # Text becomes a mere `str`: a `Plain` would be typed once more.
        return str(text)
    if number[1] is None and number[2] is None:
        return int(text) if len(text.lstrip("-")) <= _MAX_DIGITS else str(text)
    value = nearest_float(text)
    return str(text) if value is None or not _is_equal(value, text) else value


def _is_equal(value: float, text: str) -> bool:
    """Return whether a float has exactly the value of a number."""
    try:
        # Compared as decimals: `repr` of a float is the shortest text that reads as this float.
        return Decimal(repr(value)) == Decimal(text)
    except InvalidOperation:
        return False  # an exponent of more digits than a decimal can have


def nearest_float(text: str) -> float | None:
    """Return the float that is nearest to a number; None for another text, and out of range."""
    if len(text) > _MAX_FLOAT or _NUMBER.fullmatch(text) is None:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def is_too_precise(text: str) -> bool:
    """Return whether a number stays a string because a float would round it."""
    return isinstance(infer_scalar(text), str) and nearest_float(text) is not None


def _exact_scalar(text: str) -> bool | int | float | Decimal | str:
    """Return a scalar's value for a field that holds decimals of any precision."""
    # A number below the range of a float, such as 1e-400, would need too many digits.
    if is_too_precise(text) and nearest_float(text):
        return Decimal(text)
    return infer_scalar(text)


def apply_types(node: Any, schema: FieldSchema) -> Any:
    """Return the value of a document, or of a part of it, with scalars typed by the schema."""
    kind = type(node)
    if kind is str:
        return node
    if kind is Plain:
        if schema.is_exact:
            return _exact_scalar(node)
        return str(node) if schema.is_text else infer_scalar(node)
    if kind is dict:
        fields, entries = schema.fields, schema.entries or UNKNOWN
        return {
            key: item if type(item) is str else apply_types(item, fields.get(key, entries))
            for key, item in node.items()
        }
    if kind is list:
        entries = schema.entries or UNKNOWN
        return [apply_types(item, entries) for item in node]
    return node


def value_of_plain(text: str) -> str | None:
    """Return the value of a scalar without quotes: None, a string, or a `Plain`."""
    if not text or text == "null":
        return None
    boolean = _BOOLEANS.get(text)
    if boolean is not None:
        return boolean
    return Plain(text) if text[0] in _FIRST_OF_NUMBER and _NUMBER.fullmatch(text) else text


@dataclass(slots=True)
class Document:
    """One document of a file: its number, first line and data."""

    index: int
    line: int
    value: Data


class EventParser(Protocol):
    """A loader of PyYAML, as far as it parses events."""

    def get_event(self) -> Any: ...
    def dispose(self) -> None: ...


ParserFactory = Callable[[bytes], EventParser]
LOADER: Final[ParserFactory] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_documents(data: bytes, *, parser: ParserFactory = LOADER) -> list[Document] | None:
    """Return the documents of a file, or None if `read_yaml` must read it to report a fault."""
    if find_encoding_errors(data):
        return None
    try:
        loader = parser(data)
        try:
            return _ValueReader(loader.get_event).documents()
        finally:
            loader.dispose()
    except (_Refused, yaml.YAMLError):
        return None


class _Refused(Exception):
    """Raised for anything that `yaml_reader` refuses."""


class _ValueReader:
    """Reader of the values of a stream of events.

    The parser returns complete nodes, so that a method can rely on the order of events: the names
    and values of a mapping alternate. Recursion is limited to `MAX_DEPTH` levels.
    """

    def __init__(self, get_event: Callable[[], Any]) -> None:
        self._get_event = get_event
        self._nodes = 0

    def documents(self) -> list[Document]:
        """Read all documents of the stream."""
        found: list[Document] = []
        while type(event := self._get_event()) is not StreamEndEvent:
            if type(event) is DocumentStartEvent:
                root = self._get_event()
                line = root.start_mark.line + 1
                found.append(Document(len(found), line, self._read(root, 0)))
                self._count(1)
        return found

    def _read(self, event: Any, depth: int) -> Data:
        """Return the value that begins with an event and has `depth` containers around it."""
        kind = type(event)
        if kind is AliasEvent or event.tag is not None:
            raise _Refused
        if kind is ScalarEvent:
            # A plain scalar has the style "" with libyaml and None with the parser in Python.
            return event.value if event.style else value_of_plain(event.value)
        if depth >= MAX_DEPTH:
            raise _Refused
        is_mapping = kind is MappingStartEvent
        return self._mapping(depth + 1) if is_mapping else self._sequence(depth + 1)

    def _mapping(self, depth: int) -> dict[str, Data]:
        found: dict[str, Data] = {}
        # Local names, because this loop runs for each name of each file.
        get_event = self._get_event
        while type(name := get_event()) is not MappingEndEvent:
            if type(name) is not ScalarEvent or name.tag is not None:
                raise _Refused
            # The same names occur in every file; one string for each saves memory.
            key = sys.intern(name.value)
            # A merge key is refused, although a quoted name can be the same.
            if key in found or key == "<<":
                raise _Refused
            event = get_event()
            value = self._read(event, depth)
            if value is None and _has_no_colon(name, event):
                raise _Refused
            found[key] = value
        self._count(2 * len(found))
        return found

    def _sequence(self, depth: int) -> list[Data]:
        found: list[Data] = []
        get_event = self._get_event
        while type(event := get_event()) is not SequenceEndEvent:
            found.append(self._read(event, depth))
        self._count(len(found))
        return found

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Refused


def _has_no_colon(name: Any, value: Any) -> bool:
    """Return whether a name ends where its empty value ends, as `y` in `{a: x,y}`."""
    return bool(name.end_mark.index == value.end_mark.index)


_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# Not `=======`: text in a block scalar may be underlined with it.
_MARKER = re.compile(rb"^(<{7}|>{7})(?: .*)?\r?$", re.MULTILINE)


def find_encoding_errors(data: bytes) -> list[YamlError]:
    """Return errors that make parsing pointless: encoding, binary content, conflict markers."""
    # Before the search for NUL, which UTF-16 has in each ASCII character.
    if data.startswith(_UTF16):
        return [YamlError("not-utf8", "the file is UTF-16, not UTF-8", "save it as UTF-8")]
    zero = data.find(b"\0")
    if zero >= 0:
        line, column = yaml_errors.position_in(data, zero)
        return [YamlError("binary", "the file is not text", "save it as UTF-8 text", line, column)]
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = yaml_errors.position_in(data, error.start)
        return [YamlError("not-utf8", "the file is not UTF-8", "save it as UTF-8", line, column)]
    # A quick test, so that the pattern does not scan every file.
    if b"<<<<<<<" in data or b">>>>>>>" in data:
        return _conflicts(data)
    return []


def _conflicts(data: bytes) -> list[YamlError]:
    markers = [(m.start(), m[1][:1]) for m in _MARKER.finditer(data)]
    # One report for each conflict, at its first marker.
    starts = [at for at, sign in markers if sign == b"<"] or [at for at, _ in markers]
    return [
        YamlError(
            "conflict-marker",
            "a merge conflict has not been resolved",
            "choose one side, and remove the lines with <<<<<<<, ======= and >>>>>>>",
            *yaml_errors.position_in(data, at),
        )
        for at in starts[:MAX_FAULTS]
    ]
