"""Rules of one integration beyond the types of its fields.

Some hold for every integration: duplicates, credentials, scope, ignored paths. Those of a provider
are required fields, documented forms, hosts, deployments and credentials: values that the API is
known to refuse with a 400 that names no field. A value that the API certainly refuses is an error;
a value that only the vendor's own tools refuse is a warning.
"""

import re
from datetime import UTC, date, datetime
from typing import TypedDict

from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.references import holds_reference
from reconciler.desired.shape_hints import other_provider
from reconciler.desired.suggestions import meant_provider, quoted
from reconciler.domain.facts import MASK_PREFIX, SECRET_NAME, is_host_label
from reconciler.domain.instants import parse_instant
from reconciler.domain.integration import MAPPINGS, Integration, mapped_fields
from reconciler.domain.providers import (
    Missing,
    configuration_of,
    is_known,
    needs_configurations,
)
from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, parse_path
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import lacks_credential
from reconciler.domain.tree import Tree, Value, is_empty, lookup

_CONFIGURATIONS = "configurations"
_TOKEN_AMOUNTS = ("credit_limit", "alert_threshold")
_LEAST_TOKENS = 100
"""Portkey-AI/docs-core: product/model-catalog/integrations.mdx."""


class IntegrationRules:
    """The rules of one integration; each reports the problems that it finds."""

    def __init__(
        self,
        tree: Tree,
        schema: FieldSchema,
        document: Sourced,
        problems: ProblemCollector,
        today: date,
    ) -> None:
        self.tree = tree
        self.schema = schema
        self.document = document
        self.problems = problems
        self.today = today
        given = tree.get("ai_provider_id")
        self.provider = given if isinstance(given, str) else ""
        self.model = configuration_of(self.provider)

    def check(self) -> None:
        """Apply all rules."""
        self._duplicates(self.tree, self.schema, ())
        self._credentials()
        self._scope()
        if self.provider:
            self._check_provider()
        self._ignored()

    def _error(
        self, code: str, summary: str, steps: Steps, *, hint: str = "", key: bool = False
    ) -> None:
        self.problems.error(code, summary, self.document.origin_of(steps), hint=hint, key=key)

    def _duplicates(self, node: Tree, schema: FieldSchema, at: Steps) -> None:
        for name, value in node.items():
            # Most values are scalars; they are skipped before anything is looked up.
            if type(value) is dict:
                field = schema.child(name)
                if field.kind is FieldKind.OBJECT:
                    self._duplicates(value, field, (*at, name))
            elif type(value) is list:
                identity = schema.child(name).key
                if identity is not None:
                    self._duplicates_in(value, name, identity, (*at, name))

    def _duplicates_in(self, entries: list[Value], name: str, identity: str, at: Steps) -> None:
        first: dict[str, int] = {}
        for index, item in enumerate(entries):
            key = item.get(identity) if isinstance(item, dict) else None
            if not isinstance(key, str):
                continue
            if key not in first:
                first[key] = index
                continue
            origin = self.document.origin_of((*at, first[key], identity))
            location = self.problems.location_of(origin)
            self._error(
                "duplicate-entry",
                f"`{key}` is listed twice in `{name}`; first at {location.file}:{location.line}",
                (*at, index, identity),
                hint="keep one of the two",
            )

    def _credentials(self) -> None:
        for target, index in mapped_fields(self.tree).items():
            given = lookup(self.tree, target)
            if isinstance(given, SecretRef | Redacted):
                shown = ".".join(target)
                self._error(
                    "duplicate-credential",
                    f"`{shown}` has both a value and a secret mapping",
                    (MAPPINGS, index, "target_field"),
                    hint=f"remove `{shown}` or the mapping",
                )

    def _scope(self) -> None:
        if self.tree.get("workspace_id") is not None and "workspaces" in self.tree:
            self._error(
                "workspaces-not-allowed",
                "an integration that belongs to a workspace cannot have `workspaces`",
                ("workspaces",),
                hint="remove `workspaces`, or remove `workspace_id` to share the integration",
                key=True,
            )

    def _ignored(self) -> None:
        lifecycle = self.tree.get("lifecycle")
        entries = lifecycle.get("ignore") if type(lifecycle) is dict else None
        for index, entry in enumerate(entries if type(entries) is list else ()):
            steps: Steps = ("lifecycle", "ignore", index)
            text = entry.get("path") if type(entry) is dict else entry
            if isinstance(text, str) and text:
                at = (*steps, "path") if type(entry) is dict else steps
                self._ignored_path(text, at)
            until = entry.get("until") if type(entry) is dict else None
            if isinstance(until, str):
                self._ignored_until(until, (*steps, "until"))

    def _ignored_path(self, text: str, steps: Steps) -> None:
        path = parse_path(text)
        if path is None:
            summary = f"`{text[:60]}` is not a field path"
            hint = "write a path such as `description` or `models[gpt-5].enabled`"
            self._error("invalid-value", summary, steps, hint=hint)
            return
        known = [f for f in Integration.model_fields if f not in {"slug", "lifecycle"}]
        if path[0] not in known:
            summary = f"`{path[0]}` is not a field of an integration that can be ignored"
            hint = self.problems.did_you_mean(path[0], known)
            self._error("unknown-field", summary, steps, hint=hint)

    def _ignored_until(self, until: str, steps: Steps) -> None:
        try:
            end = date.fromisoformat(until)
        except ValueError:
            return  # the model reports it
        # `until` is the last day on which the exception is valid.
        if end < self.today:
            self._error(
                "expired-ignore",
                f"the exception expired on {until}",
                steps,
                hint="remove the entry, or set a later date",
            )

    def _check_provider(self) -> None:
        self._id()
        given = self.tree.get(_CONFIGURATIONS)
        # `configurations: null` declares that there are none; without the key, the stored ones
        # stay, and nothing is required (remote/API.md §3).
        if type(given) is dict or (given is None and _CONFIGURATIONS in self.tree):
            self._configurations(given or {})
        # Walked once for all rules about single values: one integration can list thousands of
        # models.
        self._values(self.tree, self.schema, ())
        if self.problems.expects_creates:
            self._creation()

    def _at(self, *steps: str | int) -> SourceOrigin:
        return self.document.origin_of(steps)

    def _id(self) -> None:
        if is_known(self.provider) or self.provider in self.problems.accepted_providers:
            return
        shown = quoted(self.provider[:60])
        similar = meant_provider(self.provider)
        hint = f"if the id is correct, add `providers: [{self.provider[:60]}]` to reconcile.yaml"
        if similar is not None:
            hint = f"did you mean `{similar}`? If not, add it to `providers` in reconcile.yaml"
        # Text that cannot be a name may contain a secret, so it is not repeated.
        elif shown != f"`{self.provider}`":
            hint = "if the id is correct, add it to `providers` in reconcile.yaml"
        self.problems.warning(
            "unknown-provider",
            f"{shown} is not a known provider; it is sent as it is, "
            "and its configuration is not checked",
            self._at("ai_provider_id"),
            hint=hint,
        )

    def _configurations(self, given: Tree) -> None:
        mapped = {target[-1] for target in mapped_fields(self.tree)}
        origin = self._at(_CONFIGURATIONS)
        for missing in self.model.missing(given, mapped):
            summary = f"`configurations` of {self.provider} needs {_named(missing)}"
            # The location is the field itself if it is present but empty.
            is_written = missing.field in given
            at = self._at(_CONFIGURATIONS, missing.field) if is_written else origin
            self.problems.error("missing-field", summary, at, **_addition(missing))
        for missing in self.model.missed(given, mapped):
            summary = f"`configurations` of {self.provider} usually needs {_named(missing)}"
            self.problems.warning("missing-field", summary, origin, **_addition(missing))
        # Such fields come from responses; a mask is not a value (remote/API.md §2).
        for name in given:
            if name.startswith(MASK_PREFIX):
                self._masked(name)
        # A warning, since only one of two deployments is known to refuse it (remote/API.md §3).
        if not is_empty(given.get("custom_host")) and is_empty(given.get("provider_auth_type")):
            self.problems.warning(
                "custom-host-auth",
                "`custom_host` is set without `provider_auth_type`, which the API may refuse",
                self._at(_CONFIGURATIONS, "custom_host"),
                hint="add `provider_auth_type: apiKey`",
                key=True,
            )

    def _masked(self, name: str) -> None:
        field = name.removeprefix(MASK_PREFIX)
        self.problems.error(
            "masked-field",
            f"{quoted(name)} is the masked form of {quoted(field)} and cannot be declared",
            self._at(_CONFIGURATIONS, name),
            hint=f"write `{field}: ${{env:SECRET_…}}`",
            key=True,
            hide=True,
        )

    def _values(self, node: Value, field: FieldSchema, steps: Steps) -> None:
        """Check each value of a mapping or a list by the facts of its field."""
        if isinstance(node, list):
            entries = field.entries or UNKNOWN
            for index, item in enumerate(node):
                if type(item) is dict:
                    self._members(item, entries, (*steps, index))
                else:
                    self._values(item, entries, (*steps, index))
        elif isinstance(node, dict):
            self._members(node, field, steps)

    def _members(self, node: Tree, field: FieldSchema, steps: Steps) -> None:
        known = field.fields
        for name, value in node.items():
            member = known.get(name) or field.child(name)
            if member is UNKNOWN:
                if _CONFIGURATIONS in steps and not name.startswith(MASK_PREFIX):
                    self._unknown_field(name, field, (*steps, name))
            # Compared by identity, which is faster than `isinstance`: this runs for each value.
            elif type(value) is str:
                facts = member.facts
                if value and (facts.url or facts.instant or facts.form is not None):
                    self._text(value, member, (*steps, name))
                if value and facts.replaced_by is not None:
                    self._replaced(name, facts.replaced_by, (*steps, name))
            # A list in place of the mapping is reported as such; all its fields would be unknown.
            elif type(value) is dict or (type(value) is list and name != _CONFIGURATIONS):
                self._values(value, member, (*steps, name))
        # Only deployments have this field, regardless of the name of their list.
        if "is_default" in field.fields:
            self._deployment(node, steps)
        elif node.get("type") == "tokens":
            self._budget(node, field, steps)

    def _unknown_field(self, name: str, around: FieldSchema, place: Steps) -> None:
        hint = self.problems.did_you_mean(name, around.fields)
        if around.model is self.model and name in self.model.other_names:
            # More certain than a similar name, because the vendor itself uses this name elsewhere.
            hint = f"rename it to `{self.model.other_names[name]}`"
        elif around.model is self.model and name in self.schema.fields:
            hint = f"move it out of `configurations`: `{name}` is a field of the integration"
        elif not hint:
            hint = other_provider(name)
        # `known_fields` does not accept such a name, so it is not suggested.
        if not hint and SECRET_NAME.search(name):
            hint = "write a secret as a reference, such as `${env:SECRET_…}`"
        elif not hint:
            hint = (
                f"list it in `known_fields` of the target, below `{self.provider}`, "
                "to treat it as plain"
            )
        self.problems.warning(
            "unknown-configuration-field",
            f"{quoted(name)} is not a known field of {self.provider}; "
            "its value is sent, never shown, and treated as a credential and a host",
            self._at(*place),
            hint=hint,
            key=True,
            hide=True,
        )

    def _replaced(self, name: str, successor: str, place: Steps) -> None:
        self.problems.warning(
            "legacy-field",
            f"`{name}` belongs to an older form of this provider, which the API no longer creates",
            self._at(*place),
            hint=f"use `{successor}` instead",
            key=True,
        )

    def _text(self, text: str, field: FieldSchema, steps: Steps) -> None:
        facts = field.facts
        if holds_reference(text):
            return  # `bind_references` reports a misplaced reference
        if facts.url:
            self._host(text, field, steps)
        elif facts.instant and _is_before(text, self.today):
            self.problems.warning(
                "past-date",
                f"`{field.name}` is in the past",
                self._at(*steps),
                hint="set a future date, or remove the field; the API then computes the date",
            )
        elif facts.form is not None and re.fullmatch(facts.form, text) is None:
            if facts.endpoint and not is_host_label(text):
                return  # the model reports it as an error
            self.problems.warning(
                "unexpected-form",
                f"`{field.name}` does not have the documented form",
                self._at(*steps),
                hint=self.problems.did_you_mean(text, facts.known)
                or f"write it like `{facts.example}`",
            )

    def _host(self, text: str, field: FieldSchema, steps: Steps) -> None:
        from reconciler.desired import host_rules  # noqa: PLC0415  few integrations name a host

        found = host_rules.malformed(text)
        if found is None:
            # The API is known to check only the address of `custom_host` (remote/API.md §3).
            is_custom = field.name == "custom_host"
            found = host_rules.private(text) if is_custom else host_rules.encoded(text)
        if found is not None:
            self.problems.add(
                found.severity,
                found.code,
                f"`{field.name}` {found.summary}",
                self._at(*steps),
                hint=found.hint,
                # The text before the sign may contain a password.
                hide="@" in text,
            )

    def _deployment(self, given: Tree, steps: Steps) -> None:
        # Required unless the deployment is the default (remote/API.md §3).
        if given.get("is_default") is not True and is_empty(given.get("alias")):
            self.problems.warning(
                "missing-field",
                "a deployment that is not the default needs `alias`",
                self._at(*steps),
                hint="add `alias: …`, or `is_default: true` to one of the deployments",
            )

    def _budget(self, given: Tree, field: FieldSchema, steps: Steps) -> None:
        """Check the amounts of a budget in tokens; a rate limit has none of these fields."""
        for name in _TOKEN_AMOUNTS:
            amount = given.get(name)
            # Not `isinstance`, to which `true` is a number.
            if name in field.fields and type(amount) is int and 0 < amount < _LEAST_TOKENS:
                self.problems.warning(
                    "unexpected-form",
                    f"`{name}` in tokens is less than {_LEAST_TOKENS}, the documented minimum",
                    self._at(*steps, name),
                    hint="set a larger number, or `type: cost` for a budget in US dollars",
                )

    def _creation(self) -> None:
        """Report what a create would lack; an existing integration keeps what is stored."""
        # One at a time: the configurations decide whether a key is needed (remote/API.md §3).
        if _CONFIGURATIONS not in self.tree and needs_configurations(self.provider):
            self.problems.warning(
                "missing-configurations",
                f"an integration of {self.provider} cannot be created without `configurations`",
                self._at("ai_provider_id"),
                hint=f"add the fields that `reconcile scaffold {self.provider}` prints; "
                "an existing integration keeps its stored ones",
            )
        elif lacks_credential(self.tree):
            self.problems.warning(
                "missing-credential",
                f"an integration of {self.provider} cannot be created without a credential",
                self._at("ai_provider_id"),
                hint="declare `key` as a reference, or a secret mapping for it; "
                "an existing integration keeps its stored credential",
            )


def _is_before(text: str, today: date) -> bool:
    """Return whether a text is an instant before the start of a day in UTC."""
    instant = parse_instant(text)
    if instant is None:
        return False  # the model reports it
    return instant < datetime(today.year, today.month, today.day, tzinfo=UTC)


def _named(missing: Missing) -> str:
    because = f" with `{missing.because}`" if missing.because else ""
    return f"`{missing.field}`{because}"


class _Addition(TypedDict):
    hint: str
    key: bool


def _addition(missing: Missing) -> _Addition:
    return {"hint": f"add `{missing.field}: …` below `configurations`", "key": True}
