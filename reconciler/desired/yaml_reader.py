"""Read YAML strictly, as plain data with a source position for every value, and report its faults.

Built on the events of libyaml: its composer recurses, so that a file of brackets would crash the
process, and its constructor follows YAML 1.1. Aliases, merge keys and tags are refused.

A file without faults is also read by `desired.yaml_values`, which is faster.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import field
from typing import Any, Final, NoReturn, TypeAlias, cast

import yaml
from yaml.error import Mark, MarkedYAMLError
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
from reconciler.desired.yaml_errors import MAX_FAULTS, YamlError
from reconciler.desired.yaml_values import (
    LOADER,
    MAX_DEPTH,
    MAX_NODES,
    Data,
    Document,
    ParserFactory,
    Plain,
    Step,
    find_encoding_errors,
    value_of_plain,
)
from reconciler.frozen_dataclass import dataclass

_DROPPED: Final = Plain("")
"""Key of a value that is not kept; compared by identity."""
_BOM = "\ufeff"

_Container: TypeAlias = "list[Data] | dict[str, Data]"


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a file; line and column count from 0."""

    line: int
    column: int
    length: int


@dataclass(slots=True)
class YamlFile:
    """The documents of a file, its errors, and the events that mark each value."""

    documents: list[Document] = field(default_factory=list)
    faults: list[YamlError] = field(default_factory=list)
    marks: dict[tuple[int, Step], tuple[Event, Event]] = field(default_factory=dict)
    roots: dict[int, Event] = field(default_factory=dict)

    @property
    def broken(self) -> bool:
        """Whether a value is missing or wrong, so that further checks would be misleading."""
        return any(fault.fatal for fault in self.faults)

    def span(self, index: int, path: tuple[Step, ...], *, key: bool = False) -> Span:
        """Return the span of a value, or of the innermost value around it.

        With `key`, the span of the last step's name instead of its value.
        """
        # By number, because an empty document between two others has none in the list.
        document = next((d for d in self.documents if d.index == index), None)
        if document is None:
            return Span(0, 0, 1)
        event = self.roots[index]
        node: Any = document.value
        for depth, step in enumerate(path, start=1):
            pair = self.marks.get((id(node), step))
            if pair is None:
                break
            event = pair[0] if key and depth == len(path) else pair[1]
            node = node[step]
        return _span_of(event)


def read_yaml(data: bytes, *, parser: ParserFactory = LOADER) -> YamlFile:
    """Read all documents of a file and collect its errors; nothing is raised.

    `parser` is a loader class of PyYAML, by default that of libyaml if it is installed.
    """
    faults = find_encoding_errors(data)
    if faults:
        return YamlFile(faults=faults)
    parsed, error = _parse(data, parser)
    if error is None:
        return parsed
    if isinstance(error, MarkedYAMLError) and yaml_errors.is_nesting_limit(error):
        return _parse_up_to(error, data, parser)
    parsed.faults.append(yaml_errors.describe_parser_error(error, data))
    return parsed


def _parse(data: bytes, parser: ParserFactory) -> tuple[YamlFile, yaml.YAMLError | None]:
    """Parse a file to its end, to a refused construct, or to an error of the parser."""
    parsed = YamlFile()
    try:
        loader = parser(data)
        try:
            _Builder(parsed).consume(loader.get_event)
        finally:
            loader.dispose()
    # The fault that has stopped the builder is recorded in `parsed`.
    except _Stop:
        pass
    except yaml.YAMLError as error:
        return parsed, error
    return parsed, None


def _parse_up_to(limit: MarkedYAMLError, data: bytes, parser: ParserFactory) -> YamlFile:
    """Parse the part of a file that precedes the parser's own nesting limit.

    PyYAML 6.0.4 refuses 1,000 levels while it scans ahead, before it has returned the event of the
    33rd level. Without the text after the limit, it returns these events, and the builder finds the
    location.
    """
    text = data.decode("utf-8").removeprefix(_BOM)
    end = limit.problem_mark.index if limit.problem_mark is not None else 0
    parsed, error = _parse(text[:end].encode("utf-8"), parser)
    if error is not None and not parsed.broken:
        parsed.faults.append(yaml_errors.describe_parser_error(error, data))
    if not parsed.broken:
        parsed.faults.append(yaml_errors.describe_parser_error(limit, data))
    return parsed


class _Stop(Exception):
    """Raised if the rest of a file does not need to be read."""


class _Builder:
    """Builder of data from events; the stack is a list, so that no recursion is needed."""

    def __init__(self, parsed: YamlFile) -> None:
        self.parsed = parsed
        self.stack: list[tuple[_Container | None, str | None, Event | None]] = []
        self.container: _Container | None = None
        self.key: str | None = None
        self.key_event: Event | None = None
        self.nodes = 0
        self.index = -1
        # Marks are kept by the identity of a container, which a freed one would pass on.
        self.dropped: list[Data] = []

    def consume(self, get_event: Callable[[], Any]) -> None:
        """Read events to the end of the file."""
        while (event := get_event()) is not None:
            # Compared by identity, which is faster than `isinstance`: this runs for each event.
            kind = type(event)
            if kind is ScalarEvent:
                self._scalar(event)
            elif kind is MappingStartEvent:
                self._start({}, event)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self.container, self.key, self.key_event = self.stack.pop()
            elif kind is SequenceStartEvent:
                self._start([], event)
            elif kind is AliasEvent:
                self._refuse("alias", event)
                # Added in place of the value, so that the name before it gets a value.
                self._add(None, event)
            elif kind is DocumentStartEvent:
                self.index += 1
            elif kind is StreamEndEvent:
                return

    def _scalar(self, event: ScalarEvent) -> None:
        self._count(event)
        value: str | None = event.value
        # A plain scalar has the style "" with libyaml and None with the parser in Python.
        if event.style is None or event.style == "":
            # A name is always a string.
            if self.key is None and type(self.container) is dict:
                if value == "<<":
                    self._refuse("merge-key", event)
                    self.key, self.key_event = _DROPPED, event
                    return
            else:
                self._check_value(event)
                value = value_of_plain(event.value)
        self._add(value, event)

    def _check_value(self, event: ScalarEvent) -> None:
        """Refuse a name without a colon: in `{a: x,y}` the name `y` may be part of a string."""
        if self.key is None or self.key_event is None or event.value:
            return
        if _mark(event.end_mark).index == _mark(self.key_event.end_mark).index:
            self._refuse("missing-value", event)

    def _start(self, container: _Container, event: MappingStartEvent | SequenceStartEvent) -> None:
        self._count(event)
        if len(self.stack) >= MAX_DEPTH:
            self._stop("too-deep", event)
        if self.key is None and type(self.container) is dict:
            self._stop("complex-key", event)
        self._add(container, event)
        self.stack.append((self.container, None, None))
        self.container, self.key = container, None

    def _count(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._stop("too-many-nodes", event)
        if event.tag is not None:
            self._refuse("tag", event)

    def _add(self, value: Data, event: Event) -> None:
        container = self.container
        if container is None:
            line = _mark(event.start_mark).line + 1
            self.parsed.documents.append(Document(self.index, line, value))
            self.parsed.roots[self.index] = event
        elif type(container) is list:
            self.parsed.marks[id(container), len(container)] = (event, event)
            container.append(value)
        elif self.key is None:
            self._add_key(value, event)
        elif isinstance(container, dict):
            if self.key is not _DROPPED and self.key_event is not None:
                container[self.key] = value
                self.parsed.marks[id(container), self.key] = (self.key_event, event)
            else:
                self.dropped.append(value)
            self.key = None

    def _add_key(self, key: Data, event: Event) -> None:
        if not isinstance(key, str):
            self._stop("complex-key", event)
        first = self.parsed.marks.get((id(self.container), key))
        self.key_event = event
        if first is None:
            # The same names occur in every file; one string for each saves memory.
            self.key = sys.intern(str(key))
            return
        span, first_line = _span_of(event), _mark(first[0].start_mark).line + 1
        self._add_fault(yaml_errors.describe_duplicate(key, first_line, span.line, span.column))
        self.key = _DROPPED

    def _refuse(self, code: str, event: Event) -> None:
        span = _span_of(event)
        self._add_fault(yaml_errors.describe_refusal(code, span.line, span.column))

    def _add_fault(self, fault: YamlError) -> None:
        self.parsed.faults.append(fault)
        if len(self.parsed.faults) >= MAX_FAULTS:
            raise _Stop

    def _stop(self, code: str, event: Event) -> NoReturn:
        self._refuse(code, event)
        raise _Stop


def _mark(mark: object) -> Mark:
    """Return a mark of an event; the parser marks each one, only its types allow None."""
    return cast("Mark", mark)


def _span_of(event: Event) -> Span:
    start, end = _mark(event.start_mark), _mark(event.end_mark)
    length = end.column - start.column if end.line == start.line else 1
    return Span(start.line, start.column, max(1, length))


_LINE_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")


def lines_of(data: bytes) -> list[str]:
    """Split a file into lines as libyaml counts them."""
    return _LINE_BREAK.split(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))
