"""Expected differences between environments: the entries of `differs` in reconcile.yaml.

An entry is the path of a field, such as `configurations.azure_resource_name`, and may begin with a
pattern of slugs, such as `openai-*: key`. It covers the field and everything inside it. Steps of a
path can be patterns, and the path `*` covers a whole integration, its existence included.
"""

import re
from fnmatch import fnmatchcase

from reconciler.domain.integration import MAPPINGS, target_path
from reconciler.domain.schema import parse_path
from reconciler.domain.tree import Path
from reconciler.frozen_dataclass import dataclass

EVERYTHING: Path = ("*",)
"""Path of an entry that covers whole integrations."""

_WITH_SLUGS = re.compile(r"([A-Za-z0-9_*?-]+)\s*:\s*(\S.*)")
_WILDCARDS = frozenset("*?")


@dataclass(frozen=True, slots=True)
class ExpectedDifference:
    """One entry of `differs`; `text` is the entry for readers."""

    path: Path
    slugs: str = "*"
    text: str = ""

    def covers(self, slug: str, path: Path) -> bool:
        """Return whether a field, or with the empty path an integration, is expected to differ."""
        if not self.concerns(slug):
            return False
        if self.path == EVERYTHING:
            return True
        if len(path) >= len(self.path) and self._matches_beginning(path):
            return True
        # A mapping is another way to fill the field that it names.
        is_mapping = len(path) > 1 and path[0] == MAPPINGS
        return is_mapping and self.covers(slug, target_path(path[1]))

    def reaches_into(self, slug: str, path: Path) -> bool:
        """Return whether the entry can cover a part of the value at a path, but not all of it."""
        if not self.concerns(slug) or self.path == EVERYTHING:
            return False
        if path == (MAPPINGS,):
            return True
        return len(path) < len(self.path) and self._matches_beginning(path)

    def concerns(self, slug: str) -> bool:
        """Return whether the entry is about an integration."""
        return fnmatchcase(slug, self.slugs)

    def _matches_beginning(self, path: Path) -> bool:
        steps = zip(path, self.path, strict=False)
        return all(step == pattern or fnmatchcase(step, pattern) for step, pattern in steps)


def parse_expected(text: str) -> ExpectedDifference | None:
    """Parse an entry of `differs`; return None for any other text."""
    with_slugs = _WITH_SLUGS.fullmatch(text.strip())
    slugs, written = (with_slugs[1], with_slugs[2]) if with_slugs else ("*", text.strip())
    path = parse_path(written)
    return None if path is None else ExpectedDifference(path, slugs, text.strip())


def is_pattern(step: str) -> bool:
    """Return whether a step of a path can match several names."""
    return not _WILDCARDS.isdisjoint(step)
