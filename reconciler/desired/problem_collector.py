"""Collect what is wrong and find the line each value came from.

Positions are not kept while everything is right: a file is read again when a finding needs a place
in it. Origins survive merging, so a finding names the file that a person has to edit.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from reconciler.desired.source import FileSource, UnreadableFile
from reconciler.desired.source_excerpt import excerpt
from reconciler.desired.suggestions import did_you_mean
from reconciler.desired.yaml_reader import Step, YamlFile, lines_of, read_yaml
from reconciler.diagnostics import Diagnostic, Severity, SourceLocation
from reconciler.domain.secrets import SecretRef

Steps = tuple[Step, ...]
ReferenceCheck = Callable[[SecretRef], Diagnostic | None]
"""Gives what the surroundings have against a reference; its place is known here."""

_KEPT_READINGS = 16
_TOLD = 200
"""Findings told of one file; a generated file with more has one cause."""
_SUGGESTED = 500

_REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "conflicting-fields": "keep one of the two",
        "invalid-value": "`reconcile schema` describes what each field may hold",
        "missing-field": "`reconcile schema` describes the fields and their values",
        "unknown-configuration-field": "if it is new at the vendor, leave it as it is",
        "unknown-field": "remove it; `reconcile schema` lists the fields there are",
        "unknown-provider": "if it is new at the vendor, leave it as it is",
        "unknown-slug": "correct it, or declare the integration in integrations/",
        "wrong-type": "`reconcile schema` describes what each field may hold",
    }
)
"""What to do where nothing better can be said: no problem is told without a way out."""


@dataclass(frozen=True, slots=True)
class SourceOrigin:
    """Where a value stands: a file, the number of the document in it, a path in that document."""

    file: str
    index: int = 0
    path: Steps = ()

    def at(self, *steps: Step) -> "SourceOrigin":
        """Give the origin of something inside."""
        return SourceOrigin(self.file, self.index, (*self.path, *steps))


@dataclass(slots=True)
class Sourced:
    """A document with the origin of everything in it.

    `moved` holds what did not come from the document itself: a path in `value`, and the origin of
    what stands there.
    """

    value: Any
    origin: SourceOrigin
    line: int = 1
    moved: Mapping[Steps, SourceOrigin] = field(default_factory=lambda: MappingProxyType({}))

    def origin_of(self, path: Steps) -> SourceOrigin:
        """Give the origin of the value at a path."""
        if self.moved:
            for length in range(len(path), 0, -1):
                start = self.moved.get(path[:length])
                if start is not None:
                    return start.at(*path[length:])
        return self.origin.at(*path)


class ProblemCollector:
    """All diagnostics of one loading, in the order of discovery.

    `errors` counts those of values, told or not; `judge` has an opinion of every reference that is
    otherwise right. `expects_creates` asks for what matters only if an integration does not exist.
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
        self._readings: dict[str, tuple[YamlFile, Sequence[str]]] = {}
        self.diagnostics: list[Diagnostic] = []
        self.errors = 0
        self._told: Counter[str | tuple[str, str]] = Counter()
        self._suggested = 0

    def shown(self, file: str) -> str:
        """Give the path of a file as the user knows it."""
        path = f"{self._source.label}/{file}" if file else self._source.label
        return path.encode("utf-8", "backslashreplace").decode()

    def error(self, code: str, summary: str, origin: SourceOrigin, **details: Any) -> None:
        """Collect an error; `details` are those of `add`."""
        self.add(Severity.ERROR, code, summary, origin, **details)

    def warning(self, code: str, summary: str, origin: SourceOrigin, **details: Any) -> None:
        """Collect a warning; `details` are those of `add`."""
        self.add(Severity.WARNING, code, summary, origin, **details)

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
        """Collect a finding; `key` points at the name of the field, `hide` leaves its value out."""
        if not self._is_worth_telling(severity, origin.file):
            return
        reading, lines = self._reading(origin.file)
        spot = reading.spot(origin.index, origin.path, key=key)
        self.diagnostics.append(
            Diagnostic(
                severity,
                code,
                summary,
                hint or _REMEDIES.get(code, ""),
                SourceLocation(self.shown(origin.file), spot.line + 1, spot.column + 1),
                excerpt(lines, spot.line, spot.column, spot.length, key=key, hide=hide),
            )
        )

    def nearest(self, word: str, known: Iterable[str]) -> str:
        """Suggest a known word, as long as there are few findings; searching takes time."""
        self._suggested += 1
        return did_you_mean(word, known) if self._suggested <= _SUGGESTED else ""

    def _is_worth_telling(self, severity: Severity, file: str) -> bool:
        """Stop after so many findings in a file, but never before its first error."""
        self._told[file] += 1
        if severity is Severity.ERROR:
            self.errors += 1
            self._told[file, "errors"] += 1
            return self._told[file] <= _TOLD or self._told[file, "errors"] == 1
        return self._told[file] <= _TOLD

    def of_file(self, file: str, problem: UnreadableFile) -> None:
        """Collect that a file cannot be used at all."""
        at = SourceLocation(self.shown(file))
        summary = f"{at.file} {problem.summary}"
        self.diagnostics.append(Diagnostic(Severity.ERROR, problem.code, summary, problem.hint, at))

    def of_reading(self, file: str, reading: YamlFile, data: bytes) -> None:
        """Collect the faults of a file."""
        lines = lines_of(data)
        for fault in reading.faults:
            self.diagnostics.append(
                Diagnostic(
                    Severity.ERROR,
                    fault.code,
                    fault.summary,
                    fault.hint,
                    SourceLocation(self.shown(file), fault.line + 1, fault.column + 1),
                    excerpt(lines, fault.line, fault.column, 1),
                )
            )

    def place(self, origin: SourceOrigin, *, key: bool = False) -> SourceLocation:
        """Give the place of a value without saying anything about it."""
        spot = self._reading(origin.file)[0].spot(origin.index, origin.path, key=key)
        return SourceLocation(self.shown(origin.file), spot.line + 1, spot.column + 1)

    def _reading(self, file: str) -> tuple[YamlFile, Sequence[str]]:
        kept = self._readings.get(file)
        if kept is None:
            try:
                data = self._source.read(file)
            except UnreadableFile:
                data = b""
            kept = (read_yaml(data), lines_of(data))
            if len(self._readings) >= _KEPT_READINGS:
                self._readings.pop(next(iter(self._readings)))
            self._readings[file] = kept
        return kept
