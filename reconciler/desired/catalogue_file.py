"""Read the catalogue of models that reconcile.yaml pins.

The file has the format of Portkey-AI/models (`general/`, `pricing/` or `combined/`, for one
provider or for several below their names) or of LiteLLM (model_prices_and_context_window.json).
Only the names of models and `deprecation_date` are read. A file with another digest than the pinned
one is an error: it could hide a retirement.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from reconciler.desired.problem_collector import ProblemCollector, SourceOrigin
from reconciler.desired.source import FileSource, UnreadableFile
from reconciler.domain.catalogue import (
    Catalogue,
    ModelFacts,
    build,
    combined,
    provider_named,
    retirement_date,
)
from reconciler.domain.policy import PinnedCatalogue
from reconciler.domain.providers import KNOWN_PROVIDERS

MAX_CATALOGUE = 16 * 1024 * 1024
"""Maximum size of a catalogue in bytes; that of LiteLLM has 1.6 MB."""

UPDATE_HINT = "pin a catalogue with `reconcile catalogue update URL|FILE`"
_SAMPLE = "sample_spec"
_COMMON = "default"
"""Entries of both formats that are not models."""

_DATE = "deprecation_date"
_READ = frozenset({_DATE, "litellm_provider", "provider", "name"})
"""Members whose text is read."""

Document = Mapping[str, Any]


class UnreadableCatalogue(ValueError):
    """Raised for content that is not a catalogue; the message follows the name of the file."""


def read_catalogue(
    source: FileSource, pinned: PinnedCatalogue, problems: ProblemCollector, here: SourceOrigin
) -> Catalogue | None:
    """Return the pinned catalogue; report at `here` and return None if it cannot be used."""
    try:
        content = source.read(pinned.file, limit=MAX_CATALOGUE)
    except UnreadableFile as problem:
        summary = f"the catalogue `{pinned.file}` {problem.summary}"
        hint = problem.hint or UPDATE_HINT
        if problem.code in {"missing-file", "unreadable"}:
            hint = f"add the file, or {UPDATE_HINT}"
        problems.error("catalogue-unreadable", summary, here.at("file"), hint=hint)
        return None
    # Before it is parsed, because only the pinned content is trusted.
    if digest_of(content) != pinned.digest:
        summary = f"the catalogue `{pinned.file}` does not match its digest"
        hint = f"restore the file, or {UPDATE_HINT}; its digest is {digest_of(content)}"
        problems.error("catalogue-digest", summary, here.at("digest"), hint=hint)
        return None
    try:
        return build(parse_catalogue(content, name=pinned.file))
    except UnreadableCatalogue as problem:
        summary = f"the catalogue `{pinned.file}` {problem}"
        problems.error("catalogue-unreadable", summary, here.at("file"), hint=UPDATE_HINT)
        return None


def digest_of(content: bytes) -> str:
    """Return the digest that pins a catalogue."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def parse_catalogue(content: bytes, *, name: str) -> dict[str, dict[str, ModelFacts]]:
    """Return the models of a catalogue by provider; raises `UnreadableCatalogue`.

    A file of a single provider that does not name it is named after it: `openai.json`.
    """
    document = parse_json(content)
    if isinstance(document, list):
        found: dict[str, dict[str, ModelFacts]] = {}
        for part in document:
            _merge(found, _models_of(part, provider=None))
    else:
        found = _models_of(document, provider=_provider_of_file(name))
    if not any(found.values()):
        raise UnreadableCatalogue("lists no model")
    return found


def parse_json(content: bytes) -> Any:
    """Return the document of a catalogue with numbers as strings; raises `UnreadableCatalogue`."""
    try:
        # Numbers are prices, which are not used; as strings, they need no parsing.
        return json.loads(
            content,
            parse_float=str,
            parse_int=str,
            parse_constant=_refuse_constant,
            object_pairs_hook=_members,
        )
    except UnreadableCatalogue:
        raise
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise UnreadableCatalogue(f"is not JSON ({place})") from None
    except (ValueError, RecursionError):
        raise UnreadableCatalogue("is not JSON") from None


def _refuse_constant(name: str) -> None:
    raise UnreadableCatalogue(f"is not JSON: it contains {name}")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object; raises for a second one that could hide a retirement."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found and not _says_the_same(name, found[name], value):
            raise UnreadableCatalogue(f"has two different entries `{name}`")
        found[name] = value
    return found


def _says_the_same(name: str, first: object, second: object) -> bool:
    """Return whether two entries of one name differ only in unused fields, such as prices."""
    if isinstance(first, dict) or isinstance(second, dict):
        return _what_is_read(first) == _what_is_read(second)
    return first == second or name not in _READ


def _what_is_read(entry: object) -> object:
    if not isinstance(entry, dict):
        return entry
    members = {
        name: _what_is_read(value)
        for name, value in entry.items()
        if name in _READ or isinstance(value, dict)
    }
    # Prices are also nested, and have nothing that is read.
    return {name: value for name, value in members.items() if value != {}}


def _models_of(document: object, *, provider: str | None) -> dict[str, dict[str, ModelFacts]]:
    if not isinstance(document, dict) or not document:
        raise UnreadableCatalogue("is neither a file of Portkey-AI/models nor of LiteLLM")
    entries = [item for item in document.values() if isinstance(item, dict)]
    if any("litellm_provider" in item for item in entries):
        return _of_litellm(document)
    named = document.get("provider") or document.get("name")
    if isinstance(named, str):
        return {named: _facts(document.get("models", document))}
    if entries and all(provider_named(key) in KNOWN_PROVIDERS for key in document):
        found: dict[str, dict[str, ModelFacts]] = {}
        for key, part in document.items():
            models = _models_of(part, provider=key)
            # The outer name is used, because inside a part, Portkey names openai `open-ai`.
            _merge(found, {key: _joined(models)})
        return found
    if not any("pricing_config" in item or "type" in item or "params" in item for item in entries):
        raise UnreadableCatalogue("is neither a file of Portkey-AI/models nor of LiteLLM")
    if provider is None:
        raise UnreadableCatalogue("does not name its provider")
    return {provider: _facts(document)}


def _of_litellm(document: Document) -> dict[str, dict[str, ModelFacts]]:
    found: dict[str, dict[str, ModelFacts]] = {}
    for name, entry in document.items():
        provider = entry.get("litellm_provider") if isinstance(entry, dict) else None
        if name != _SAMPLE and isinstance(provider, str):
            found.setdefault(provider, {})[name] = _facts_of(entry)
    return found


def _facts(models: object) -> dict[str, ModelFacts]:
    entries = models.items() if isinstance(models, dict) else ()
    return {
        name: _facts_of(entry)
        for name, entry in entries
        if isinstance(entry, dict) and name != _COMMON
    }


def _facts_of(entry: Document) -> ModelFacts:
    try:
        return ModelFacts(retirement_date(entry.get(_DATE)))
    except (ValueError, TypeError):
        # A date that cannot be read is reported, because it must not count as no date.
        return ModelFacts(is_unclear=True)


def _merge(
    found: dict[str, dict[str, ModelFacts]], more: Mapping[str, Mapping[str, ModelFacts]]
) -> None:
    for provider, models in more.items():
        listed = found.setdefault(provider, {})
        for name, facts in models.items():
            listed[name] = combined(listed.get(name), facts)


def _joined(models: Mapping[str, Mapping[str, ModelFacts]]) -> dict[str, ModelFacts]:
    found: dict[str, dict[str, ModelFacts]] = {}
    for part in models.values():
        _merge(found, {"": part})
    return found.get("", {})


def _provider_of_file(name: str) -> str | None:
    provider = provider_named(PurePosixPath(name).stem)
    return provider if provider in KNOWN_PROVIDERS else None
