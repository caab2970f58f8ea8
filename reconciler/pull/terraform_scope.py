"""The part of an integration that Terraform manages.

Every value comes from the API; the state decides which ones a file declares.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from reconciler.diagnostics import Diagnostic
from reconciler.domain.integration import allows_all_models, mapped_fields
from reconciler.domain.providers import needs_configurations
from reconciler.domain.secrets import Mask, Opaque, Redacted
from reconciler.domain.state import Observed
from reconciler.domain.tree import Tree, Value, is_empty, is_enabled, is_mapping
from reconciler.frozen_dataclass import dataclass
from reconciler.pull import terraform_findings as findings
from reconciler.pull.terraform_state import ManagedEntry, ManagedIntegration, TerraformState
from reconciler.pull.terraform_workspaces import Matched

Report = Callable[[Diagnostic], None]

REQUIRED = frozenset({"slug", "name", "ai_provider_id", "workspace_id"})
"""Fields that identify an integration, or without which it is not valid."""

_IDENTITY = frozenset({"slug", "id", "enabled"})
"""Members of an entry without which it declares nothing."""

# It hides both ends, so it does not contradict any value.
_HIDDEN = Mask("*****")


@dataclass(frozen=True, slots=True)
class ManagedScope:
    """What a state manages of the integrations that were read; `report` receives findings."""

    state: TerraformState
    matched: Matched
    report: Report

    def without_marked(self, item: ManagedIntegration, seen: Observed, held: Tree) -> Observed:
        """Return an integration without marked values, except those that its document has.

        `held` are the fields of the document.
        """
        fields = dict(seen.fields)
        marked = new_values(item.marked - REQUIRED, fields, held)
        if marked:
            self.report(findings.left_unmanaged(item, sorted(marked)))
        for name in marked:
            del fields[name]
        if is_mapping(fields.get("configurations")):
            fields["configurations"] = self._closed(item, fields["configurations"])
        ids = self.matched.ids
        for part, managed in (("models", self.state.models), ("workspaces", self.state.workspaces)):
            listed = entries_of(seen, part)
            for entry in managed.get(item.slug, ()):
                found = {entry.id} if part == "models" else ids.get(entry.id, frozenset())
                own = _entries(held, part)
                for identity in listed.keys() & found:
                    self._drop_marked(entry, listed, identity, own.get(identity))
            if part in fields:
                fields[part] = list(listed.values())
        return replace(seen, fields=fields)

    def _drop_marked(
        self, entry: ManagedEntry, listed: dict[str, Tree], identity: str, held: Tree | None
    ) -> None:
        """Remove the marked values of an entry, and the whole entry if no file may contain it."""
        if entry.is_marked and held is None:
            self.report(findings.entry_cannot_be_written(entry))
            del listed[identity]
            return
        current = listed[identity]
        dropped = new_values(entry.marked - _IDENTITY, current, held or {})
        listed[identity] = {name: v for name, v in current.items() if name not in dropped}

    def narrow(self, item: ManagedIntegration, seen: Observed) -> Observed:
        """Return an integration with the values that Terraform manages."""
        names = (REQUIRED | item.managed) - item.marked
        if needs_configurations(str(seen.fields.get("ai_provider_id"))):
            names |= {"configurations"}
        marked = sorted(name for name in item.marked if not is_empty(seen.fields.get(name)))
        if marked:
            self.report(findings.left_unmanaged(item, marked))
        fields = {name: value for name, value in seen.fields.items() if name in names}
        if ("key",) not in mapped_fields(fields) and "key" in seen.fields:
            fields["key"] = seen.fields["key"]
        if is_mapping(fields.get("configurations")):
            fields["configurations"] = self._closed(item, fields["configurations"])
        models, workspaces = self._models(item, seen), self._workspaces(item, seen)
        fields |= {"models": models} if models else {}
        fields |= {"workspaces": workspaces} if workspaces else {}
        # A list that Terraform does not manage stays undeclared, even if the API's is empty.
        return replace(seen, fields=fields, models_read=False, workspaces_read=False)

    def _closed(self, item: ManagedIntegration, value: Value) -> Value:
        """Return a configuration with masks in place of sensitive values that the API shows."""
        if not is_mapping(value):
            return _HIDDEN if isinstance(value, Redacted) else value
        closed: dict[str, Value] = {}
        for name, inner in value.items():
            if isinstance(inner, Opaque):
                # A reference resolves to a string, which never equals a value of another type.
                self.report(findings.left_unmanaged(item, [f"configurations.{name}"]))
            else:
                closed[name] = self._closed(item, inner)
        return closed

    def _models(self, item: ManagedIntegration, seen: Observed) -> list[Value]:
        listed = entries_of(seen, "models")
        wanted = self._wanted(item, self.state.models, listed, lambda slug: frozenset({slug}))
        return [
            _entry(listed[slug], "slug", managed)
            for slug, managed in sorted(wanted.items(), key=_by_id)
        ]

    def _workspaces(self, item: ManagedIntegration, seen: Observed) -> list[Value]:
        listed, ids = entries_of(seen, "workspaces"), self.matched.ids
        wanted = self._wanted(
            item, self.state.workspaces, listed, lambda given: ids.get(given, frozenset())
        )
        return [
            _entry(listed[identity], "id", managed)
            for identity, managed in sorted(wanted.items(), key=_by_id)
        ]

    def _wanted(
        self,
        item: ManagedIntegration,
        managed: Mapping[str, tuple[ManagedEntry, ...]],
        listed: Mapping[str, Tree],
        ids_of: Callable[[str], Collection[str]],
    ) -> dict[str, ManagedEntry]:
        """Return the managed entries by the id that the API lists; report all others."""
        wanted: dict[str, ManagedEntry] = {}
        hidden: set[str] = set()
        for entry in managed.get(item.slug, ()):
            found = [identity for identity in ids_of(entry.id) if identity in listed]
            if entry.is_marked:
                self.report(findings.entry_cannot_be_written(entry))
                hidden.update(found)
                continue
            if not found:
                self.report(findings.entry_not_in_api(entry, item.label))
            wanted |= dict.fromkeys(found, entry)
        part = "models" if managed is self.state.models else "workspaces"
        # A value that the state marks must not be reported as missing in the state.
        known = wanted.keys() | hidden
        others = [i for i, e in listed.items() if i not in known and is_enabled(e)]
        # If all models are allowed, the API lists each of them as enabled.
        if others and not (part == "models" and allows_all_models(item.plain)):
            at = item.resource.at
            self.report(findings.entry_not_in_state(item.label, part, sorted(others), at))
        return wanted


def new_values(names: Iterable[str], fields: Tree, held: Tree) -> frozenset[str]:
    """Return the names whose values a document does not have yet."""
    return frozenset(
        name
        for name in names
        if not is_empty(fields.get(name)) and fields.get(name) != held.get(name)
    )


def entries_of(seen: Observed, name: str) -> dict[str, Tree]:
    """Return the entries of a list of an observed integration by their id."""
    return _entries(seen.fields, name)


def _entries(fields: Tree, name: str) -> dict[str, Tree]:
    entries = fields.get(name)
    key = "slug" if name == "models" else "id"
    return {
        str(entry[key]): entry
        for entry in (entries if isinstance(entries, list | tuple) else ())
        if is_mapping(entry) and isinstance(entry.get(key), str)
    }


def _by_id(item: tuple[str, ManagedEntry]) -> str:
    return item[0]


def _entry(listed: Tree, key: str, managed: ManagedEntry) -> dict[str, Value]:
    """Return the fields of an entry of the API that its resource also has."""
    return {name: item for name, item in listed.items() if name == key or name in managed.values}
