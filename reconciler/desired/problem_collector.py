"""Collector of problems, which finds the file and line of each value it reports.

Positions are not kept: a file is parsed again if a problem needs a position in it. Origins are kept
during merging, so that a problem names the file that must be edited.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from reconciler.desired.source import FileSource, UnreadableFile
from reconciler.desired.suggestions import did_you_mean
from reconciler.desired.yaml_values import Document, Step, read_documents
from reconciler.diagnostics import Diagnostic, Severity, SourceLocation
from reconciler.domain.secrets import SecretRef
from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from reconciler.desired.yaml_reader import YamlFile

Steps = tuple[Step, ...]
ReferenceCheck = Callable[[SecretRef], Diagnostic | None]
"""Returns an objection of the caller to a reference, None if there is none."""

_CACHED_FILES = 16
_MAX_PER_FILE = 200
"""Maximum number of reported problems of one file; more usually have one cause."""
_MAX_COMPARED = 100_000
"""Maximum number of words that are compared for suggestions in total; more would take seconds."""

_DEFAULT_HINTS: Mapping[str, str] = MappingProxyType(
    {
        "conflicting-fields": "keep one of the two",
        "invalid-value": "run `reconcile schema` to see the values of each field",
        "missing-field": "run `reconcile schema` to see the fields and their values",
        "unknown-field": "remove it; `reconcile schema` lists the known fields",
        "unknown-slug": "correct the slug, or declare the integration in integrations/",
        "wrong-type": "run `reconcile schema` to see the type of each field",
    }
)
"""Hints for problems that are reported without one, by code."""


@dataclass(frozen=True, slots=True)
class SourceOrigin:
    """Origin of a value: a file, the number of a document in it, and a path in that document."""

    file: str
    index: int = 0
    path: Steps = ()

    def at(self, *steps: Step) -> "SourceOrigin":
        """Return the origin of a value inside this one."""
        return SourceOrigin(self.file, self.index, (*self.path, *steps))


@dataclass(slots=True)
class Sourced:
    """A document with the origin of every value in it.

    `moved` contains the origins of values from other files, by their path in `value`.
    """

    value: Any
    origin: SourceOrigin
    line: int = 1
    moved: Mapping[Steps, SourceOrigin] = field(default_factory=lambda: MappingProxyType({}))

    def origin_of(self, path: Steps) -> SourceOrigin:
        """Return the origin of the value at a path."""
        if self.moved:
            # The longest prefix of the path comes first, because the innermost value from another
            # file determines the origin.
            for length in range(len(path), 0, -1):
                start = self.moved.get(path[:length])
                if start is not None:
                    return start.at(*path[length:])
        return self.origin.at(*path)


class ProblemCollector:
    """All diagnostics of one load, in the order of discovery.

    `errors` counts the errors of values, reported or not. `check_reference` may object to a
    reference that is otherwise valid. With `expects_creates`, problems are reported that matter
    only if an integration does not exist yet. `accepted_providers` are those that reconcile.yaml
    lists although the public sources do not.
    """

    def __init__(
        self,
        source: FileSource,
        *,
        check_reference: ReferenceCheck | None = None,
        expects_creates: bool = False,
    ) -> None:
        self.check_reference = check_reference
        self.expects_creates = expects_creates
        self._source = source
        self._parsed_files: dict[str, tuple[YamlFile, Sequence[str]]] = {}
        self.diagnostics: list[Diagnostic] = []
        self.accepted_providers: Collection[str] = ()
        self.errors = 0
        self._reported: Counter[str | tuple[str, str]] = Counter()
        self._compared = 0

    def display_path(self, file: str) -> str:
        """Return the displayed path of a file."""
        path = f"{self._source.label}/{file}" if file else self._source.label
        # A file name that is not UTF-8 has surrogates, which no output can encode.
        return path.encode("utf-8", "backslashreplace").decode()

    def error(
        self,
        code: str,
        summary: str,
        origin: SourceOrigin,
        *,
        hint: str = "",
        key: bool = False,
        hide: bool = False,
    ) -> None:
        """Add an error; see `add`."""
        self.add(Severity.ERROR, code, summary, origin, hint=hint, key=key, hide=hide)

    def warning(
        self,
        code: str,
        summary: str,
        origin: SourceOrigin,
        *,
        hint: str = "",
        key: bool = False,
        hide: bool = False,
    ) -> None:
        """Add a warning; see `add`."""
        self.add(Severity.WARNING, code, summary, origin, hint=hint, key=key, hide=hide)

    def add(
        self,
        severity: Severity,
        code: str,
        summary: str,
        origin: SourceOrigin,
        *,
        hint: str = "",
        key: bool = False,
        hide: bool = False,
    ) -> None:
        """Add a problem; `key` points at the name of the field, `hide` omits its value."""
        if not self._is_within_limit(severity, origin.file):
            return
        from reconciler.desired.source_excerpt import excerpt

        parsed, lines = self._parsed(origin.file)
        span = parsed.span(origin.index, origin.path, key=key)
        self.diagnostics.append(
            Diagnostic(
                severity,
                code,
                summary,
                hint or _DEFAULT_HINTS.get(code, ""),
                SourceLocation(self.display_path(origin.file), span.line + 1, span.column + 1),
                excerpt(lines, span.line, span.column, span.length, key=key, hide=hide),
            )
        )

    def did_you_mean(self, word: str, known: Iterable[str]) -> str:
        """Return a hint with the nearest known word; after many searches, which are slow, ""."""
        words = list(known)
        is_first = not self._compared
        self._compared += len(words)
        return did_you_mean(word, words) if is_first or self._compared <= _MAX_COMPARED else ""

    def _is_within_limit(self, severity: Severity, file: str) -> bool:
        """Count a problem; refuse it if its file has many, unless it is the first error there."""
        self._reported[file] += 1
        if severity is Severity.ERROR:
            self.errors += 1
            self._reported[file, "errors"] += 1
            return self._reported[file] <= _MAX_PER_FILE or self._reported[file, "errors"] == 1
        return self._reported[file] <= _MAX_PER_FILE

    def add_unreadable(self, file: str, problem: UnreadableFile) -> None:
        """Add the error of a file that cannot be read."""
        at = SourceLocation(self.display_path(file))
        summary = f"{at.file} {problem.summary}"
        self.diagnostics.append(Diagnostic(Severity.ERROR, problem.code, summary, problem.hint, at))

    def add_stray(self, file: str, summary: str, hint: str) -> None:
        """Add the warning about a file that is not read; its content is not shown."""
        at = SourceLocation(self.display_path(file))
        diagnostic = Diagnostic(Severity.WARNING, "stray-file", summary, hint, at)
        self.diagnostics.append(diagnostic)

    def read_documents(self, file: str, data: bytes) -> list[Document] | None:
        """Return the documents of a file and report its faults.

        None if a value is missing or wrong, so that further checks would be misleading.
        """
        documents = read_documents(data)
        if documents is not None:
            return documents
        from reconciler.desired.yaml_reader import read_yaml

        parsed = read_yaml(data)
        self.add_faults(file, parsed, data)
        return None if parsed.broken else parsed.documents

    def add_faults(self, file: str, parsed: "YamlFile", data: bytes) -> None:
        """Add the errors of a file that is not valid YAML."""
        if not parsed.faults:
            return
        from reconciler.desired.source_excerpt import excerpt
        from reconciler.desired.yaml_reader import lines_of

        lines = lines_of(data)
        for fault in parsed.faults:
            self.diagnostics.append(
                Diagnostic(
                    Severity.ERROR,
                    fault.code,
                    fault.summary,
                    fault.hint,
                    SourceLocation(self.display_path(file), fault.line + 1, fault.column + 1),
                    excerpt(lines, fault.line, fault.column, 1),
                )
            )

    def location_of(self, origin: SourceOrigin, *, key: bool = False) -> SourceLocation:
        """Return the location of a value, or with `key` that of its name."""
        span = self._parsed(origin.file)[0].span(origin.index, origin.path, key=key)
        return SourceLocation(self.display_path(origin.file), span.line + 1, span.column + 1)

    def _parsed(self, file: str) -> "tuple[YamlFile, Sequence[str]]":
        """Return a parsed file and its lines; the latest files are cached."""
        from reconciler.desired.yaml_reader import lines_of, read_yaml

        kept = self._parsed_files.get(file)
        if kept is None:
            try:
                data = self._source.read(file)
            except UnreadableFile:
                # The file was readable before; problems of a file that no longer exists have no
                # excerpt.
                data = b""
            kept = (read_yaml(data), lines_of(data))
            if len(self._parsed_files) >= _CACHED_FILES:
                # A dictionary keeps the order of insertion: the first key is the oldest.
                self._parsed_files.pop(next(iter(self._parsed_files)))
            self._parsed_files[file] = kept
        return kept
