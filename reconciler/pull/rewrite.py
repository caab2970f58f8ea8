"""Edit a copy of the files so that they declare the observed state.

A slug without a document gets a new file. An existing document is edited in place, or rewritten
with `--force`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, Protocol

from reconciler.desired.documents import (
    ENVIRONMENTS,
    INTEGRATIONS,
    MODELINE,
    SCHEMA_FILE,
    Documents,
)
from reconciler.desired.export import (
    export_integration,
    grants_no_access,
    sort_names,
    write_loadable,
)
from reconciler.desired.integration_builder import build_integration
from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.references import SecretNames
from reconciler.desired.yaml_values import apply_types
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.domain.integration import Integration, WorkspaceAccess
from reconciler.domain.schema import FieldSchema, compiled, show_path
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import Declared, DesiredState, LastAppliedState, Observed
from reconciler.domain.tree import leaves
from reconciler.planning.normalize import normalize
from reconciler.pull.edits import Edit, EditKind, required_edits
from reconciler.pull.working_copy import WorkingCopy

LONGEST_NAME = 240
"""Maximum bytes of a file name without its suffix; file systems allow 255."""

_NO_ACCESS = "no workspace has access; remove this line to stop managing the list"


class WriteOptions(Protocol):
    """Options of a pull that a rewrite needs."""

    @property
    def force(self) -> bool: ...
    @property
    def template(self) -> str | None: ...
    @property
    def keep_mappings(self) -> bool: ...


class Rewrite:
    """Edits a working copy.

    `diagnostics` collects warnings for the user, `left_out` the slugs that no file could declare.
    `folders` are folders of new files inside of integrations/, by slug.
    """

    def __init__(
        self,
        files: WorkingCopy,
        desired: DesiredState,
        *,
        options: WriteOptions,
        last_applied: LastAppliedState,
        today: date,
    ) -> None:
        self.files = files
        self.folders: Mapping[str, str] = {}
        self.diagnostics: list[Diagnostic] = []
        self.left_out: set[str] = set()
        self._desired = desired
        self._options = options
        self._last_applied = last_applied
        self._today = today
        self._namings: dict[str, SecretNames] = {}
        self._touched: dict[str, set[str]] = {}
        self._made: set[tuple[SourceOrigin, EditKind, str]] = set()

    def declare(self, observed: Mapping[str, Observed]) -> tuple[str, ...]:
        """Make the files declare these integrations; return the slugs that they now declare."""
        # Without the overlay of the environment, which may withdraw an existing document.
        base = {str(d.value.get("slug")): d for d in self._documents(None)}
        pulled = []
        for slug, current in observed.items():
            if slug in self._desired.integrations:
                if self._options.force:
                    self._rewrite(current, base[slug])
                pulled.append(slug)
            # Its document exists, but an overlay withdraws it, so a new file would be a duplicate.
            elif slug in base:
                self.diagnostics.append(_withdrawn(slug, self._desired.target.environment))
            elif self._create(current):
                pulled.append(slug)
        # New files have just been written completely, so only older documents are edited.
        existing = {s: observed[s] for s in pulled if s in self._desired.integrations}
        # Withdrawing a value in an overlay exposes the value below it, which is then also edited.
        # No edit is made twice, so the rounds end.
        while self._edit(existing):
            pass
        self._warn_of_shared_names()
        return tuple(slug for slug in pulled if slug not in self.left_out)

    def _documents(self, environment: str | None) -> Iterator[Sourced]:
        source = self.files.source
        findings = ProblemCollector(source)
        yield from Documents(source, findings).merged(environment)

    def _naming(self, slug: str) -> SecretNames:
        """Return the reference names of an integration: declared ones, else last-applied ones."""
        if slug not in self._namings:
            known = {p: r.reference for p, r in self._last_applied.of(slug).secrets.items()}
            declared = self._desired.integrations.get(slug)
            named = leaves(normalize(declared.fields)) if declared else ()
            known |= {path: leaf for path, leaf in named if isinstance(leaf, SecretRef)}
            # A literal value was recorded without a name, so there is no name to write.
            known = {p: r for p, r in known.items() if r.scheme != "literal"}
            template = self._options.template
            self._namings[slug] = SecretNames(slug, template=template, known=known)
        return self._namings[slug]

    def _exported(self, observed: Observed) -> dict[str, Any]:
        naming = self._naming(observed.slug)
        return export_integration(observed, naming, keep_mappings=self._options.keep_mappings)

    def _create(self, observed: Observed) -> bool:
        tree, comments = self._with_empty_list(observed, self._exported(observed))
        text = self._text(observed, tree, comments)
        if text is not None:
            path = self._free_path(observed.slug)
            self.files.put(path, self._with_modeline(text.encode(), path))
        return text is not None

    def _rewrite(self, observed: Observed, document: Sourced) -> None:
        """Rewrite a document, with the fields that the API never reports."""
        tree = self._exported(observed) | _own_fields(document)
        if "workspaces" in tree:
            tree["workspaces"] = _own_workspaces(tree["workspaces"], document)
        tree, comments = self._with_empty_list(observed, tree)
        text = self._text(observed, tree, comments)
        if text is None:
            return
        path, index = document.origin.file, document.origin.index
        self._touched.setdefault(observed.slug, set()).add(path)
        edit = self.files.edit(path)
        edit.replace_document(index, text)
        content = edit.result()
        if not content.endswith(b"\n"):
            content += b"\n"  # as `fmt` writes it, even if the old document had none
        self.files.put(path, self._with_modeline(content, path) if index == 0 else content)

    def _with_modeline(self, content: bytes, path: str) -> bytes:
        """Return a file that names the schema, if the folder has one."""
        up = "../" * path.count("/")
        modeline = MODELINE.replace("../", up).encode()
        # A byte order mark must stay the first character.
        if modeline in content or not content[:1].isascii():
            return content
        return modeline + content if self.files.source_has(SCHEMA_FILE) else content

    def _with_empty_list(
        self, observed: Observed, tree: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Declare that no workspace has access if that was read; also return comments.

        An empty list of models is never written: it would disable models that the provider adds
        later.
        """
        comments: dict[str, str] = {}
        if "workspaces" not in tree and grants_no_access(observed) and self._may_manage(observed):
            tree = {**tree, "workspaces": []}
            comments["workspaces"] = _NO_ACCESS
        return {name: tree[name] for name in sort_names(tree, Integration.model_fields)}, comments

    def _may_manage(self, observed: Observed) -> bool:
        """Whether an empty list of workspaces affects only this target."""
        if self._desired.target.environment is not None:
            return False  # the document is shared with the other environments
        declared = self._desired.integrations.get(observed.slug)
        ignored = declared.lifecycle.ignore if declared is not None else ()
        return all(entry.path[0] != "workspaces" for entry in ignored)

    def _text(
        self, observed: Observed, tree: dict[str, Any], comments: Mapping[str, str]
    ) -> str | None:
        written = write_loadable(tree, today=self._today, comments=comments)
        if written is None:
            self.diagnostics.append(_not_writable(observed.slug))
            self.left_out.add(observed.slug)
            return None
        if written.left_out:
            self.diagnostics.append(_left_out(observed.slug, written.left_out))
        return written.text

    def _free_path(self, slug: str) -> str:
        """Return the path of a new file, with a hash if `<slug>.yaml` is taken or too long."""
        folder = "/".join(part for part in (INTEGRATIONS, self.folders.get(slug)) if part)
        path = f"{folder}/{slug}.yaml"
        # Characters are bytes here, because a slug is ASCII (remote/API.md §1.1).
        if len(slug) > LONGEST_NAME or self.files.has(path):
            mark = hashlib.sha256(slug.encode()).hexdigest()[:8]
            # Nine characters: the hyphen and the hexadecimal digits of the mark.
            path = f"{folder}/{slug[: LONGEST_NAME - 9]}-{mark}.yaml"
        return path

    def _edit(self, observed: dict[str, Observed]) -> bool:
        """Edit differences in existing documents; return whether another round may edit more.

        Integrations that do not load with their edits are reverted and removed from `observed`.
        """
        edits: list[Edit] = []
        unloadable = set(observed)
        for document in self._documents(self._desired.target.environment):
            slug = str(document.value.get("slug"))
            if slug not in observed:
                continue
            declared = build_integration(document, ProblemCollector(self.files.source), self._today)
            if declared is not None:
                unloadable.discard(slug)
                edits += self._required(declared, observed[slug], document)
        for slug in sorted(unloadable):
            del observed[slug]
            self._revert(slug)
        # After a revert, the positions of these edits are no longer valid.
        if unloadable:
            return True
        made = [self._make(edit) for edit in edits]
        return any(made)

    def _required(self, declared: Declared, observed: Observed, document: Sourced) -> list[Edit]:
        """Return the edits of one integration that have not been made before."""
        slug = observed.slug
        found = required_edits(
            declared,
            observed,
            document=document,
            remembered=self._last_applied.of(slug),
            exported=self._exported(observed),
            naming=self._naming(slug),
        )
        self._touched.setdefault(slug, set()).update(edit.origin.file for edit in found)
        return [edit for edit in found if _identity(edit) not in self._made]

    def _revert(self, slug: str) -> None:
        """Revert the edits of an integration that does not load with them."""
        touched = self._touched.get(slug, set())
        for path in touched:
            self.files.restore(path)
        # Other integrations in these files are edited again.
        self._made = {made for made in self._made if made[0].file not in touched}
        self.diagnostics.append(_not_editable(slug))
        self.left_out.add(slug)

    def _make(self, edit: Edit) -> bool:
        """Make one edit; return False if its position no longer exists in the file."""
        at = edit.origin
        self._made.add(_identity(edit))
        file = self.files.edit(at.file)
        withdraws = edit.kind is EditKind.REMOVE and at.file.startswith(ENVIRONMENTS + "/")
        try:
            if edit.kind is EditKind.REPLACE or (withdraws and not edit.is_entry):
                # In an overlay, null withdraws a declaration of a lower layer.
                file.replace(at.index, at.path, None if withdraws else edit.value)
            elif edit.kind is EditKind.INSERT:
                # Only the top level has a defined order, that of the schema.
                order = tuple(Integration.model_fields) if len(at.path) == 1 else ()
                file.insert(at.index, at.path, edit.value, order=order)
            elif edit.kind is EditKind.APPEND:
                file.append(at.index, at.path, edit.value)
            else:
                file.remove(at.index, at.path)
        except (KeyError, IndexError):
            return False
        self.files.put(at.file, file.result())
        return True

    def _warn_of_shared_names(self) -> None:
        """Warn about two secrets with one name: the value of one would be sent for both."""
        owners: dict[SecretRef, list[str]] = {}
        for slug, naming in self._namings.items():
            for path, reference in naming.generated.items():
                owners.setdefault(reference, []).append(f"{slug} {show_path(path)}")
        for reference, places in sorted(owners.items()):
            if len(places) > 1:
                self.diagnostics.append(_shared(reference, places))


def _identity(edit: Edit) -> tuple[SourceOrigin, EditKind, str]:
    # `repr`, because a list or a mapping cannot be hashed.
    return edit.origin, edit.kind, repr(edit.value)


def _own_fields(document: Sourced) -> dict[str, Any]:
    return _known_to_files(document.value, compiled(Integration))


def _known_to_files(written: Any, schema: FieldSchema) -> dict[str, Any]:
    """Return the fields that the API never reports."""
    meant = apply_types(written, schema)
    return {
        name: meant[name]
        for name, field in schema.fields.items()
        if name in meant and (field.facts.write_only or field.facts.local)
    }


def _own_workspaces(entries: list[dict[str, Any]], document: Sourced) -> list[dict[str, Any]]:
    """Return the entries without those of fragments, and with fields that only files have."""
    given = document.value.get("workspaces")
    own: dict[str, dict[str, Any]] = {}
    elsewhere = set()
    for index, entry in enumerate(given if isinstance(given, list) else ()):
        # An entry of a fragment stays there; if it were also written here, it would occur twice.
        if document.origin_of(("workspaces", index)).file != document.origin.file:
            elsewhere.add(entry["id"])
        else:
            own[entry["id"]] = _known_to_files(entry, compiled(WorkspaceAccess))
    return [e | own.get(e["id"], {}) for e in entries if e["id"] not in elsewhere]


def _withdrawn(slug: str, environment: str | None) -> Diagnostic:
    return warning(
        "withdrawn-slug",
        f"{slug}: environment {environment} excludes it with null, so it is not pulled",
        hint="remove the null from the overlay to declare it here",
    )


def _not_writable(slug: str) -> Diagnostic:
    return error(
        "not-writable", f"{slug}: the name or the provider cannot be written to a file; not pulled"
    )


def _not_editable(slug: str) -> Diagnostic:
    return warning(
        "not-editable",
        f"{slug}: the API's values cannot be merged into its files, which are unchanged",
        hint="edit the file, or overwrite it with --force",
    )


def _left_out(slug: str, places: Iterable[Steps]) -> Diagnostic:
    named = ", ".join(".".join(map(str, steps)) for steps in places)
    return warning(
        "left-out",
        f"{slug}: the API's value of {named} cannot be written to a file; left unmanaged",
    )


def _shared(reference: SecretRef, places: list[str]) -> Diagnostic:
    named = ", ".join(places[:4]) + (" …" if len(places) > 4 else "")
    return warning(
        "shared-reference",
        f"{reference} names {len(places)} secrets: {named}",
        hint="give each a separate name, or use {slug} and {field} in --secret-template",
    )
