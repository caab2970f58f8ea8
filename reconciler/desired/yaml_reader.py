"""Read YAML strictly: plain data with a place for everything, and no surprises.

Built on libyaml's events, because its composer recurses (a folder of brackets kills the process)
and its constructor follows YAML 1.1. Left out on purpose: aliases, merge keys, tags. What a scalar
means is decided later, by its field: `desired.scalars`.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from reconciler.desired import yaml_errors
from reconciler.desired.scalars import Plain, may_be_typed
from reconciler.desired.yaml_errors import MAX_FAULTS, YamlError

MAX_DEPTH = 32
MAX_NODES = 100_000

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAYBE_TYPED = frozenset("-0123456789tf")
_DROPPED = object()
_BOM = "\ufeff"

Step = str | int


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file; line and column count from 0."""

    line: int
    column: int
    length: int


@dataclass(slots=True)
class Document:
    """One document of a file, as plain data in which a scalar is None, a text or a `Plain`."""

    index: int
    line: int
    value: Any


@dataclass(slots=True)
class YamlFile:
    """What a file holds. `broken` tells that some of it could not be understood."""

    documents: list[Document] = field(default_factory=list)
    faults: list[YamlError] = field(default_factory=list)
    marks: dict[tuple[int, Step], tuple[Event, Event]] = field(default_factory=dict)
    roots: dict[int, Event] = field(default_factory=dict)

    @property
    def broken(self) -> bool:
        """Tell whether a value is missing or wrong, so that looking further would mislead."""
        return any(fault.fatal for fault in self.faults)

    def spot(self, index: int, path: tuple[Step, ...], *, key: bool = False) -> Span:
        """Find a place by document and path, or the innermost place around it.

        `key` asks for the name of the last step instead of its value.
        """
        document = next((d for d in self.documents if d.index == index), None)
        if document is None:
            return Span(0, 0, 1)
        event, node = self.roots[index], document.value
        for depth, step in enumerate(path, start=1):
            pair = self.marks.get((id(node), step))
            if pair is None:
                break
            event = pair[0] if key and depth == len(path) else pair[1]
            node = node[step]
        return _spot(event)


def read_yaml(data: bytes, *, parser: Any = _LOADER) -> YamlFile:
    """Read all documents of a file and collect what is wrong with it; nothing is raised.

    `parser` is a loader class of PyYAML; libyaml's where it is installed.
    """
    faults = yaml_errors.before_parsing(data)
    if faults:
        return YamlFile(faults=faults)
    reading, error = _parse(data, parser)
    if error is None:
        return reading
    if yaml_errors.is_nesting_limit(error):
        return _parse_up_to(error, data, parser)
    reading.faults.append(yaml_errors.of_parser(error, data))
    return reading


def _parse(data: bytes, parser: Any) -> tuple[YamlFile, yaml.YAMLError | None]:
    """Parse a file up to its end, the first stop or the first error of the parser."""
    reading = YamlFile()
    try:
        loader = parser(data)
        try:
            _Builder(reading).consume(loader.get_event)
        finally:
            loader.dispose()
    except _Stop:
        pass
    except yaml.YAMLError as error:
        return reading, error
    return reading, None


def _parse_up_to(limit: Any, data: bytes, parser: Any) -> YamlFile:
    """Parse the part of a file that is in front of the parser's own nesting limit.

    PyYAML 6.0.4 refuses 1,000 levels while it scans ahead, before it has delivered the event of the
    33rd. Without the text behind the limit it delivers them, and the builder finds the place.
    """
    text = data.decode("utf-8").removeprefix(_BOM)
    reading, error = _parse(text[: limit.problem_mark.index].encode("utf-8"), parser)
    if error is not None and not reading.broken:
        reading.faults.append(yaml_errors.of_parser(error, data))
    if not reading.broken:
        reading.faults.append(yaml_errors.of_parser(limit, data))
    return reading


class _Stop(Exception):
    """Nothing more of this file is worth reading."""


class _Builder:
    """Turn events into data; the stack is a list, so depth costs nothing."""

    def __init__(self, reading: YamlFile) -> None:
        self.reading = reading
        self.stack: list[tuple[Any, Any, Event | None]] = []
        self.container: Any = None
        self.key: Any = None
        self.key_event: Event | None = None
        self.nodes = 0
        self.index = -1

    def consume(self, get_event: Callable[[], Event | None]) -> None:
        """Read events to the end of the file."""
        while (event := get_event()) is not None:
            kind = type(event)
            if kind is ScalarEvent:
                self._scalar(event)
            elif kind is MappingStartEvent:
                self._start({}, event)
            elif kind is SequenceStartEvent:
                self._start([], event)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self.container, self.key, self.key_event = self.stack.pop()
            elif kind is AliasEvent:
                self._fault("alias", event)
                self._add(None, event)
            elif kind is DocumentStartEvent:
                self.index += 1
            elif kind is StreamEndEvent:
                return

    def _scalar(self, event: Any) -> None:
        self._count(event)
        value = event.value
        if event.style is None or event.style == "":
            if self.key is None and type(self.container) is dict:
                if value == "<<":
                    self._fault("merge-key", event)
                    self.key, self.key_event = _DROPPED, event
                    return
            elif value in {"", "null"}:
                self._check_value(event)
                value = None
            elif value[0] in _MAYBE_TYPED and may_be_typed(value):
                value = Plain(value)
        self._add(value, event)

    def _check_value(self, event: Any) -> None:
        """Refuse a name without a colon: in `{a: x,y}` the name `y` may be part of a text."""
        key: Any = self.key_event
        is_member = self.key is not None and key is not None and not event.value
        if is_member and event.end_mark.index == key.end_mark.index:
            self._fault("missing-value", event)

    def _start(self, container: Any, event: Any) -> None:
        self._count(event)
        if len(self.stack) >= MAX_DEPTH:
            self._stop("too-deep", event)
        if self.key is None and type(self.container) is dict:
            self._stop("complex-key", event)
        self._add(container, event)
        self.stack.append((self.container, None, None))
        self.container, self.key = container, None

    def _count(self, event: Any) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._stop("too-many-nodes", event)
        if event.tag is not None:
            self._fault("tag", event)

    def _add(self, value: Any, event: Event) -> None:
        container = self.container
        if container is None:
            mark: Any = event
            line = mark.start_mark.line + 1
            self.reading.documents.append(Document(self.index, line, value))
            self.reading.roots[self.index] = event
        elif type(container) is list:
            self.reading.marks[id(container), len(container)] = (event, event)
            container.append(value)
        elif self.key is None:
            self._add_key(value, event)
        else:
            if self.key is not _DROPPED and self.key_event is not None:
                container[self.key] = value
                self.reading.marks[id(container), self.key] = (self.key_event, event)
            self.key = None

    def _add_key(self, key: Any, event: Any) -> None:
        if not isinstance(key, str):
            self._stop("complex-key", event)
        first = self.reading.marks.get((id(self.container), key))
        self.key_event = event
        if first is None:
            self.key = sys.intern(str(key))
            return
        mark: Any = first[0]
        self._fault("duplicate-key", event, name=key, first=mark.start_mark.line + 1)
        self.key = _DROPPED

    def _fault(self, code: str, event: Any, **facts: Any) -> None:
        spot = _spot(event)
        self.reading.faults.append(yaml_errors.of_event(code, spot.line, spot.column, **facts))
        if len(self.reading.faults) >= MAX_FAULTS:
            raise _Stop

    def _stop(self, code: str, event: Any) -> NoReturn:
        self._fault(code, event)
        raise _Stop


def _spot(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return Span(start.line, start.column, max(1, length))


_LINE_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")


def lines_of(data: bytes) -> list[str]:
    """Split a file into lines as libyaml counts them."""
    return _LINE_BREAK.split(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))
