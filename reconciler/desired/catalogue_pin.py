"""Pin a catalogue: write its file, and its digest into reconcile.yaml, in place.

The catalogue is written first: if the second write fails, the first one is undone. If the process
ends in between, the digest does not match, and every command reports this.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from yaml import MappingNode

from reconciler.desired.atomic_write import replace_file
from reconciler.desired.catalogue_file import (
    UnreadableCatalogue,
    digest_of,
    parse_catalogue,
)
from reconciler.desired.config import CONFIG_FILE, Config
from reconciler.desired.load import load_config
from reconciler.desired.source import DirectorySource, MemorySource
from reconciler.desired.yaml_edit import FileEdit, compose
from reconciler.diagnostics import SourceLocation, error, has_errors
from reconciler.domain.catalogue import ModelFacts, provider_named
from reconciler.domain.policy import PinnedCatalogue
from reconciler.errors import InvalidInput, write_hint
from reconciler.frozen_dataclass import dataclass

DEFAULT_FILE = "catalogue.json"
_KEY = "catalogue"
_NO_DIGEST = "sha256:" + "0" * 64
_OF_DIGESTS = frozenset({"invalid-value", "missing-field", "wrong-type"})
"""Codes of problems of a digest that this module has not written."""


@dataclass(frozen=True, slots=True)
class CatalogueSource:
    """Downloaded or local file; its name shows the provider if the content does not."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Pinned:
    """Result: the file as displayed, its digest, and the numbers of what it lists."""

    file: str
    digest: str
    providers: int
    models: int
    retiring: int
    changed: bool


def pin(folder: Path, sources: Sequence[CatalogueSource]) -> Pinned:
    """Write the catalogue of these sources and pin it; raises `InvalidInput`."""
    config, yaml = _read_config(folder)
    file = config.catalogue.file if config.catalogue is not None else DEFAULT_FILE
    content, models = _joined(sources)
    digest = digest_of(content)
    path = _path_of(folder, file)
    edited = _edited(yaml, PinnedCatalogue(file=file, digest=digest))
    before = path.read_bytes() if path.exists() else None
    if before != content or edited != yaml:
        _write(path, content, before=before, config=folder / CONFIG_FILE, edited=edited)
    facts = [item for listed in models.values() for item in listed.values()]
    return Pinned(
        str(PurePosixPath(str(folder)) / file),
        digest,
        providers=len({provider_named(name) for name in models}),
        models=len(facts),
        retiring=sum(item.retires is not None for item in facts),
        changed=before != content or edited != yaml,
    )


def _read_config(folder: Path) -> tuple[Config, bytes]:
    """Return reconcile.yaml; a digest that is missing or a placeholder is the one to be written."""
    config, found = load_config(folder)
    if config is None and all(item.code in _OF_DIGESTS for item in found):
        yaml = _with_some_digest(DirectorySource(folder).read(CONFIG_FILE))
        config, _ = load_config(MemorySource({CONFIG_FILE: yaml}))
        if config is not None:
            return config, yaml
    if config is None or has_errors(found):
        raise InvalidInput(found)
    return config, DirectorySource(folder).read(CONFIG_FILE)


def _with_some_digest(yaml: bytes) -> bytes:
    """Return a valid file with a digest of the right form, if it has a catalogue."""
    edit, fields = FileEdit(yaml), _fields_of(yaml)
    pinned = {key.value for key, _ in fields[_KEY].value} if _is_mapping(fields.get(_KEY)) else ()
    if "digest" in pinned:
        edit.replace(0, (_KEY, "digest"), _NO_DIGEST)
    elif pinned:
        edit.insert(0, (_KEY, "digest"), _NO_DIGEST)
    return edit.result()


def _fields_of(yaml: bytes) -> dict[str, Any]:
    """Return the nodes of the fields of reconcile.yaml."""
    root = compose(yaml.decode("utf-8-sig"))[0]
    return {key.value: value for key, value in root.value} if _is_mapping(root) else {}


def _is_mapping(node: object) -> bool:
    return isinstance(node, MappingNode)


def _joined(
    sources: Sequence[CatalogueSource],
) -> tuple[bytes, Mapping[str, Mapping[str, ModelFacts]]]:
    """Return the content of the file: one source unchanged, or several merged by provider."""
    parts: dict[str, CatalogueSource] = {}
    for source in sources:
        try:
            models = parse_catalogue(source.content, name=source.name)
        except UnreadableCatalogue as problem:
            hint = "pass a file of Portkey-AI/models or of LiteLLM, named after its provider"
            summary = f"{source.name} {problem}"
            raise InvalidInput([error("catalogue-unreadable", summary, hint=hint)]) from None
        if len(sources) == 1 and _names_itself(source.content):
            return source.content, models
        if len(models) != 1:
            hint = "pass a file that lists several providers without other files"
            summary = f"{source.name} lists several providers and cannot be merged with other files"
            raise InvalidInput([error("catalogue-unreadable", summary, hint=hint)])
        [named] = models
        provider = provider_named(named)
        if provider in parts:
            summary = f"{parts[provider].name} and {source.name} both list models of {provider}"
            raise InvalidInput([error("catalogue-unreadable", summary, hint="pass one of them")])
        parts[provider] = source
    members = [f"{json.dumps(name)}: {_text_of(parts[name])}" for name in sorted(parts)]
    content = "{{\n{}\n}}\n".format(",\n".join(members)).encode()
    return content, parse_catalogue(content, name=DEFAULT_FILE)


def _text_of(source: CatalogueSource) -> str:
    """Return the JSON of a source that was parsed before, with every number unchanged."""
    text = source.content.decode(json.detect_encoding(source.content))
    return text.removeprefix("\N{BYTE ORDER MARK}").strip()


def _names_itself(content: bytes) -> bool:
    """Return whether a file names its provider, so that it can have any name."""
    try:
        parse_catalogue(content, name=DEFAULT_FILE)
    except UnreadableCatalogue:
        return False
    return True


def _path_of(folder: Path, file: str) -> Path:
    """Return where the file is written; a link to another path is refused."""
    real, path = os.path.realpath(folder), folder / file
    if os.path.realpath(path) != f"{real}/{file}":
        summary = f"{path} contains a symbolic link, which is not followed"
        hint = "replace the link with a file or a folder"
        raise InvalidInput([error("symlink", summary, hint=hint, at=SourceLocation(str(path)))])
    return path


def _edited(yaml: bytes, pinned: PinnedCatalogue) -> bytes:
    """Return reconcile.yaml with the pinned catalogue, and every other byte unchanged."""
    edit = FileEdit(yaml)
    fields = _fields_of(yaml)
    value = {"file": pinned.file, "digest": pinned.digest}
    if _KEY not in fields:
        edit.insert(0, (_KEY,), value)
    elif _is_mapping(fields[_KEY]) and fields[_KEY].value:
        edit.replace(0, (_KEY, "digest"), pinned.digest)
    else:
        edit.replace(0, (_KEY,), value)
    edited = edit.result()
    # The edit is textual, so only loading its result shows that it means what was intended.
    config, _ = load_config(MemorySource({CONFIG_FILE: edited}))
    if config is None or config.catalogue != pinned:
        hint = f"add `{_KEY}: {{file: {pinned.file}, digest: {pinned.digest}}}` to it"
        raise InvalidInput([error("not-pinned", f"{CONFIG_FILE} cannot be edited", hint=hint)])
    return edited


def _write(
    path: Path, content: bytes, *, before: bytes | None, config: Path, edited: bytes
) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
        try:
            replace_file(config, edited)
        # Also on Ctrl-C, because every command fails if a catalogue does not match its digest.
        except BaseException:
            if before is None:
                path.unlink(missing_ok=True)
            else:
                replace_file(path, before)
            raise
    except OSError as problem:
        summary = f"the catalogue was not pinned: {problem.strerror or 'cannot write'}"
        raise InvalidInput([error("cannot-save", summary, hint=write_hint(problem))]) from None
