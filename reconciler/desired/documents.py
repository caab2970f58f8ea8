"""Collect the documents of a source by slug: integrations, access fragments, overlays.

This module handles folders and not fields: only the slug of a document is read here.
`desired.overlay` merges the documents.
"""

import re
from collections.abc import Collection, Iterator
from typing import Protocol

from reconciler.desired.config import CONFIG_FILE, Config
from reconciler.desired.overlay import apply_patch
from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin
from reconciler.desired.source import MAX_TOTAL, FileSource, UnreadableFile, is_yaml
from reconciler.desired.suggestions import did_you_mean, nearest
from reconciler.desired.validate import describe
from reconciler.desired.yaml_values import Data, Document
from reconciler.domain.identifiers import SLUG
from reconciler.domain.integration import Integration

INTEGRATIONS, ACCESS, ENVIRONMENTS = "integrations", "access", "environments"
FOLDERS = (INTEGRATIONS, ACCESS, ENVIRONMENTS)
SCHEMA_FILE = "schema.json"
"""JSON Schema of integrations, which `init` writes and editors read."""
SCHEMAS_FOLDER = "schemas"
"""Folder of the JSON Schemas of all other files, named by `reconcile schema --kind`."""

MODELINE = f"# yaml-language-server: $schema=../{SCHEMA_FILE}\n"
"""Comment by which editors find the schema of a file in integrations/."""

_TOP_LEVEL_FILES = frozenset({CONFIG_FILE, "fleet.yaml"})


_ONE_DOCUMENT = (
    "write the fields of each integration at the start of the line, without `- `, and separate "
    "integrations by a line `---`"
)
_BY_SLUG = "write `SLUG:` at the start of a line, and the fields of that integration indented below"


# Markdown, names in capitals such as OWNERS, and files that a `sops:` reference can name.
_DOCUMENTATION = re.compile(
    r"(?i:.+\.(?:md|markdown|rst|adoc)|readme.*|license.*)|[A-Z]+|.+\.(?:sops|enc)\..+"
)
_MAX_STRAYS = 10


def is_in_layout(path: str) -> bool:
    """Return whether a path is reconcile.yaml, a folder of the layout, or inside such a folder."""
    return path == CONFIG_FILE or path.partition("/")[0] in FOLDERS


def blocked_folders(source: FileSource, paths: Collection[str]) -> dict[str, UnreadableFile]:
    """Return the folders of the layout that cannot be read, with the reason.

    These are links and files in place of a folder, and folders without permission. `paths` are
    those of the source.
    """
    # A folder without permission and a link to a folder are listed as if they were files.
    overlays = [p for p in paths if p.startswith(ENVIRONMENTS + "/") and p.count("/") == 1]
    blocked = {}
    for path in (*FOLDERS, *overlays):
        if path not in paths and not source.has_file(path):
            continue
        try:
            # Read although it should be a folder, because the error shows what is there instead.
            source.read(path)
        except UnreadableFile as problem:
            blocked[path] = problem
        else:
            # A YAML file at this path is reported as a stray file.
            if not is_yaml(path):
                # Git writes a link as a file where the file system has no links.
                summary, hint = "is a file, but must be a folder", "replace it with the folder"
                blocked[path] = UnreadableFile("not-a-folder", summary, hint)
    return blocked


class Documents:
    """The documents of a source, read once and then merged for each environment."""

    def __init__(
        self, source: FileSource, problems: ProblemCollector, config: Config | None = None
    ) -> None:
        self._source = source
        self._problems = problems
        self._paths = source.paths()
        self._bytes = 0
        self._incomplete = False
        self._config = config
        self._blocked: set[str] = set()
        self._without_slug: list[Sourced] = []
        self._base: dict[str, Sourced] = {}
        # Before the check for stray files, which skips blocked folders.
        self._report_blocked()
        self._find_strays()
        if config is not None:
            self._find_unused({target.environment for target in config.targets.values()})
        # Integrations before fragments and overlays, which are merged into them by slug.
        for path in self._inside(INTEGRATIONS):
            self._read_integrations(path)
        for path in self._inside(ACCESS):
            for document in self._read(path):
                self._each_slug(path, document, self._base, self._add_fragment)

    def merged(self, environment: str | None) -> Iterator[Sourced]:
        """Return every integration of an environment, those without a slug first."""
        # A copy, because a patch changes entries, and the next environment starts from the base.
        documents = dict(self._base)
        if environment is not None:
            self._overlay(environment, documents)
        yield from self._without_slug
        yield from documents.values()

    def _overlay(self, environment: str, documents: dict[str, Sourced]) -> None:
        folder = f"{ENVIRONMENTS}/{environment}"
        paths = self._inside(folder)
        # A folder that cannot be read has already been reported, and may not be missing.
        if not paths and self._blocked.isdisjoint({ENVIRONMENTS, folder}):
            self._report_missing(environment, folder)
        for path in paths:
            for document in self._read(path):
                self._each_slug(path, document, documents, self._add_patch)

    def _similar_folder(self, environment: str) -> str | None:
        """Return the folder that a target most likely means if its environment has none."""
        known = {p.split("/")[1] for p in self._inside(ENVIRONMENTS) if p.count("/") > 1}
        if environment in known:
            return None
        return nearest(environment, known) or next(
            (name for name in sorted(known) if nearest(name, [environment])), None
        )

    def _report_missing(self, environment: str, folder: str) -> None:
        """Report a target whose environment has no folder, or an empty one."""
        similar = self._similar_folder(environment)
        hint = "add an overlay there, or remove `environment` from the target"
        if similar is not None:
            hint = f"did you mean `{similar}`?"
        where, summary = self._origin_of(environment), f"{folder}/ has no overlay"
        # Without a folder, the name is probably misspelt, and the base alone would be the wrong
        # state.
        if self._source.has_folder(folder):
            self._problems.warning("missing-environment", summary, where, hint=hint)
        else:
            self._problems.error("missing-environment", summary, where, hint=hint)
            self._incomplete = True

    def _origin_of(self, environment: str) -> SourceOrigin:
        """Return the origin of an environment's first mention in reconcile.yaml."""
        targets = self._config.targets if self._config is not None else {}
        names = [name for name, target in targets.items() if target.environment == environment]
        path = ("targets", names[0], "environment") if names else ()
        return SourceOrigin(CONFIG_FILE, path=path)

    def _inside(self, folder: str) -> list[str]:
        return [p for p in self._paths if p.startswith(folder + "/")]

    def _report_blocked(self) -> None:
        """Report the folders that cannot be read; otherwise they would count as empty."""
        for path, problem in blocked_folders(self._source, self._paths).items():
            self._problems.add_unreadable(path, problem)
            self._blocked.add(path)
            self._incomplete = True

    def _find_strays(self) -> None:
        """Report YAML files outside the folders; folders with other names can contain anything."""
        # Without a configuration, this is probably another folder, where these files belong.
        is_other_folder = not self._source.has_file(CONFIG_FILE)
        for path in self._paths:
            folder, _, rest = path.partition("/")
            is_read = folder in FOLDERS and (folder != ENVIRONMENTS or "/" in rest)
            if is_read or path in self._blocked or path in _TOP_LEVEL_FILES:
                continue
            # For example `integration/`, whose files would be ignored silently.
            near = did_you_mean(folder, FOLDERS) if rest and folder not in FOLDERS else ""
            if rest and not near and folder not in FOLDERS:
                continue
            if is_other_folder and not _rename_hint(path):
                continue
            hint = near or _rename_hint(path) or _place_hint(path)
            where = SourceOrigin(path)
            self._problems.warning("stray-file", f"{path} is not read", where, hint=hint)
        self._find_other_files()

    def _find_other_files(self) -> None:
        """Report files in the folders that are neither YAML nor documentation."""
        found = [
            path
            for path in self._source.other_files()
            if path.partition("/")[0] in FOLDERS
            and path not in self._blocked
            and not _DOCUMENTATION.fullmatch(path.rpartition("/")[2])
        ]
        for path in found[:_MAX_STRAYS]:
            summary = f"{path} is not read: its name does not end in .yaml or .yml"
            self._problems.add_stray(path, summary, _other_file_hint(path))
        if len(found) > _MAX_STRAYS:
            path = found[_MAX_STRAYS]
            # One line for the rest, because a folder of images would otherwise hide the other
            # problems.
            summary = f"{path} and {len(found) - _MAX_STRAYS - 1} more files are not read"
            self._problems.add_stray(path, summary, _other_file_hint(path))

    def _find_unused(self, environments: Collection[str | None]) -> None:
        """Report the folders of overlays that no target names, by the first file of each.

        A folder whose name a target misspells is reported there, at `environment`.
        """
        environments = {*environments, *map(self._similar_folder, filter(None, environments))}
        for path in self._inside(ENVIRONMENTS):
            name = path.split("/")[1]
            if "/" in path.removeprefix(f"{ENVIRONMENTS}/") and name not in environments:
                environments = {*environments, name}
                summary = f"{ENVIRONMENTS}/{name}/ is not read, because no target names it"
                hint = f"add `environment: {name}` to a target in {CONFIG_FILE}"
                self._problems.warning("stray-file", summary, SourceOrigin(path), hint=hint)

    def _read(self, path: str) -> list[Document]:
        """Return the documents of a file; report an error and return none if it is invalid."""
        # The limit was reported for the file that exceeded it.
        if self._bytes > MAX_TOTAL:
            return []
        try:
            data = self._source.read(path)
        except UnreadableFile as problem:
            self._problems.add_unreadable(path, problem)
            self._incomplete = True
            return []
        self._bytes += len(data)
        if self._bytes > MAX_TOTAL:
            excess = UnreadableFile(
                "files-too-large",
                "and the files before it exceed 64 MiB",
                "split the integrations into several folders, each with its own reconcile.yaml",
            )
            self._problems.add_unreadable(path, excess)
            self._incomplete = True
            return []
        # With non-fatal faults, every slug of the file is still known.
        documents = self._problems.read_documents(path, data)
        self._incomplete = self._incomplete or documents is None
        return documents or []

    def _read_integrations(self, path: str) -> None:
        before = len(self._problems.diagnostics)
        documents = self._read(path)
        # A trailing `---` leaves a document without content, which declares nothing.
        present = [d for d in documents if d.value is not None]
        # A reported error explains why the file has no documents.
        if not present and len(self._problems.diagnostics) == before:
            self._problems.error(
                "empty-file",
                "the file declares no integration",
                SourceOrigin(path),
                hint="declare one, or delete the file",
            )
        for document in present:
            self._add_integration(path, document, alone=len(present) == 1)

    def _add_integration(self, path: str, document: Document, *, alone: bool) -> None:
        origin, value = SourceOrigin(path, document.index), document.value
        if type(value) is not dict or _holds_several(value):
            kind = "a mapping of integrations" if type(value) is dict else describe(value)
            summary = f"a document must be one integration, not {kind}"
            self._problems.error("wrong-type", summary, origin, hint=_ONE_DOCUMENT)
            # An access fragment may name one of them.
            self._incomplete = True
            return
        sourced = Sourced(value, origin, document.line)
        slug = value.get("slug")
        if not isinstance(slug, str) or not SLUG.fullmatch(slug):
            # Kept, because its other fields can still be checked.
            self._without_slug.append(sourced)
            # An overlay may name the slug that is missing or misspelled here.
            self._incomplete = True
            return
        name = str(slug)
        # The first one in the order of paths counts, so that the report does not depend on the file
        # system.
        first = self._base.setdefault(name, sourced)
        if first is not sourced:
            location = self._problems.location_of(first.origin.at("slug"))
            self._problems.error(
                "duplicate-slug",
                f"`{name}` is declared twice; first at {location.file}:{location.line}",
                origin.at("slug"),
                hint="keep one of the two, or change this slug",
            )
            # Also checked, so that its other mistakes are found in the same run.
            self._without_slug.append(sourced)
        stem = path.rpartition("/")[2].rpartition(".")[0]
        # A file with several documents cannot be named after one of them.
        if alone and stem != name:
            summary = f"the file is named `{stem}`, but its slug is `{name}`"
            hint = f"rename the file to {name}.yaml"
            self._problems.warning("file-name", summary, origin.at("slug"), hint=hint)

    def _each_slug(
        self, path: str, document: Document, documents: dict[str, Sourced], add: "_AddEntry"
    ) -> None:
        """Call `add` for each entry `<slug>: …` of a file whose integration exists."""
        origin, value = SourceOrigin(path, document.index), document.value
        if value is None:
            return
        if type(value) is not dict:
            summary = f"the file must be a mapping with slugs as keys, not {describe(value)}"
            self._problems.error("wrong-type", summary, origin, hint=_BY_SLUG)
            return
        # One error for a file that is written like those in integrations/, not one for each field.
        if type(value.get("slug")) is str and "slug" not in documents:
            slug = value["slug"]
            summary = "the file must be a mapping with slugs as keys, not one integration"
            hint = f"write `{slug}:` in place of this line, and indent the other fields below it"
            self._problems.error("wrong-type", summary, origin.at("slug"), hint=hint, key=True)
            return
        for slug, patch in value.items():
            # An overlay can name only what exists at this point: an earlier patch of the same
            # environment may have removed it.
            if slug in documents:
                add(slug, patch, origin.at(slug), documents)
            # While a file is unread, the slug may be declared in it.
            elif not self._incomplete:
                summary = f"no integration `{slug}` is declared"
                hint = self._problems.did_you_mean(slug, documents)
                self._problems.error("unknown-slug", summary, origin.at(slug), hint=hint, key=True)

    def _add_patch(
        self, slug: str, patch: Data, origin: SourceOrigin, documents: dict[str, Sourced]
    ) -> None:
        if patch is None:
            # Null removes the integration from this environment.
            del documents[slug]
        elif type(patch) is not dict:
            summary = f"a patch must be a mapping or null, not {describe(patch)}"
            self._problems.error("wrong-type", summary, origin)
        elif "slug" in patch:
            summary = "an overlay cannot change the slug of an integration"
            hint = "remove the line; declare another integration in a separate file"
            where = origin.at("slug")
            self._problems.error("invalid-value", summary, where, hint=hint, key=True)
        else:
            error = self._problems.error
            documents[slug] = apply_patch(documents[slug], patch, origin, error)

    def _add_fragment(
        self, slug: str, fragment: Data, origin: SourceOrigin, documents: dict[str, Sourced]
    ) -> None:
        if type(fragment) is not dict:
            summary = f"a fragment must be a mapping with `workspaces`, not {describe(fragment)}"
            hint = "write `workspaces:` below the slug, and the list indented below it"
            self._problems.error("wrong-type", summary, origin, hint=hint)
            return
        for name in fragment:
            if name != "workspaces":
                summary = f"`{name}` is not a field of an access fragment"
                hint = did_you_mean(name, ["workspaces"]) or "remove it; `workspaces` is allowed"
                where = origin.at(name)
                self._problems.error("unknown-field", summary, where, hint=hint, key=True)
        if "workspaces" not in fragment:
            return
        entries = fragment["workspaces"]
        if type(entries) is not list:
            summary = f"`workspaces` must be a list, not {describe(entries)}"
            self._problems.error("wrong-type", summary, origin.at("workspaces"))
        # A value that is not a list is reported when the integration is checked.
        elif entries and isinstance(documents[slug].value.get("workspaces") or [], list):
            where = origin.at("workspaces")
            documents[slug] = add_entries(documents[slug], "workspaces", entries, where)


def _rename_hint(path: str) -> str:
    """Return a hint for `reconcile.yml` and `Fleet.yaml`, whose names are almost right."""
    stem = path.rpartition(".")[0].lower()
    return f"rename it to {stem}.yaml" if f"{stem}.yaml" in _TOP_LEVEL_FILES else ""


def _place_hint(path: str) -> str:
    """Return where a file belongs: an overlay in the folder of its environment."""
    folder, _, name = path.rpartition("/")
    if folder == ENVIRONMENTS:
        return f"move it to {ENVIRONMENTS}/{name.rpartition('.')[0]}/, the folder of an environment"
    return f"move integrations to {INTEGRATIONS}/"


def _other_file_hint(path: str) -> str:
    """Return what to do with a file that is not YAML by its name."""
    folder, _, name = path.rpartition("/")
    stem, _, suffix = name.rpartition(".")
    if suffix.lower() == "json":
        return f"rename it to {stem}.yaml, since JSON is also YAML, or move it out of {folder}/"
    return f"give it a name that ends in .yaml, or move it out of {folder}/"


def _holds_several(value: dict[str, Data]) -> bool:
    """Return whether a mapping holds integrations: by slug, or as a list below one name."""
    if not value or not value.keys().isdisjoint(Integration.model_fields):
        return False
    inner = [i for item in value.values() for i in (item if type(item) is list else [item])]
    return any(type(i) is dict and not i.keys().isdisjoint({"slug", "name"}) for i in inner)


class _AddEntry(Protocol):
    """Merges the entry for a slug into its document."""

    def __call__(
        self, slug: str, entry: Data, origin: SourceOrigin, documents: dict[str, Sourced], /
    ) -> None: ...


def add_entries(document: Sourced, name: str, entries: list[Data], origin: SourceOrigin) -> Sourced:
    """Return a document with entries appended to a keyed list, as they are written."""
    earlier = document.value.get(name) or []
    value = {**document.value, name: [*earlier, *entries]}
    moved = dict(document.moved)
    first = len(earlier)
    # Without earlier entries, the list itself comes from the fragment.
    if not first:
        moved[name,] = origin
    for index in range(len(entries)):
        moved[name, first + index] = origin.at(index)
    return Sourced(value, document.origin, document.line, moved)
