"""Decoder of the API's documented and observed shapes to `Observed`, with secrets as masks.

`fields` has the names and the shape of the files, so that both sides can be compared. Fields that
the server adds are omitted; an invalid structure is an error (`reconciler.remote.decode_values`).
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import TypeAlias, cast

from reconciler.domain.facts import MASK_PREFIX, SubResource
from reconciler.domain.integration import Integration
from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields
from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, compiled, integration_schema
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted, closed
from reconciler.domain.state import Observed
from reconciler.domain.surrogates import repaired
from reconciler.domain.tree import Value, canonical_json, digest, is_empty
from reconciler.remote import decode_values
from reconciler.remote.errors import WrongShape
from reconciler.remote.exchange import mapping

_HIDES = re.compile(r"\.{3}|[*•…·●]|x{4}", re.IGNORECASE)
"""Sign of a mask in any format: characters were left out."""

Reader: TypeAlias = Callable[[object, str], Value]
"""Reads a value; the text names the place in messages."""

# Four characters of a shorter text would be too large a part of a possible secret.
_SHORTEST_WITH_ENDS = 12
_OF_CUSTOM_MODELS = ("name", "description")


def from_row(row: Mapping[str, object]) -> Observed:
    """Read a row of the list."""
    slug = decode_values.slug(row.get("slug"), "slug")
    # Only checked: a damaged value makes this row unreadable, but not the whole list.
    decode_values.identifier(row.get("organisation_id"), "organisation_id")
    return _record(slug, row, _plain_fields(row), detailed=False)


def from_detail(
    record: Mapping[str, object], *, asked: str, known_fields: KnownFields = NO_KNOWN_FIELDS
) -> Observed:
    """Read one integration; `asked` is the slug or UUID in the path, which the response must have.

    `known_fields` are the configuration fields that the target vouches for.
    """
    slug = decode_values.slug(record.get("slug"), "slug")
    identity = decode_values.identifier(record.get("id"), "id")
    if slug != asked:
        # One client documents the UUID in place of the slug (remote/API.md §1.4).
        if identity not in {asked, slug}:
            raise WrongShape("slug", "the requested one")
        slug = asked if slug == identity else slug
    fields = _plain_fields(record)
    key = _key(record)
    if key is not None:
        fields["key"] = key
    configurations = decode_values.object_or_json(record.get("configurations"), "configurations")
    if configurations:
        decode_values.shallow(configurations, "configurations")
        provider = str(fields["ai_provider_id"])
        # Schema of the provider in the response, which may differ from the declared one.
        schema = integration_schema(provider, vouched=known_fields.get(provider, ()))
        fields["configurations"] = _unmasked(configurations, schema.child("configurations"))
    for field in _structured():
        _put(fields, field, _structure(record, field))
    for part in SubResource:
        fields |= _switches(record, part)
    return _record(slug, record, fields, detailed=True)


def with_models(observed: Observed, answer: Mapping[str, object]) -> Observed:
    """Return a record with the response of the models sub-resource."""
    # A missing list must not be read as an empty one.
    if "models" not in answer:
        raise WrongShape("models", "there")
    fields = dict(observed.fields)
    fields["models"] = [_model(item) for item in _entries(answer, "models", key="slug")]
    fields |= _switches(answer, SubResource.MODELS)
    return replace(observed, fields=fields, models_read=True)


def with_workspaces(observed: Observed, answer: Mapping[str, object]) -> Observed:
    """Return a record with the response of the workspaces sub-resource."""
    # Clients also know the list as `data` (remote/API.md §5.2).
    name = next((name for name in ("workspaces", "data") if name in answer), None)
    if name is None:
        raise WrongShape("workspaces", "there")
    fields = dict(observed.fields)
    fields["workspaces"] = [_workspace(item) for item in _entries(answer, name, key="id")]
    fields |= _switches(answer, SubResource.WORKSPACES)
    return replace(observed, fields=fields, workspaces_read=True)


def _entries(answer: Mapping[str, object], name: str, *, key: str) -> list[dict[str, object]]:
    """Return the entries of a list without pages, or raise `WrongShape` if some are missing.

    `total` is documented, but not always sent (remote/API.md §5). An entry that is listed twice
    with different values has neither of them.
    """
    entries = decode_values.items(answer[name], name)
    if answer.get("has_more") or _total(answer) > len(entries):
        raise WrongShape(name, "complete")
    # Only compared if keys repeat, because an integration can list thousands of models.
    first: dict[object, dict[str, object]] = {}
    for entry in entries:
        identity = entry.get(key)
        if isinstance(identity, str) and first.setdefault(identity, entry) != entry:
            raise WrongShape(f"an entry of {name}", "listed once")
    return entries


def _total(answer: Mapping[str, object]) -> float:
    """Return the number of entries that an answer announces, 0 if it announces none."""
    total = answer.get("total")
    if total is None:
        return 0
    # Databases return counts as text or as floats. Any other form could hide missing entries.
    if isinstance(total, str) and re.fullmatch(r"[0-9]{1,9}", total):
        return int(total)
    if isinstance(total, bool) or not isinstance(total, int | float):
        raise WrongShape("total", "a number")
    return total


def detail_over_row(row: Observed, detail: Observed) -> Observed:
    """Merge both reads of an integration; the detail is newer, but does not contain all facts."""
    workspace_count = detail.workspace_count
    return replace(
        detail,
        slug=row.slug,
        kind=detail.kind or row.kind,
        workspace_count=row.workspace_count if workspace_count is None else workspace_count,
    )


def with_parts(
    observed: Observed, *, models: Observed | None, workspaces: Observed | None
) -> Observed:
    """Return a record with sub-resources that were read later than the record's own copy."""
    fields = dict(observed.fields)
    for part in (models, workspaces):
        if part is not None:
            # Later reads take precedence: the record's own copy of a list can be older than its
            # sub-resource.
            fields |= part.fields
    return replace(
        observed,
        fields=fields,
        models_read=models is not None,
        workspaces_read=workspaces is not None,
    )


def _record(
    slug: str, record: Mapping[str, object], fields: dict[str, Value], *, detailed: bool
) -> Observed:
    return Observed(
        slug=slug,
        fields=fields,
        id=decode_values.identifier(record.get("id"), "id"),
        status=decode_values.status(record.get("status"), "status"),
        kind=decode_values.identifier(record.get("type"), "type"),
        created_at=decode_values.identifier(record.get("created_at"), "created_at"),
        last_updated_at=decode_values.identifier(record.get("last_updated_at"), "last_updated_at"),
        # Rows have the first name (remote/API.md §1.2), the specified detail the other (§1.4).
        workspace_count=decode_values.count(
            record.get("workspaces_count", record.get("workspace_count")), "workspaces_count"
        ),
        detailed=detailed,
    )


@cache
def _fields() -> tuple[FieldSchema, ...]:
    """Return the fields of an integration that a response may contain."""
    fields = compiled(Integration).fields.values()
    # A local field in a response would be treated as declared in a file.
    return tuple(f for f in fields if not (f.facts.identity or f.facts.local or f.facts.write_only))


@cache
def _structured() -> tuple[FieldSchema, ...]:
    """Return the fields of the record itself that contain a list or an object."""
    own = (f for f in _fields() if f.facts.sub_resource is None)
    return tuple(f for f in own if f.key is not None or f.kind is FieldKind.OBJECT)


@cache
def _beside(part: SubResource) -> tuple[FieldSchema, ...]:
    """Return the flags and switches of a sub-resource outside its list."""
    fields = (f for f in _fields() if f.facts.sub_resource is part)
    return tuple(f for f in fields if f.is_flag or f.has_switch)


def _put(fields: dict[str, Value], field: FieldSchema, value: Value) -> None:
    """Add a field unless it is absent."""
    if value is not None:
        fields[field.name] = value


def _plain_fields(record: Mapping[str, object]) -> dict[str, Value]:
    """Read the fields that the list and the detail have in common: scalars and labels."""
    fields: dict[str, Value] = {}
    for name, read in _plain_readers():
        value = read(record.get(name), name)
        if value is not None:
            fields[name] = value
    return fields


@cache
def _plain_readers() -> tuple[tuple[str, Reader], ...]:
    own = (f for f in _fields() if f.facts.sub_resource is None and not f.facts.secret)
    found = ((field.name, _scalar_reader(field)) for field in own)
    return tuple((name, read) for name, read in found if read is not None)


def _scalar_reader(field: FieldSchema) -> Reader | None:
    """Return the reader of a scalar or of labels; None for any other field."""
    if field.kind is FieldKind.MAP and field.entries is not None and field.entries.is_known:
        return decode_values.shallow
    if field.kind is not FieldKind.SCALAR:
        return None
    if field.is_required:
        return decode_values.text
    if field.is_flag:
        return decode_values.flag
    return decode_values.optional_text if field.is_text else decode_values.shallow


def _structure(record: Mapping[str, object], field: FieldSchema) -> Value:
    """Read a list or an object of the record itself; an empty one is absent."""
    value = record.get(field.name)
    if is_empty(value):
        return None
    if field.key is not None:
        return [_entry(item, field) for item in decode_values.items(value, field.name)]
    return _free(value, field.name) if field.kind is FieldKind.OBJECT else None


def _switches(record: Mapping[str, object], part: SubResource) -> dict[str, Value]:
    """Read the fields of sub-resources other than their lists; the record also has them."""
    fields: dict[str, Value] = {}
    for field in _beside(part):
        if field.is_flag:
            _put(fields, field, decode_values.flag(record.get(field.name), field.name))
        else:
            _put(fields, field, _access_of_all(record, field))
    return fields


def _key(record: Mapping[str, object]) -> Value:
    mask = decode_values.optional_text(record.get("masked_key"), "masked_key")
    if mask is not None:
        return _mask(mask) if mask else None
    return _hidden(decode_values.shallow(record.get("key"), "key"))


def _mask(text: str) -> Mask:
    """Return a mask unchanged, or only the ends of an unmasked string, which may be the value."""
    text = repaired(text)  # a mask is stored and compared, but never sent
    mask = Mask(text)
    if _HIDES.search(text) or mask.judge("") is not MaskVerdict.UNREADABLE:
        return mask
    return Mask(f"{text[:2]}…{text[-2:]}" if len(text) > _SHORTEST_WITH_ENDS else "…")


def _hidden(value: object) -> Value:
    """Wrap a sensitive value that the API returned unmasked, so that it cannot be shown."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        mask = Mask(repaired(value))
        # Text in the form of a mask counts as a mask, regardless of the name of its field.
        return mask if mask.judge("") is not MaskVerdict.UNREADABLE else Redacted(value)
    return Redacted(canonical_json(value))


def _unmasked(tree: Mapping[str, object], schema: FieldSchema) -> dict[str, Value]:
    """Return a tree with `masked_x` as `x`, and with unmasked sensitive values hidden."""
    fields: dict[str, Value] = {}
    for key, value in tree.items():
        # Interned, so that a name is stored once for thousands of integrations.
        name = sys.intern(key)
        plain = name.removeprefix(MASK_PREFIX)
        if plain != name:
            fields[sys.intern(plain)] = _masks(value, schema.child(plain))
        # The mask overrides a plain value of the same name, regardless of the order.
        elif name not in fields:
            fields[name] = _visible(value, schema.child(name))
    # Null and absent are the same in a response, but in a file, null clears a field.
    return {name: value for name, value in fields.items() if value is not None}


def _masks(value: object, field: FieldSchema) -> Value:
    if value is None or value == "":
        return None
    if not isinstance(value, dict):
        return _mask(value if isinstance(value, str) else "")
    if field.facts.sensitive and field.is_known:
        # A mask of an object has no visible ends; its digest distinguishes masks.
        return Mask(f"object {digest(value)}")
    return {name: _masks(item, field.child(name)) for name, item in value.items()}


def _visible(value: object, field: FieldSchema) -> Value:
    if field.facts.headers:
        if not isinstance(value, dict):
            return _hidden(value)
        return {name: _hidden(item) for name, item in value.items()}
    if field.facts.sensitive and (field.is_known or isinstance(value, str)):
        return _hidden(value)
    if isinstance(value, dict):
        return _unmasked(value, field)
    if field.facts.sensitive:
        return cast(Value, closed(value))
    if isinstance(value, list):
        entries = field.entries or UNKNOWN
        # A list inside configurations can also contain secrets, for example a list of headers.
        return [_visible(item, entries) for item in value]
    # The response was parsed from JSON, and every JSON value is a `Value`.
    return cast(Value, value)


def _free(value: object, where: str) -> Value:
    return decode_values.shallow(mapping(value, where), where)


def _picked(item: Mapping[str, object], names: tuple[str, ...], where: str) -> dict[str, Value]:
    """Return the fields that a file can declare; null and "" count as absent here."""
    return {
        name: decode_values.shallow(item[name], f"{where}.{name}")
        for name in names
        # The service shows a limit without reset as "" (remote/API.md §5.2).
        if item.get(name) is not None and item[name] != ""
    }


def _entry(item: Mapping[str, object], field: FieldSchema) -> dict[str, Value]:
    """Read an entry of a list; it must have the fields that a file must have."""
    members = (field.entries or UNKNOWN).fields
    for member in members.values():
        if member.is_required:
            decode_values.text(item.get(member.name), f"{field.name}.{member.name}")
    return _picked(item, tuple(members), field.name)


def _model(item: Mapping[str, object]) -> dict[str, Value]:
    fields: dict[str, Value] = {"slug": decode_values.text(item.get("slug"), "models.slug")}
    fields["enabled"] = _enabled(item, "models")
    for name, where, read in _model_readers():
        value = read(item.get(name), where)
        if value is not None:
            fields[name] = value
    if fields.get("is_custom"):  # the catalogue names and describes the others
        fields |= _picked(item, _OF_CUSTOM_MODELS, "models")
    return fields


@cache
def _model_readers() -> tuple[tuple[str, str, Reader], ...]:
    """Return the optional fields of a model, each with its place and its reader."""
    members = (compiled(Integration).child("models").entries or UNKNOWN).fields.values()
    return tuple(
        (member.name, f"models.{member.name}", _scalar_reader(member) or _object_reader(member))
        for member in members
        if not member.is_required and member.name not in _OF_CUSTOM_MODELS
    )


def _object_reader(field: FieldSchema) -> Reader:
    """Return the reader of an object in an entry; it may be empty in any form."""
    if field.name != "configurations":
        return lambda value, where: None if is_empty(value) else _free(value, where)

    def read(value: object, where: str) -> Value:
        configurations = decode_values.object_or_json(value, where)
        decode_values.shallow(configurations, where)
        return _unmasked(configurations, field) if configurations else None

    return read


def _workspace(item: Mapping[str, object]) -> dict[str, Value]:
    field = compiled(Integration).child("workspaces")
    identity = decode_values.text(item.get("id"), "workspaces.id")
    limits = _limits(item, field.entries or UNKNOWN, field.name)
    return {"id": identity, "enabled": _enabled(item, field.name), **limits}


def _enabled(item: Mapping[str, object], where: str) -> bool:
    enabled = decode_values.flag(item.get("enabled"), f"{where}.enabled")
    if enabled is None:
        # No default is safe, because it could hide existing access.
        raise WrongShape(f"{where}.enabled", "there")
    return enabled


def _limits(item: Mapping[str, object], field: FieldSchema, where: str) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    for name, member in field.fields.items():
        if member.kind is FieldKind.SINGLE:
            place = f"{where}.{name}"
            limits = decode_values.items(item.get(name), place)
            # Only one can be declared (remote/API.md §5.2), so another one would stay unseen.
            if len(limits) > 1:
                raise WrongShape(place, "a list of at most one entry")
            picked = [_picked(limit, tuple(member.fields), place) for limit in limits]
            _put(fields, member, picked or None)
    return fields


def _access_of_all(record: Mapping[str, object], field: FieldSchema) -> dict[str, Value] | None:
    """Read the setting for new workspaces under either of its names; null is None."""
    # The specification and the responses name it differently (remote/API.md §1.4).
    names = (field.name, f"{field.name}_settings")
    value = next((record[name] for name in names if record.get(name) is not None), None)
    if value is None:
        return None
    item = mapping(value, field.name)
    return {"enabled": _enabled(item, field.name), **_limits(item, field, field.name)}
