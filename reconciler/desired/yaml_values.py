"""Read the values of a file in which nothing is refused, without the source position of each value.

Most files are such files, and only a problem needs positions. `desired.yaml_reader` accepts the
same files, reports what it refuses in all others, and takes 1.4 times as long. A file that both
accept has the same documents, which tests/desired/test_yaml_values.py checks.
"""

import sys
from collections.abc import Callable
from typing import Any

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

from reconciler.desired.yaml_reader import (
    LOADER,
    MAX_DEPTH,
    MAX_NODES,
    Data,
    Document,
    ParserFactory,
    find_encoding_errors,
    value_of_plain,
)


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
