"""JSON Schemas of the files, for editors, derived from the models that also validate them.

An editor checks less than `reconcile validate`: overlays, duplicates and dates cannot be expressed.
The schemas of outputs: `reconciler.views.output_schema`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.desired.config import ConfigFile
from reconciler.desired.host_rules import LONGEST_URL
from reconciler.desired.overlay import REMOVE
from reconciler.domain.facts import MASK_PREFIX, REFERENCE_PATTERN
from reconciler.domain.identifiers import SLUG
from reconciler.domain.integration import MAPPINGS, Integration, UsageLimit
from reconciler.domain.providers import KNOWN_PROVIDERS, PROVIDERS, Configuration
from reconciler.domain.schema import FieldSchema, integration_schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_MAPPABLE = {"not": {"required": [MAPPINGS]}}
"""A secret mapping can fill a required field; without mappings the field must be set."""

# Less strict than the rules of `validate`, so that an editor never marks a correct value.
# `patternErrorMessage` and `errorMessage` are for editors; JSON Schema ignores unknown keywords.
_URL: Schema = {
    "pattern": r"^([Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@]+([/?][^\s#]*)?)?$",
    "maxLength": LONGEST_URL,
    "patternErrorMessage": "Must be an absolute URL without a user name and a fragment.",
}
_INSTANT: Schema = {
    "pattern": "^([0-9]{4}-?[0-9W].*)?$",
    "patternErrorMessage": "Must be an instant such as 2030-01-31T00:00:00Z.",
}
_PLAIN: Schema = {
    "pattern": r"^(?![\s\S]*\$\{[a-z][a-z0-9+._-]*:[^{}]*\})",
    "patternErrorMessage": "Only a secret field or a header can contain a reference.",
}
_ONE_RESET: Schema = {
    "if": {
        "properties": {
            "periodic_reset": {"type": "string", "minLength": 1},
            "periodic_reset_days": {"type": "integer"},
        },
        "required": ["periodic_reset", "periodic_reset_days"],
    },
    # An object is never null; unlike `not`, a wrong type can have a message.
    "then": {
        "type": "null",
        "errorMessage": "periodic_reset and periodic_reset_days cannot be set together.",
    },
}
_NO_WORKSPACES: Schema = {
    "if": {"properties": {"workspace_id": {"type": "string"}}, "required": ["workspace_id"]},
    "then": {"properties": {"workspaces": False}},
}
_REQUIRED_VALUE: Schema = {
    "type": ["string", "number", "boolean", "array", "object"],
    "minLength": 1,
    "minItems": 1,
    "minProperties": 1,
}
"""Value of a required field, which is missing when it is empty."""
_IS_SET: Schema = {"$ref": "#/$defs/RequiredValue"}

_TARGET = {
    "base_url": "Base URL of the API; `simulator:` is the embedded simulator.",
    "api_key": "Reference to the API key: `${env:PORTKEY_…}` or a secret manager.",
    "auth_header": "Header that carries the API key.",
    "environment": "Folder in environments/ whose overlays are merged.",
    "scope": "Integrations that this repository may own; others are never changed.",
    "prune": "Which integrations without a file are deleted.",
    "limits": "Limits for the changes of one run; a plan that exceeds them is blocked.",
    "known_fields": "Unknown configuration fields to treat as plain, by provider.",
    "windows": "Hours in which changes are applied; outside these hours, an apply is refused.",
    "freeze": "Time until which nothing is applied.",
    "probe": "How `apply --probe` checks a credential after writing it.",
    "usage": "Whether plans list the users of an integration and block removals that affect them.",
    "rotation": "How credentials are rotated.",
    "policies": "Additional policies of this target.",
    "promotion": "Target that must have had the same content for some time before it is "
    "applied here.",
}
_PROMOTION = {
    "from": "Target that must have applied the same content.",
    "soak_hours": "Hours for which the content must have been there without drift.",
}
_POLICY = {
    "name": "Name of the policy, as shown in plans.",
    "command": "Program and arguments; RECONCILE_ALLOWED_POLICIES must list the whole command.",
    "files": "Files and folders of the desired-state folder that the program reads.",
    "timeout_seconds": "Seconds after which the program is stopped and the plan is blocked.",
}
_WINDOW = {
    "allow": "Days and hours, such as `Mon-Thu 09:00-16:00`; without days, every day.",
    "zone": "Time zone of the hours, such as `Europe/Berlin`.",
    "risks": "Risks that the window restricts; without this list, it restricts every change.",
}
_FREEZE = {
    "until": "Last day of the freeze, or the instant of its end with its zone.",
    "reason": "Reason, shown when an apply is refused.",
    "zone": "Time zone of the last day; by default that of the windows, else UTC.",
}
_PROBE = {
    "command": "Program and arguments; RECONCILE_ALLOWED_PROBES must list the command.",
    "variables": "Environment variables that the command receives besides PATH and HOME.",
    "gateway": "Ask the gateway for the models of the provider instead of running a command.",
    "workspace": "Workspace in which the credential is tested.",
    "timeout_seconds": "Time limit of one probe, in seconds.",
}
_ROTATION = {
    "staged": "Test each credential in a shadow integration `SLUG--next` first; needs `probe`.",
}
_GATEWAY = {
    "api_key": "Reference to a key of the gateway: `${env:PORTKEY_…}` or a secret manager.",
    "base_url": "Base URL of the gateway; by default that of the target.",
}
_SCOPE = {
    "type": "Integrations of the organisation, of workspaces, or all.",
    "workspace_id": "Only integrations of this workspace.",
    "slugs": "Patterns of slugs; `!x*` excludes slugs.",
}
_LIMITS = {
    "deletes": "Number of integrations that one run may delete.",
    "delete_ratio": "Ratio of the owned integrations that one run may delete, if 10 or more "
    "are owned.",
    "replaces": "Number of integrations that one run may replace (delete and re-create).",
    "credential_changes": "Number of credentials that one run may change.",
    "access_removals": "Number of workspaces and models whose access one run may remove.",
    "budget_total": "Maximum sum of the budgets of all workspaces, for each period separately.",
    "budget_increase": "Ratio by which one run may raise the sum of budgets, such as 0.5 or `50%`.",
    "used_removals": "Maximum number of removals of used integrations in one run; 0 by "
    "default with `usage`.",
    "plan_age_hours": "Hours for which a saved plan can be applied.",
}
_CATALOGUE = {
    "file": "Path of the catalogue, in the folder of this file.",
    "digest": "Digest of the catalogue; `reconcile catalogue update` writes both.",
}
_TOMBSTONE = {
    "slug": "The slug that must not exist.",
    "reason": "Reason, for the readers of the file.",
}


def integration() -> Schema:
    """Return the schema of a document in integrations/."""
    schema = _any_integration()
    definitions = schema["$defs"]
    properties = schema["properties"]
    # Any string is valid, because the vendor adds providers; editors offer the known ones.
    properties["ai_provider_id"] |= {"anyOf": [{"enum": sorted(KNOWN_PROVIDERS)}, {}]}
    rules = [_NO_WORKSPACES]
    families: dict[type[Configuration], list[str]] = {}
    for provider, model in PROVIDERS.items():
        families.setdefault(model, []).append(provider)
    # One rule for all providers of a family, or the schema would be ten times as large.
    for model, providers in families.items():
        definitions[model.__name__] = _configuration(model, definitions)
        rules.append(_rule({"enum": sorted(providers)}, model))
    definitions[Configuration.__name__] = _configuration(Configuration, definitions)
    definitions["RequiredValue"] = _REQUIRED_VALUE
    # The rest: providers without additional fields, and providers that this release does not know.
    rules.append(_rule({"not": {"enum": sorted(PROVIDERS)}}, Configuration))
    # Left open here: the rules choose the definition by `ai_provider_id`.
    properties["configurations"] = {
        "description": properties["configurations"]["description"],
        "type": ["object", "null"],
    }
    # The empty name represents an unknown provider.
    for provider in (*PROVIDERS, ""):
        _constrain(integration_schema(provider), definitions)
    return finished(schema, "Integration", allOf=rules)


def _any_integration() -> Schema:
    """Return the schema of the fields that do not depend on the provider."""
    schema = Integration.as_pydantic().model_json_schema()
    definitions = schema["$defs"]
    definitions[UsageLimit.__name__] |= _ONE_RESET
    _constrain(integration_schema(""), {Integration.__name__: schema, **definitions})
    return schema


def _constrain(schema: FieldSchema, models: Mapping[str, Schema]) -> None:
    """Add to the schemas of models the constraints that follow from the facts of their fields."""
    for part in (schema, *(child for _, child in schema.walk())):
        if part.model is None or part.model.__name__ not in models:
            continue
        properties = models[part.model.__name__]["properties"]
        fields = part.entries.fields if part.entries is not None else part.fields
        for name, field in fields.items():
            # A pattern that the model declares is stricter than the one that follows from a fact.
            if name in properties and "pattern" not in properties[name]:
                properties[name] |= _of_facts(field)


def _of_facts(field: FieldSchema) -> Schema:
    if field.facts.url:
        return _URL
    if field.facts.instant:
        return _INSTANT
    return _PLAIN if field.is_text and not field.facts.sensitive and not field.choices else {}


def access() -> Schema:
    """Return the schema of a file in access/: workspaces by slug."""
    definitions = _any_integration()["$defs"]
    names = ("WorkspaceAccess", "UsageLimit", "RateLimit")
    workspaces = {
        "type": "array",
        "description": "Workspaces to add to those of the integration, by id.",
        "items": {"$ref": "#/$defs/WorkspaceAccess"},
    }
    fragment = {
        "type": "object",
        "properties": {"workspaces": workspaces},
        "additionalProperties": False,
    }
    return finished(
        {"$defs": {name: definitions[name] for name in names}, **_by_slug(fragment)}, "Access"
    )


def overlay() -> Schema:
    """Return the schema of a file in environments/: patches by slug; null removes a value."""
    schema = _any_integration()
    definitions = {name: _patch(model) for name, model in schema["$defs"].items()}
    for name, key in (("ModelAccess", "slug"), ("WorkspaceAccess", "id")):
        entry = definitions[name]
        entry["required"] = [key]
        entry["properties"][REMOVE] = {
            "const": True,
            "description": "Remove the entry in this environment.",
        }
    patch = _patch(schema)
    # The slug is the name of the patch. The provider, and with it the fields of `configurations`,
    # is known from the integration only.
    del patch["properties"]["slug"]
    patch["properties"]["configurations"] = {
        "description": schema["properties"]["configurations"]["description"],
        "type": ["object", "null"],
    }
    nullable = {"anyOf": [{"$ref": "#/$defs/Patch"}, {"type": "null"}]}
    patch = {key: value for key, value in patch.items() if key != "$defs"}
    return finished({"$defs": {**definitions, "Patch": patch}, **_by_slug(nullable)}, "Overlay")


def _by_slug(entry: Schema) -> Schema:
    """Return the schema of a mapping by slug; an empty file is also valid."""
    return {
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{SLUG.pattern}$"},
        "additionalProperties": entry,
    }


def _patch(model: Schema) -> Schema:
    """Return the schema of a model without required fields, in which every field can be null."""
    patch = {key: value for key, value in model.items() if key != "required"}
    properties = model.get("properties")
    if properties is not None:
        patch["properties"] = {
            name: {"anyOf": [field, {"type": "null"}]} for name, field in properties.items()
        }
    return patch


def config() -> Schema:
    """Return the schema of reconcile.yaml."""
    schema = ConfigFile.as_pydantic().model_json_schema()
    definitions = schema["$defs"]
    target = definitions["Target"]["properties"]
    # Neither is in the file, where the name is the key in `targets`; a reference is a string.
    del target["name"], target["soaks"], definitions["SecretRef"]
    target["api_key"] = {"type": "string", "pattern": REFERENCE_PATTERN}
    definitions["GatewayProbe"]["properties"]["api_key"] = {**target["api_key"]}
    for name, descriptions in (
        ("Target", _TARGET),
        ("Scope", _SCOPE),
        ("Limits", _LIMITS),
        ("ChangeWindow", _WINDOW),
        ("Freeze", _FREEZE),
        ("Probe", _PROBE),
        ("GatewayProbe", _GATEWAY),
        ("PolicyCommand", _POLICY),
        ("Rotation", _ROTATION),
        ("PinnedCatalogue", _CATALOGUE),
        ("Promotion", _PROMOTION),
        ("Tombstone", _TOMBSTONE),
    ):
        for field, text in descriptions.items():
            definitions[name]["properties"][field]["description"] = text
    return finished(schema, "reconcile.yaml")


def _rule(providers: Schema, model: type[Configuration]) -> Schema:
    """Return the condition that ties `configurations` to the model of some providers."""
    reference = {"anyOf": [{"$ref": f"#/$defs/{model.__name__}"}, {"type": "null"}]}
    then: Schema = {"properties": {"configurations": reference}}
    if demands := list(_demands(model)):
        # If a mode requires fields and the provider does not, the whole may be left out.
        kind = "object" if model.required else ["object", "null"]
        needed = {"properties": {"configurations": {"type": kind, "allOf": demands}}}
        then |= {"if": _MAPPABLE, "then": needed}
    return {
        "if": {"properties": {"ai_provider_id": providers}, "required": ["ai_provider_id"]},
        "then": then,
    }


def _demands(model: type[Configuration]) -> Iterable[Schema]:
    if model.required:
        yield _required(model.required)
    for mode, fields in model.required_by_mode.items():
        is_mode = {
            "properties": {model.mode_field: {"const": mode}},
            "required": [model.mode_field],
        }
        yield {"if": is_mode, "then": _required(fields)}


def _required(fields: Iterable[str]) -> Schema:
    return {"required": list(fields), "properties": dict.fromkeys(fields, _IS_SET)}


def _configuration(model: type[Configuration], definitions: Schema) -> Schema:
    """Return the schema of one provider's configurations; unknown fields are allowed."""
    schema = model.as_pydantic().model_json_schema()
    definitions |= schema.pop("$defs", {})
    # A mask that was copied from a response is not a value; an editor should report it.
    return schema | {"patternProperties": {f"^{MASK_PREFIX}": False}}


def finished(schema: Schema, title: str, **more: Any) -> Schema:
    """Return a schema without generated titles, with its dialect and title."""
    plain = _without_titles(schema)
    return {"$schema": DIALECT, **plain, "title": title, **more}


def _without_titles(schema: Any, *, is_schema: bool = True) -> Any:
    """Drop the titles that pydantic generates; a field can itself be named `title`."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if isinstance(schema, float) and schema.is_integer():
        return int(schema)  # pydantic before 2.11 writes a bound of a float as 0.0
    if not isinstance(schema, Mapping):
        return schema
    return {
        # Directly below `properties` and `$defs` the keys are names of fields and models.
        key: _without_titles(item, is_schema=not is_schema or key not in {"properties", "$defs"})
        for key, item in schema.items()
        if not (is_schema and key in {"title", "default"})
    }
