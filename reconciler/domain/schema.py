"""Schema: the facts of every field of an integration, compiled from the models.

`integration_schema(provider)` is the root; `at` follows a path, and `show_path` formats it for
users. A field that the models do not describe is `UNKNOWN`: treated as a secret and as a host,
because the API can add a field of either kind.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal
from enum import Enum
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from reconciler.domain.facts import (
    NO_FACTS,
    SECRET_HEADER,
    SECRET_NAME,
    Facts,
    RiskRule,
    SubResource,
)
from reconciler.domain.identifiers import is_uuid
from reconciler.domain.integration import Integration
from reconciler.domain.model import DeclaredField, FieldInfo, Model
from reconciler.domain.providers import PROVIDERS, Configuration, configuration_of
from reconciler.domain.secrets import SecretRef
from reconciler.domain.tree import Path
from reconciler.frozen_dataclass import dataclass


class FieldKind(Enum):
    """Kind of value that a field contains."""

    SCALAR = "scalar"
    OBJECT = "object"
    MAP = "map"
    HEADERS = "map of headers"
    LIST = "list"
    KEYED_LIST = "keyed list"
    SINGLE = "list of at most one entry"
    ANY = "anything"


_NO_FIELDS: Mapping[str, "FieldSchema"] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """Schema of one field: its facts, and the fields inside it.

    `key` distinguishes the entries of a keyed list. In paths and in canonical trees a keyed list is
    a map by that key, and a list of at most one entry is that entry. `entries` describes the
    members of a map or a list. `is_text` is True if a plain YAML scalar is a string, `is_exact` if
    it is a decimal with all digits of its text. `type_name` and `choices` describe the type for
    users. `model` is the model of an object or of the entries of a list, `info` is what it declares
    about the field. `false_is_absent` is True if false is equivalent to an absent field.
    """

    name: str
    kind: FieldKind
    facts: Facts = NO_FACTS
    key: str | None = None
    fields: Mapping[str, "FieldSchema"] = field(default_factory=lambda: _NO_FIELDS)
    entries: "FieldSchema | None" = None
    is_text: bool = False
    is_exact: bool = False
    type_name: str = "any"
    choices: tuple[str, ...] = ()
    model: type[Model] | None = None
    info: DeclaredField | None = None
    false_is_absent: bool = False

    @property
    def is_known(self) -> bool:
        """Return whether a model describes this field."""
        return self.kind is not FieldKind.ANY

    @property
    def is_updatable(self) -> bool:
        """Whether an update of the integration itself can contain this field."""
        facts = self.facts
        # Write-only fields are sent with the create and with the call for workspaces (remote/API.md
        # §4).
        fixed = facts.identity or facts.immutable or facts.write_only or facts.local
        return facts.sub_resource is None and not fixed

    @property
    def is_required(self) -> bool:
        """Return whether the field must be present."""
        return self.info is not None and self.info.is_required()

    @property
    def is_flag(self) -> bool:
        """Return whether the value is true or false."""
        return self.type_name == "boolean"

    @property
    def has_switch(self) -> bool:
        """Whether this is an object that has no effect unless it is enabled."""
        return self.kind is FieldKind.OBJECT and "enabled" in self.fields

    @property
    def grants_access(self) -> bool:
        """Return whether this is an entry that grants access, or its switch."""
        switch = self.fields.get("enabled")
        return self.facts.risk is RiskRule.ACCESS or (
            switch is not None and switch.facts.risk is RiskRule.ACCESS
        )

    def child(self, name: str) -> "FieldSchema":
        """Return the schema of a member: a field, an entry of a keyed list, a key of a map."""
        found = self.fields.get(name)
        if found is not None:
            return found
        if self.kind is FieldKind.HEADERS:
            return _SECRET_HEADER if SECRET_HEADER.search(name) else _HEADER
        # A field in `known_fields`: its members are also plain, except names of secrets.
        if self.kind is FieldKind.ANY and not self.facts.sensitive:
            return UNKNOWN if SECRET_NAME.search(name) else self
        return self.entries or UNKNOWN

    def at(self, path: Path) -> "FieldSchema":
        """Return the schema at a path below this field."""
        here = self
        for name in path:
            here = here.child(name)
        return here

    def entry_of(self, path: Path) -> Path | None:
        """Return the path of the outermost entry of a keyed list that a path goes through."""
        here = self
        for position, name in enumerate(path[:-1]):
            here = here.child(name)
            if here.key is not None:
                return path[: position + 2]
        return None

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, "FieldSchema"]]:
        """Yield the fields below this one in the order of the models; entries have no name."""
        for name, child in self.fields.items():
            yield (*path, name), child
            yield from child.walk((*path, name))
        if self.entries is not None and not self.fields:
            yield from self.entries.walk(path)


UNKNOWN = FieldSchema("", FieldKind.ANY, Facts(redacted=True, host=True, risk=RiskRule.CREDENTIAL))
"""Schema of a field that no model describes. Its members are also unknown."""

_VOUCHED = FieldSchema("", FieldKind.ANY, Facts(risk=RiskRule.SETTING))
_HEADER = FieldSchema(
    "",
    FieldKind.SCALAR,
    Facts(redacted=True, risk=RiskRule.CREDENTIAL),
    is_text=True,
    type_name="string",
)
_SECRET_HEADER = replace(
    _HEADER, facts=Facts(secret=True, risk=RiskRule.CREDENTIAL), type_name="secret reference"
)


def integration_schema(provider: str | None, *, vouched: tuple[str, ...] = ()) -> FieldSchema:
    """Return the schema of an integration of one provider.

    A provider that is named by a UUID, as in some deployments, has the fields of every provider,
    because its name is unknown here. `vouched` are configuration fields that the target declares
    plain (`known_fields` in reconcile.yaml); a field whose name suggests a secret stays hidden.
    """
    if provider is not None and provider in PROVIDERS:
        return _integration_schema(provider, vouched)
    # An unknown name has the fields that every provider accepts.
    return _integration_schema(_ANY_PROVIDER if is_uuid(provider) else "", vouched)


def any_provider_schema() -> FieldSchema:
    """Return the schema of an integration whose configurations have the fields of all providers."""
    return _integration_schema(_ANY_PROVIDER, ())


@cache
def fields_of(part: SubResource) -> frozenset[str]:
    """Return the fields of an integration that are read and written with a sub-resource."""
    fields = compiled(Integration).fields
    return frozenset(name for name, item in fields.items() if item.facts.sub_resource is part)


@cache
def immutable_fields() -> tuple[str, ...]:
    """Return the fields of an integration that no call changes."""
    fields = compiled(Integration).fields
    return tuple(name for name, item in fields.items() if item.facts.immutable)


@cache
def list_keys() -> Mapping[str, str]:
    """Return the field that distinguishes the entries of each keyed list, by the list's name.

    For code that has a path but not the tree that it refers to.
    """
    fields = (field for _, field in any_provider_schema().walk())
    return MappingProxyType({field.name: field.key for field in fields if field.key is not None})


_ANY_PROVIDER = "(any)"


@cache
def _integration_schema(provider: str, vouched: tuple[str, ...]) -> FieldSchema:
    root = compiled(Integration)
    outer = root.fields["configurations"]
    fields = dict(_configuration_fields(provider))
    for name in vouched:
        # Reported where the target is read; here it only has no effect.
        if name not in fields and not SECRET_NAME.search(name):
            fields[name] = replace(_VOUCHED, name=name)
    configurations = replace(
        outer,
        kind=FieldKind.OBJECT,
        type_name="object",
        entries=None,
        model=configuration_of(provider),
        fields=_inherited(fields, outer.facts),
    )
    fields = {**root.fields, configurations.name: configurations}
    return replace(root, fields=MappingProxyType(fields))


def _configuration_fields(provider: str) -> Mapping[str, FieldSchema]:
    # The schema of one provider determines what a file may contain. The schema of all providers
    # determines the meaning of a path or a stored value.
    if provider != _ANY_PROVIDER:
        return compiled(configuration_of(provider)).fields
    fields: dict[str, FieldSchema] = {}
    for model in (*PROVIDERS.values(), Configuration):
        # If two providers have the same field, the first family defines it, because it allows the
        # most.
        fields = {**compiled(model).fields, **fields}
    return fields


@cache
def compiled(model: type[Model]) -> FieldSchema:
    """Return the schema of a model."""
    fields = {name: _field(name, info) for name, info in model.model_fields.items()}
    return FieldSchema(
        "", FieldKind.OBJECT, fields=MappingProxyType(fields), type_name="object", model=model
    )


def _field(name: str, info: DeclaredField) -> FieldSchema:
    declared = next((item for item in info.metadata if isinstance(item, Facts)), NO_FACTS)
    facts = _with_inherited(declared, NO_FACTS)
    described = _of_type(info.annotation, info.metadata)
    # A write-only false has an effect: in the entry of a workspace it overrides the common value
    # (remote/API.md §4).
    optional = not (facts.write_only or info.is_required())
    # All at once: copies take most of the time of compiling a schema.
    return replace(
        described,
        name=name,
        kind=FieldKind.HEADERS if facts.headers else described.kind,
        facts=facts,
        fields=_inherited(described.fields, facts),
        entries=_inherited_entries(described, facts),
        type_name="map of headers" if facts.headers else described.type_name,
        info=info,
        false_is_absent=facts.default is False and optional,
    )


def _of_type(annotation: Any, metadata: Sequence[Any] = ()) -> FieldSchema:
    """Return the schema of a type, without facts."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of_type(arguments[0], (*metadata, *arguments[1:]))
    if origin in {Union, UnionType}:
        return _of_union([_of_type(a, metadata) for a in arguments if a is not NoneType])
    if origin in {tuple, list}:
        return _of_list(_of_type(arguments[0]), metadata)
    if origin is dict:
        values = _of_type(arguments[1])
        return FieldSchema(
            "", FieldKind.MAP, entries=values, type_name=f"map of {values.type_name}s"
        )
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return compiled(annotation)
    if annotation is Any:
        return UNKNOWN
    if origin is Literal:
        # The API uses the empty string for no choice; in files, the field is omitted.
        choices = tuple(str(choice) for choice in arguments if choice != "")
        is_text = any(isinstance(choice, str) for choice in arguments)
        name = "string" if is_text else "integer"
        return FieldSchema("", FieldKind.SCALAR, is_text=is_text, type_name=name, choices=choices)
    is_text = isinstance(annotation, type) and issubclass(annotation, str | SecretRef)
    return FieldSchema(
        "",
        FieldKind.SCALAR,
        is_text=is_text,
        is_exact=annotation is Decimal,
        type_name=_SCALAR_NAMES.get(annotation, "string"),
    )


_SCALAR_NAMES: Mapping[Any, str] = MappingProxyType(
    {
        bool: "boolean",
        int: "integer",
        float: "number",
        Decimal: "number",
        SecretRef: "secret reference",
    }
)


def _of_union(members: list[FieldSchema]) -> FieldSchema:
    """Return the schema of a union; as an object it has the fields of each member."""
    if len(members) == 1:
        return members[0]
    structured = [member for member in members if member.kind is not FieldKind.SCALAR]
    chosen = structured[0] if structured else members[0]
    fields: dict[str, FieldSchema] = {}
    for member in members:
        fields |= member.fields
    return replace(chosen, is_text=any(m.is_text for m in members), fields=MappingProxyType(fields))


def _of_list(entry: FieldSchema, metadata: Sequence[Any]) -> FieldSchema:
    # A list whose entries have an identity is compared as a map: its order has no meaning for the
    # API.
    identity = next((n for n, child in entry.fields.items() if child.facts.identity), None)
    if identity is not None:
        kind, fields, name = FieldKind.KEYED_LIST, _NO_FIELDS, f"list of objects, by {identity}"
    # The API wraps limits in a list of one (remote/API.md §5.2); it is compared as the entry
    # itself.
    elif _longest(metadata) == 1:
        kind, fields, name = FieldKind.SINGLE, entry.fields, "list of at most one object"
    else:
        kind, fields, name = FieldKind.LIST, _NO_FIELDS, f"list of {entry.type_name}s"
    return FieldSchema(
        "", kind, key=identity, fields=fields, entries=entry, type_name=name, model=entry.model
    )


def _longest(metadata: Sequence[Any]) -> int | None:
    """Return the maximum length that the metadata of a type allows."""
    lengths = (item.max_length for item in metadata if isinstance(item, FieldInfo))
    return next((length for length in lengths if length is not None), None)


def _inheriting(schema: FieldSchema, outer: Facts) -> FieldSchema:
    """Return a schema whose fields inherit the risk and the sub-resource of the outer field."""
    facts = _with_inherited(schema.facts, outer)
    # Most fields inherit nothing, and copying each field would take most of the time to compile a
    # schema.
    if facts is schema.facts:
        inherits_nothing = facts.risk is None and facts.sub_resource is None
        if inherits_nothing or (schema.entries is None and not schema.fields):
            return schema
    return replace(
        schema,
        facts=facts,
        fields=_inherited(schema.fields, facts),
        entries=_inherited_entries(schema, facts),
    )


def _with_inherited(facts: Facts, outer: Facts) -> Facts:
    """Return facts with the risk and the sub-resource of the outer field where they have none."""
    risk = facts.risk or outer.risk
    # Even in an object of lower risk, for example a secret in the settings of a provider.
    if facts.sensitive or facts.host or facts.endpoint:
        risk = RiskRule.CREDENTIAL
    part = facts.sub_resource or outer.sub_resource
    if risk is facts.risk and part is facts.sub_resource:
        return facts
    return replace(facts, risk=risk, sub_resource=part)


def _inherited(fields: Mapping[str, FieldSchema], outer: Facts) -> Mapping[str, FieldSchema]:
    if not fields:
        return fields
    return MappingProxyType({name: _inheriting(field, outer) for name, field in fields.items()})


def _inherited_entries(schema: FieldSchema, outer: Facts) -> FieldSchema | None:
    return None if schema.entries is None else _inheriting(schema.entries, outer)


_DOTTED_STEP = re.compile(r'[^.\[\]"\\]+')
_BRACKETED_STEP = re.compile(r'[^\[\]"\\]+')
_SHOWN_STEP = re.compile(
    r'\[(?P<quoted>"(?:[^"\\]|\\.)*")\]|\[(?P<identity>[^\[\]"\\]+)\]'
    r'|(?:^|(?<=.)\.)(?P<name>[^.\[\]"\\]+)'
)


def show_path(path: Path) -> str:
    """Format a path for users: dots, and `[key]` for an entry of a keyed list.

    A key that would read as more than one step is quoted as JSON: `custom_headers["x.y"]`. Two
    different paths never have the same text, and `parse_path` reads each of them back.
    """
    text, keys = "", list_keys()
    is_identity = False
    for step in path:
        plain = _BRACKETED_STEP if is_identity else _DOTTED_STEP
        # An unprintable key is quoted as well, because JSON escapes it.
        if not plain.fullmatch(step) or not step.isprintable():
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
        elif is_identity:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
        # A key can equal the name of a list, such as a model called `models`, without being a list.
        is_identity = not is_identity and step in keys
    return text


def parse_path(text: str) -> Path | None:
    """Parse a path in the notation of `show_path`; return None for any other text.

    Brackets are accepted around any key, as users write them in `lifecycle.ignore`.
    """
    path: list[str] = []
    position = 0
    while position < len(text):
        step = _SHOWN_STEP.match(text, position)
        if step is None:
            return None
        if step["quoted"] is not None:
            try:
                path.append(json.loads(step["quoted"]))
            except ValueError:
                return None
        else:
            path.append(step["identity"] or step["name"])
        position = step.end()
    return tuple(path) or None
