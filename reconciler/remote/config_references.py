"""Find the providers to which the content of a gateway config refers (remote/API.md §11.3).

The content of a config can contain API keys. Only slugs of known providers leave this module, so
no other text of a config reaches a value that could be shown or stored.
"""

import re
from collections.abc import Collection, Iterator

from reconciler.domain.identifiers import SLUG
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.exchange import read_json

_MENTION = re.compile(r"@([A-Za-z0-9_-]+)")
_VIRTUAL_KEY = "virtualkey"
_NAMES_A_PROVIDER = frozenset({_VIRTUAL_KEY, "provider", "model"})
_NAMES_A_CONFIG = frozenset({"config", "configid", "configslug"})
_TARGETS = "targets"


@dataclass(frozen=True, slots=True)
class ConfigReferences:
    """Known providers that a config names, certainly or possibly.

    It is `unclear` if the config may also refer to providers in a way that is not understood.
    """

    certain: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()
    unclear: bool = False


UNCLEAR = ConfigReferences(unclear=True)
"""References of a config whose content is unknown."""


def references_in(content: object, known: Collection[str]) -> ConfigReferences:
    """Return the references in the content of a config, an object or JSON text."""
    if isinstance(content, str):
        try:
            content = read_json(content)
        except (ValueError, RecursionError):
            return UNCLEAR
    if not isinstance(content, dict):
        return UNCLEAR
    found = _Found(known)
    for key, value in _members(content):
        found.add(key, value)
    return ConfigReferences(
        frozenset(found.certain), frozenset(found.possible - found.certain), found.unclear
    )


def _members(content: dict[str, object]) -> Iterator[tuple[str, object]]:
    """Yield every value in an object with the normalized name of its field, at any depth."""
    # A stack, because a config can be nested deeper than Python's own stack.
    waiting: list[tuple[str, object]] = [("", content)]
    while waiting:
        name, value = waiting.pop()
        yield name, value
        if isinstance(value, dict):
            waiting += [(_normalized(key), item) for key, item in value.items()]
        elif isinstance(value, list):
            # An entry has the name of its list.
            waiting += [(name, item) for item in value]


def _normalized(key: object) -> str:
    # The gateway accepts `virtual_key` and `virtualKey`.
    return str(key).lower().replace("_", "").replace("-", "")


class _Found:
    """References found so far."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known
        self.certain: set[str] = set()
        self.possible: set[str] = set()
        self.unclear = False

    def add(self, name: str, value: object) -> None:
        """Record what one value refers to."""
        if isinstance(value, str):
            self._add_text(name, value)
        elif name == _TARGETS:
            self.unclear |= not isinstance(value, dict | list)
        elif name in {_VIRTUAL_KEY, "provider"}:
            # Both are strings; a list of them is walked like any other.
            self.unclear |= value is not None and not isinstance(value, list)

    def _add_text(self, name: str, text: str) -> None:
        if name == _TARGETS or (name in _NAMES_A_CONFIG and text):
            # A target by name, or another config, whose providers are not known here.
            self.unclear = True
            return
        if name == _VIRTUAL_KEY:
            slug = text.removeprefix("@")
            # Anything but a slug, such as a template, is resolved by the gateway.
            self.unclear |= bool(text) and SLUG.fullmatch(slug) is None
            if slug in self._known:
                self.certain.add(slug)
            return
        if name in _NAMES_A_PROVIDER and text.startswith("@"):
            slug = text[1:].partition("/")[0]
            self.unclear |= SLUG.fullmatch(slug) is None
            if slug in self._known:
                self.certain.add(slug)
            return
        # A template can become the name of any provider.
        self.unclear |= name in _NAMES_A_PROVIDER and any(mark in text for mark in ("{{", "${"))
        self.possible.update(slug for slug in _MENTION.findall(text) if slug in self._known)
