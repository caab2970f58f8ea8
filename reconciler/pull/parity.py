"""Parity: the fields in which the declarations of two environments differ, with locations."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.desired.config import CONFIG_FILE, Config
from reconciler.desired.declarations import bound_tree, merged_documents
from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.source import FileSource
from reconciler.desired.yaml_reader import read_yaml
from reconciler.diagnostics import Diagnostic, SourceLocation, notice
from reconciler.domain.differs import ExpectedDifference, parse_expected
from reconciler.domain.policy import Target
from reconciler.domain.schema import any_provider_schema
from reconciler.domain.tree import Tree
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.normalize import normalize
from reconciler.planning.parity import Absent, Difference, differences, is_expected
from reconciler.pull.edits import follow


@dataclass(frozen=True, slots=True)
class Located:
    """A difference, and where each side declares its value."""

    difference: Difference
    source: SourceLocation | None = None
    target: SourceLocation | None = None


@dataclass(frozen=True, slots=True)
class Parity:
    """Differences of two targets; `expected` are those that `differs` covers."""

    source: Target
    target: Target
    found: tuple[Located, ...]
    expected: tuple[Located, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def in_parity(self) -> bool:
        """Return whether `differs` covers all differences."""
        return not self.found


def expected_differences(config: Config) -> tuple[ExpectedDifference, ...]:
    """Return the entries of `differs`, which have been checked."""
    parsed = (parse_expected(text) for text in config.differs)
    return tuple(entry for entry in parsed if entry is not None)


def compare(files: FileSource, config: Config, source: Target, target: Target) -> Parity:
    """Compare what two targets declare; the files have been checked for both."""
    comparison = _Comparison(files, source, target, expected_differences(config))
    found = list(comparison.differences())
    covered = [item for item in found if is_expected(item, comparison.expected)]
    return Parity(
        source,
        target,
        found=tuple(comparison.located(item) for item in found if item not in covered),
        expected=tuple(comparison.located(item) for item in covered),
        diagnostics=tuple(comparison.unused(covered)),
    )


class _Comparison:
    def __init__(
        self,
        files: FileSource,
        source: Target,
        target: Target,
        expected: Sequence[ExpectedDifference],
    ) -> None:
        self.expected = expected
        self._files = files
        self._problems = ProblemCollector(files)
        self._targets = (source, target)
        self._documents = tuple(merged_documents(files, t.environment) for t in self._targets)

    def differences(self) -> Iterator[Difference]:
        """Yield the differences of all integrations, ordered by slug and path."""
        ours, theirs = self._documents
        for slug in sorted(ours.keys() | theirs.keys()):
            sides = [
                None if slug not in documents else self._tree(documents[slug], target)
                for documents, target in zip(self._documents, self._targets, strict=True)
            ]
            if sides[0] is not None and sides[1] is not None:
                yield from differences(slug, sides[0], sides[1], self.expected)
            else:
                one, other = (Absent.ABSENT if side is None else side for side in sides)
                yield Difference(slug, (), one, other)

    def located(self, item: Difference) -> Located:
        """Return a difference with the locations of both values."""
        ours, theirs = (self._place(documents, item) for documents in self._documents)
        return Located(item, ours, theirs)

    def unused(self, covered: Sequence[Difference]) -> Iterator[Diagnostic]:
        """Yield a notice for each entry of `differs` that covers no difference."""
        places = _places_of_differs(self._files)
        for entry in self.expected:
            if any(entry.covers(item.slug, item.path) for item in covered):
                continue
            at = SourceOrigin(CONFIG_FILE, path=places.get(entry.text, ("differs",)))
            names = " and ".join(f"`{target.name}`" for target in self._targets)
            yield notice(
                "differs-unused",
                f"`{entry.text}` in `differs` matches no difference of {names}",
                hint="remove it, unless other environments need it",
                at=self._problems.location_of(at),
            )

    @staticmethod
    def _tree(document: Sourced, target: Target) -> Tree:
        return normalize(bound_tree(document.value, target.known_fields))

    def _place(self, documents: Mapping[str, Sourced], item: Difference) -> SourceLocation | None:
        document = documents.get(item.slug)
        if document is None:
            return None
        steps, covered, _ = follow(document.value, item.path, any_provider_schema())
        if covered < len(item.path):
            return None
        origin = document.origin_of(steps) if steps else document.origin
        return self._problems.location_of(origin, key=bool(steps) and isinstance(steps[-1], str))


def _places_of_differs(files: FileSource) -> dict[str, Steps]:
    """Return the path of each entry of `differs`, whose form has been checked, by its text."""
    config: Any = read_yaml(files.read(CONFIG_FILE)).documents[0].value
    places: dict[str, Steps] = {}
    for index, entry in enumerate(config.get("differs") or ()):
        if isinstance(entry, str):
            places[entry.strip()] = ("differs", index)
            continue
        # YAML reads `- openai-*: key` as a mapping.
        for slugs, path in entry.items():
            places[f"{slugs}: {path}"] = ("differs", index, slugs)
    return places
