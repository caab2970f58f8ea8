"""Locations of references: the line that names a secret, for a value that is missing.

Positions are not kept when files are loaded. A missing secret is rare, so the files are read again
for it.
"""

from collections.abc import Iterator

from reconciler.desired.config import CONFIG_FILE, Config
from reconciler.desired.documents import Documents
from reconciler.desired.problem_collector import ProblemCollector, SourceOrigin, Steps
from reconciler.desired.references import parse_reference
from reconciler.desired.source import FileSource
from reconciler.desired.yaml_reader import Data
from reconciler.diagnostics import SourceLocation
from reconciler.domain.secrets import SecretRef


class ReferenceLocator:
    """Finds the first place where an integration of an environment names a reference."""

    def __init__(self, source: FileSource, config: Config, environment: str | None) -> None:
        self._source = source
        self._config = config
        self._environment = environment
        self._problems = ProblemCollector(source)
        self._origins: dict[tuple[str, SecretRef], SourceOrigin] | None = None

    def __call__(self, slug: str, reference: SecretRef) -> SourceLocation | None:
        """Return the location of a reference, None if the files no longer hold it."""
        if self._origins is None:
            self._origins = dict(self._find_all())
        origin = self._origins.get((slug, reference))
        return None if origin is None else self._problems.location_of(origin)

    def _find_all(self) -> Iterator[tuple[tuple[str, SecretRef], SourceOrigin]]:
        documents = Documents(self._source, self._problems, self._config)
        for document in documents.merged(self._environment):
            slug = str(document.value.get("slug"))
            found: dict[SecretRef, Steps] = {}
            for reference, steps in _references(document.value, ()):
                found.setdefault(reference, steps)
            for reference, steps in found.items():
                yield (slug, reference), document.origin_of(steps)


def api_key_location(source: FileSource, target: str) -> SourceLocation:
    """Return where reconcile.yaml names the API key of a target."""
    origin = SourceOrigin(CONFIG_FILE, path=("targets", target, "api_key"))
    return ProblemCollector(source).location_of(origin)


def _references(node: Data, steps: Steps) -> Iterator[tuple[SecretRef, Steps]]:
    if isinstance(node, str):
        reference = parse_reference(node) if node.startswith("${") else None
        if reference is not None:
            yield reference, steps
    elif isinstance(node, dict):
        for name, item in node.items():
            yield from _references(item, (*steps, name))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _references(item, (*steps, index))
