"""What an audit reads beyond what a plan compares, and what it adds to the findings. Pure.

A file that lists no models says nothing about them, so a plan does not read them; yet a custom
model may send a credential to a host of its own. An audit adds findings and never an action: the
plan, its digest and its preconditions are made without it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from reconciler.diagnostics import Diagnostic, warning
from reconciler.domain.access import allows_all_models
from reconciler.domain.facts import SubResource
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Tree, Value, is_empty
from reconciler.planning.undeclared import unlisted_workspaces, workspaces_are_left_out

_NAMED = 5
"""Slugs that a sentence names."""

_LOST = {
    SubResource.MODELS: "a host or a custom model there that no file declares is not reported",
    SubResource.WORKSPACES: "the workspaces that have access are not named",
}


@dataclass(frozen=True, slots=True, order=True)
class Unread:
    """A part of an integration that an audit could not read; `reason` says why in a few words."""

    slug: str
    part: SubResource
    reason: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit read, by slug, joined to the record that the plan compares."""

    seen: Mapping[str, Observed] = field(default_factory=lambda: MappingProxyType({}))
    unread: Sequence[Unread] = ()


NO_AUDIT = Audit()


def audited_parts(declared: Declared, observed: Observed) -> frozenset[SubResource]:
    """Return the parts that no file declares, that were not read, and that may matter."""
    parts = set()
    if not observed.models_read and _models_are_left_out(declared):
        parts.add(SubResource.MODELS)
    if not observed.workspaces_read and _may_have_access(declared, observed):
        parts.add(SubResource.WORKSPACES)
    return frozenset(parts)


def _models_are_left_out(declared: Declared) -> bool:
    ignored = {entry.path for entry in declared.lifecycle.ignore}
    return "models" not in declared.fields and ("models",) not in ignored


def _may_have_access(declared: Declared, observed: Observed) -> bool:
    if unlisted_workspaces(declared, observed):
        return True
    # Without a count nobody knows whether a workspace has access.
    return observed.workspace_count is None and workspaces_are_left_out(declared, observed)


def with_audited_parts(observed: Observed, parts: Mapping[SubResource, Observed]) -> Observed:
    """Join the parts that an audit read to a record; of the models only the notable ones."""
    joined = observed
    for part, read in parts.items():
        joined = replace(joined, fields={**joined.fields, **read.fields})
        if part is SubResource.MODELS:
            models = _notable(joined.fields)
            joined = replace(joined, fields={**joined.fields, "models": models}, models_read=True)
        else:
            joined = replace(joined, workspaces_read=True)
    return joined


def adds_entries(observed: Observed, audited: Observed) -> bool:
    """Return whether an audit found models or workspaces that the plan's own record lacks."""
    return any(
        not is_empty(audited.fields.get(part)) and is_empty(observed.fields.get(part))
        for part in SubResource
    )


def _notable(fields: Tree) -> list[Mapping[str, Value]]:
    """Return the models that say more than the catalogue of the provider does.

    Where all models are allowed each base model is enabled by default, which nobody has to declare.
    """
    listed = fields.get("models")
    entries = listed if isinstance(listed, list | tuple) else ()
    silent = {"slug", "enabled"} if allows_all_models(fields) else {"slug"}
    return [e for e in entries if isinstance(e, Mapping) and _is_notable(e, silent)]


def _is_notable(model: Mapping[str, Value], silent: Collection[str]) -> bool:
    return any(
        not is_empty(value) and value is not False
        for name, value in model.items()
        if name not in silent
    )


def not_audited(unread: Iterable[Unread]) -> list[Diagnostic]:
    """Build one warning for each part and reason: what was not read is not proven absent."""
    slugs: dict[tuple[SubResource, str], list[str]] = {}
    for item in sorted(unread, key=lambda item: (item.part.value, item.reason, item.slug)):
        slugs.setdefault((item.part, item.reason), []).append(item.slug)
    return [
        warning(
            "not-audited",
            f"{_listed(names)}: the {part.value} could not be read ({reason}), so {_LOST[part]}",
            hint="allow the key to read integrations (`reconcile doctor` shows its scopes), or "
            "look at them in the console",
        )
        for (part, reason), names in slugs.items()
    ]


def _listed(slugs: Sequence[str]) -> str:
    more = f" and {len(slugs) - _NAMED} more" if len(slugs) > _NAMED else ""
    return ", ".join(slugs[:_NAMED]) + more
