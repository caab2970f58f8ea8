"""Resources that the vendor's provider manages according to a Terraform state.

Integrations, the access of their models and that of their workspaces are read; other resources of
the provider stay with Terraform, and resources of other providers are ignored. Sensitive values are
wrapped at once. Which values are sensitive: those that the state marks, those that our schema
marks, and every field that no model describes.
"""

import hashlib
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from reconciler.diagnostics import Diagnostic, SourceLocation, error
from reconciler.domain.identifiers import SLUG
from reconciler.domain.integration import Integration
from reconciler.domain.schema import FieldKind, FieldSchema, integration_schema
from reconciler.domain.secrets import Redacted
from reconciler.domain.tree import Path, Tree, Value, is_empty, leaves, lookup, plain
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.normalize import normalize
from reconciler.pull.terraform_file import NOT_A_STATE, Instance, ModuleStep, read_instances

PROVIDER = "portkey-ai/portkey"
INTEGRATION = "portkey_integration"
MODEL_ACCESS = "portkey_integration_model_access"
WORKSPACE_ACCESS = "portkey_integration_workspace_access"

_IDENTITY = frozenset({"integration_id", "model_slug", "workspace_id", "enabled"})
_PLACEHOLDER = re.compile(
    r"[(<\[{]*\s*(?:sensitive(?:[ _]value)?|redacted|masked|hidden|removed)\s*[)>\]}]*|[*•x]{3,}",
    re.IGNORECASE,
)
"""Text that a tool writes in place of a sensitive value."""

_LONGEST_PART = 60
_LONGEST_FOLDER = 120
"""Maximum bytes of a folder; a deeper module gets a hash in place of its last parts."""

_NOT_IN_FOLDERS = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """One instance of a resource; a `removed` block names it by its `configured` address."""

    address: str
    configured: str
    at: SourceLocation = field(compare=False)


@dataclass(frozen=True, slots=True)
class ManagedIntegration:
    """Integration that Terraform manages.

    `managed` are the fields that it sets, `plain` their values that are not sensitive, and `marked`
    those that the state marks as sensitive although no file may hold a reference there. `secrets`
    are the values by canonical path. `unreadable` are the attributes whose value is not in the
    state: a placeholder, or text that is not JSON.
    """

    resource: Resource
    slug: str
    id: str | None
    folder: str
    managed: frozenset[str]
    plain: Tree = field(repr=False)
    marked: frozenset[str]
    secrets: Mapping[Path, Redacted] = field(repr=False)
    unreadable: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Return the displayed name: the slug, or the address if the state marks the slug."""
        return self.resource.address if "slug" in self.marked else self.slug


@dataclass(frozen=True, slots=True)
class ManagedEntry:
    """Model or workspace whose access Terraform manages.

    `id` is the slug of the model, or the slug or UUID of the workspace. `marked` are the attributes
    that the state marks as sensitive, `values` the others.
    """

    resource: Resource
    id: str
    values: Tree = field(repr=False)
    marked: frozenset[str] = frozenset()

    @property
    def is_marked(self) -> bool:
        """Return whether it is sensitive which entry this is, so that no file can declare it."""
        return not self.marked.isdisjoint(_IDENTITY)


@dataclass(frozen=True, slots=True)
class OtherResource:
    """Resource of the provider that stays with Terraform."""

    address: str
    type: str
    depends_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TerraformState:
    """Everything that a state contains about integrations, by slug.

    `access_only` are resources for the access of integrations that this state does not manage, by
    the id that they name. `others` are the provider's remaining resources, and `deposed` the
    addresses of objects that Terraform has yet to destroy.
    """

    where: str
    integrations: Mapping[str, ManagedIntegration]
    models: Mapping[str, tuple[ManagedEntry, ...]]
    workspaces: Mapping[str, tuple[ManagedEntry, ...]]
    access_only: Mapping[str, tuple[Resource, ...]]
    others: tuple[OtherResource, ...]
    deposed: tuple[str, ...]

    @property
    def secrets(self) -> list[Redacted]:
        """Return the values of all secrets."""
        return [value for item in self.integrations.values() for value in item.secrets.values()]


def read_state(content: bytes, where: str) -> TerraformState:
    """Return what a state manages; `where` is its displayed name.

    Raises `InvalidInput` for anything but a state, for a state without an integration of the
    vendor's provider, and for two resources that manage one thing.
    """
    instances = read_instances(content, where)
    ours = [item for item in instances if _is_ours(item)]
    # A deposed object is only waiting for its deletion, so it manages nothing.
    live = [item for item in ours if not item.is_deposed]
    problems: list[Diagnostic] = []
    integrations = _by_identity(
        (_integration(item, problems) for item in live if item.type == INTEGRATION), problems
    )
    # Entries of access name their integration by id, so a wrong one would cause further errors
    # about them.
    if problems:
        raise InvalidInput(problems)
    access = _Access(integrations, problems)
    for item in live:
        access.add(item)
    if problems:
        raise InvalidInput(problems)
    if not integrations:
        raise InvalidInput([_nothing_managed(instances, where)])
    known = {INTEGRATION, MODEL_ACCESS, WORKSPACE_ACCESS}
    others = [i for i in live if i.type not in known]
    return TerraformState(
        where=where,
        integrations=integrations,
        models=access.entries[MODEL_ACCESS],
        workspaces=access.entries[WORKSPACE_ACCESS],
        access_only={name: tuple(found) for name, found in sorted(access.foreign.items())},
        others=tuple(OtherResource(i.address, i.type, i.depends_on) for i in others),
        deposed=tuple(sorted(i.address for i in ours if i.is_deposed)),
    )


def _is_ours(instance: Instance) -> bool:
    # Any registry may serve the provider, so the host in front is not compared.
    return f"/{instance.provider}".casefold().endswith(f"/{PROVIDER}")


def _by_identity(
    found: Iterable[ManagedIntegration | None], problems: list[Diagnostic]
) -> dict[str, ManagedIntegration]:
    """Return integrations by slug; report slugs and ids that two resources manage."""
    integrations: dict[str, ManagedIntegration] = {}
    owners: dict[str, ManagedIntegration] = {}
    for item in found:
        if item is None:
            continue
        # By slug and by id: two resources with different slugs and one id manage one object.
        first = integrations.setdefault(item.slug, item)
        if item.id is not None:
            first = first if first is not item else owners.setdefault(item.id, item)
        if first is not item:
            what = "same integration" if "slug" in item.marked else f"integration {item.slug}"
            problems.append(_duplicate(first.resource, item.resource, what))
    return integrations


def _integration(instance: Instance, problems: list[Diagnostic]) -> ManagedIntegration | None:
    attributes, resource = instance.attributes, _resource(instance)
    slug, provider = attributes.get("slug"), attributes.get("ai_provider_id")
    if not isinstance(slug, str) or SLUG.fullmatch(slug) is None:
        problems.append(_malformed(resource, "`slug` is not a slug"))
        return None
    if not isinstance(provider, str) or not provider:
        problems.append(_malformed(resource, "`ai_provider_id` is not text"))
        return None
    schema, unreadable = integration_schema(provider), []
    configurations = _configurations(attributes.get("configurations"))
    if configurations is None:
        unreadable.append("configurations")
    secrets = _secrets({"configurations": configurations or {}}, schema)
    key = attributes.get("key")
    if isinstance(key, str) and key:
        secrets[("key",)] = Redacted(key)
    for path in [path for path, value in secrets.items() if _is_placeholder(value)]:
        del secrets[path]
        unreadable.append(".".join(path))
    known = Integration.model_fields.keys() - {"slug", "key", "models", "workspaces"}
    managed = {name for name in known if not is_empty(attributes.get(name))}
    plain = {name for name in managed if schema.child(name).kind is FieldKind.SCALAR}
    identity = attributes.get("id")
    return ManagedIntegration(
        resource=resource,
        slug=slug,
        id=identity if isinstance(identity, str) and identity else None,
        folder=_folder(instance.modules),
        managed=frozenset(managed),
        # Only scalars are compared with the API: a state has objects in another notation.
        plain={name: attributes[name] for name in plain - instance.sensitive},
        # The provider marks this attribute because it contains secrets, which our schema
        # distinguishes.
        marked=(instance.sensitive & (managed | {"slug"})) - {"configurations"},
        secrets=secrets,
        unreadable=tuple(sorted(unreadable)),
    )


def _configurations(text: object) -> dict[str, Value] | None:
    """Parse the JSON of an attribute; return None if it is invalid, and {} if it is not set."""
    if text is None or text == "":
        return {}
    if isinstance(text, dict):
        return text
    if not isinstance(text, str):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _secrets(tree: Tree, schema: FieldSchema) -> dict[Path, Redacted]:
    """Return the sensitive values of a tree by canonical path; an object is its JSON."""
    found: dict[Path, Redacted] = {}
    for path, leaf in leaves(normalize(tree)):
        at = [schema.at(path[:length]).facts for length in range(1, len(path) + 1)]
        whole = next((n for n, facts in enumerate(at, start=1) if facts.secret_object), None)
        if whole is not None and whole < len(path):
            found[path[:whole]] = Redacted(json.dumps(plain(lookup(tree, path[:whole]))))
        elif at and at[-1].sensitive and isinstance(leaf, str) and leaf:
            found[path] = Redacted(leaf)
    return found


def _is_placeholder(value: Redacted) -> bool:
    return value.matches(_PLACEHOLDER)


class _Access:
    """Collects the entries of models and workspaces by the slug of their integration."""

    def __init__(
        self, integrations: Mapping[str, ManagedIntegration], problems: list[Diagnostic]
    ) -> None:
        self._integrations = integrations
        self._slugs = {item.id: slug for slug, item in integrations.items() if item.id}
        self._problems = problems
        self._seen: dict[tuple[str, str, str], Resource] = {}
        self.foreign: dict[str, list[Resource]] = defaultdict(list)
        self.entries: dict[str, dict[str, tuple[ManagedEntry, ...]]] = {
            MODEL_ACCESS: {},
            WORKSPACE_ACCESS: {},
        }

    def add(self, instance: Instance) -> None:
        """Add a resource if it manages access."""
        if instance.type not in self.entries:
            return
        name = "model_slug" if instance.type == MODEL_ACCESS else "workspace_id"
        resource, attributes = _resource(instance), instance.attributes
        owner, identity = attributes.get("integration_id"), attributes.get(name)
        if not isinstance(owner, str) or not isinstance(identity, str) or not identity:
            summary = f"`integration_id` or `{name}` is not text"
            self._problems.append(_malformed(resource, summary))
            return
        # `integration_id` can be the id or, if the configuration has it written out, the slug.
        slug = self._slugs.get(owner, owner)
        first = self._seen.setdefault((instance.type, slug, identity), resource)
        shown = self._shown(slug, instance)
        if first is not resource:
            self._problems.append(_duplicate(first, resource, f"same access of {shown}"))
        elif slug not in self._integrations:
            self.foreign[shown].append(resource)
        else:
            entry = ManagedEntry(
                resource,
                identity,
                values=_without(attributes, instance.sensitive),
                marked=instance.sensitive,
            )
            known = self.entries[instance.type]
            known[slug] = (*known.get(slug, ()), entry)

    def _shown(self, slug: str, instance: Instance) -> str:
        """Return the displayed name of an integration, which the state may mark as sensitive."""
        if slug in self._integrations:
            return self._integrations[slug].label
        return "an integration" if "integration_id" in instance.sensitive else slug


def _without(attributes: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name not in names}


def _resource(instance: Instance) -> Resource:
    return Resource(instance.address, instance.configured, instance.at)


def _folder(modules: Sequence[ModuleStep]) -> str:
    """Return the folder of a module: a part for each name and each key."""
    parts = []
    for step in modules:
        parts.append(step.name)
        if step.key is not None:
            parts.append(step.key)
    # The key of `for_each` can be any text, also `..`, which must not become a path.
    named = [_NOT_IN_FOLDERS.sub("-", part).strip("-")[:_LONGEST_PART] for part in parts]
    folder = "/".join(part or "-" for part in named)
    if len(folder) > _LONGEST_FOLDER:
        # Two deep modules with the same beginning must not share a folder.
        mark = hashlib.sha256(folder.encode()).hexdigest()[:8]
        # Nine characters: the hyphen and the hexadecimal digits of the mark.
        folder = f"{folder[: _LONGEST_FOLDER - 9].rstrip('/-')}-{mark}"
    return folder


def _malformed(resource: Resource, what: str) -> Diagnostic:
    return error(
        NOT_A_STATE,
        f"{resource.address}: {what}",
        hint="run `terraform apply -refresh-only`, then write the state again",
        at=resource.at,
    )


def _duplicate(first: Resource, second: Resource, what: str) -> Diagnostic:
    return error(
        "terraform-duplicate",
        f"{first.address} and {second.address} both manage the {what}",
        # Quoted, because the key of an instance can contain anything, apostrophes included.
        hint=f"remove one of them with `terraform state rm {shlex.quote(second.address)}`; if they "
        "belong to two organisations, pass a state with the resources of one",
        at=second.at,
    )


def _nothing_managed(instances: Sequence[Instance], where: str) -> Diagnostic:
    """Build the error for a state without an integration; name the provider of any lookalike."""
    alike = {i.provider for i in instances if i.type == INTEGRATION and not _is_ours(i)}
    summary = f"{where} manages no integration of the provider {PROVIDER}"
    hint = "pass the state of the configuration that has the `portkey_integration` resources"
    if alike:
        summary += f"; its `{INTEGRATION}` resources belong to {', '.join(sorted(alike))}"
        hint = f"run `terraform state replace-provider` if that is a copy of {PROVIDER}"
    return error("terraform-no-integration", summary, hint=hint, at=SourceLocation(where))
