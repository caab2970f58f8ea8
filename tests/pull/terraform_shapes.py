"""Terraform states of drawn shapes, and the API that each describes.

A state has modules with and without keys, `count` and `for_each`, marks in every form, deposed
objects, data sources, resources of other providers and null values, as the output of `terraform
show -json` or as a state file. Every secret, and every value that is marked, contains `canary`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

PROVIDERS = (
    "registry.terraform.io/portkey-ai/portkey",
    "registry.opentofu.org/portkey-ai/portkey",
    "registry.example.com/Portkey-AI/portkey",
)
KEYS = (
    "eu",
    "us.west",
    "a b",
    "é",
    'with "quotes"',
    "back\\slash",
    "..",
    "${var.x}",
    "0",
    "<&>",
    "]",
)
MARKED_LIMIT = 777_001
"""Limit that is marked as sensitive."""

MODULES = ("team", "private", "x-1", "_under")
Json = dict[str, Any]


@dataclass
class Shape:
    """One resource of a state: its place, and its values with their marks."""

    modules: tuple[tuple[str, object], ...]
    type: str
    name: str
    index: object
    values: Json
    marked: frozenset[str] = frozenset()
    mode: str = "managed"
    provider: str = PROVIDERS[0]
    deposed: str | None = None
    depends_on: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return ".".join(f"module.{name}{_key(key)}" for name, key in self.modules)

    @property
    def address(self) -> str:
        mode = "data." if self.mode == "data" else ""
        place = f"{self.module}." if self.modules else ""
        return f"{place}{mode}{self.type}.{self.name}{_key(self.index)}"


def _key(key: object) -> str:
    if key is None:
        return ""
    if isinstance(key, int):
        return f"[{key}]"
    text = json.dumps(key, ensure_ascii=False).replace("${", "$${")
    return f"[{text}]"


@dataclass
class DrawnState:
    """Terraform state, with the creates and grants that bring the API into this state."""

    dice: Random
    shapes: list[Shape] = field(default_factory=list)
    creates: list[Json] = field(default_factory=list)
    grants: list[tuple[str, Json]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    write_only: set[str] = field(default_factory=set)

    @property
    def slugs(self) -> list[str]:
        """Return the slugs of the integrations that a pull writes."""
        return sorted({body["slug"] for body in self.creates} - self.hidden)


def draw_state(seed: int) -> DrawnState:
    """Draw a state."""
    drawn = DrawnState(Random(f"terraform {seed}"))
    for number in range(drawn.dice.randint(1, 6)):
        _add_integration(drawn, number)
    for number in range(drawn.dice.randint(0, 4)):
        _add_other(drawn, number)
    drawn.dice.shuffle(drawn.shapes)
    return drawn


def _place(dice: Random) -> tuple[tuple[tuple[str, object], ...], object]:
    modules = tuple(
        (dice.choice(MODULES), dice.choice((None, None, 0, 7, dice.choice(KEYS))))
        for _ in range(dice.choice((0, 0, 0, 1, 2, 4)))
    )
    return modules, dice.choice((None, None, None, 0, 12, dice.choice(KEYS)))


def _add_integration(drawn: DrawnState, number: int) -> None:
    dice = drawn.dice
    slug = dice.choice((f"int-{number}",) * 5 + (f"canary-int-{number}",))
    modules, index = _place(dice)
    provider, key, configurations = _credential(drawn, slug)
    description = dice.choice((None, "", "For all teams", f"canary-description-{number}"))
    name = dice.choice((f"Name {number}", f"canary-name-{number}"))
    marked = {"key", "configurations"}
    if description is not None and "canary" in description:
        marked.add("description")
    marked |= {"name"} if "canary" in name else set()
    marked |= {"slug"} if "canary" in slug else set()
    if marked & {"name", "slug"}:
        drawn.hidden.add(slug)
    body = {"slug": slug, "name": name, "ai_provider_id": provider, "key": key}
    body |= {"configurations": configurations, "description": description or None}
    body["create_default_provider"] = False
    drawn.creates.append({n: v for n, v in body.items() if v is not None})
    is_write_only = key is not None and dice.random() < 0.2
    if is_write_only:
        drawn.write_only.add(slug)
    values: Json = {
        "id": f"<id of {slug}>",
        "slug": slug,
        "name": name,
        "ai_provider_id": provider,
        "key": None if is_write_only else key,
        "key_wo": None,
        "key_version": 1 if is_write_only else None,
        "configurations": _notation(dice, configurations),
        "description": description,
        "allow_all_models": dice.choice((True, None)),
        "secret_mappings": dice.choice((None, [])),
        "workspace_id": None,
        "status": "active",
        "type": "organisation",
        "created_at": "2026-11-29T10:16:59.986Z",
        "updated_at": None,
        "attribute_of_tomorrow": dice.choice((None, "canary-tomorrow", {"a": ["canary-a"]})),
    }
    for absent in dice.sample(
        sorted({"key_wo", "secret_mappings", "workspace_id", "updated_at"}), 2
    ):
        del values[absent]
    shape = Shape(modules, "portkey_integration", f"r{number}", index, values, frozenset(marked))
    shape.provider = dice.choice(PROVIDERS)
    drawn.shapes.append(shape)
    _add_access(drawn, shape, slug)
    if dice.random() < 0.2:
        deposed = {**values, "id": "gone", "slug": f"{slug}-deposed", "key": "sk-canary-deposed"}
        old = Shape(modules, shape.type, shape.name, index, deposed, shape.marked)
        old.deposed = f"{number:08x}"
        drawn.shapes.append(old)


def _credential(drawn: DrawnState, slug: str) -> tuple[str, str | None, Json | None]:
    """Return a provider, its key and its configurations."""
    upper = slug.upper().replace("-", "_")
    key = f"sk-canary-{slug}-4f1e0b7a"
    match drawn.dice.randrange(5):
        case 0:
            secret = f"canary/aws/{slug}/3b7e"
            drawn.secrets |= {
                f"SECRET_{upper}_AWS_ACCESS_KEY_ID": f"AKIACANARY{slug}",
                f"SECRET_{upper}_AWS_SECRET_ACCESS_KEY": secret,
            }
            return (
                "bedrock",
                None,
                {
                    "aws_auth_type": "accessKey",
                    "aws_region": "eu-central-1",
                    "aws_access_key_id": f"AKIACANARY{slug}",
                    "aws_secret_access_key": secret,
                },
            )
        case 1:
            headers = {"authorization": f"Bearer canary-{slug}"}
            drawn.secrets |= {
                f"SECRET_{upper}_KEY": key,
                f"SECRET_{upper}_AUTHORIZATION": headers["authorization"],
            }
            host = "https://models.example.com/v1"
            return "mistral-ai", key, {"custom_host": host, "custom_headers": headers}
        case 2:
            drawn.secrets[f"SECRET_{upper}_KEY"] = key
            return "openai", key, {"openai_organization": "org-1"}
        case _:
            drawn.secrets[f"SECRET_{upper}_KEY"] = key
            return drawn.dice.choice(("openai", "anthropic", "groq")), key, None


def _notation(dice: Random, configurations: Json | None) -> object:
    if configurations is None:
        return dice.choice((None, "", "{}"))
    return dice.choice(
        (json.dumps(configurations), json.dumps(configurations, indent=2), configurations)
    )


def _add_access(drawn: DrawnState, owner: Shape, slug: str) -> None:
    dice = drawn.dice
    identity = dice.choice((owner.values["id"], slug))
    for workspace in dice.sample(("ws-a", "ws-b", "ws-canary-c"), dice.choice((0, 0, 1, 2))):
        number = len(drawn.grants)
        limit = {"type": "cost", "credit_limit": 10 + number, "alert_threshold": 5}
        if dice.random() < 0.3:
            # A number that nothing else in a file has.
            limit["credit_limit"] = MARKED_LIMIT
        limits = dice.choice(([], [limit]))
        entry: Json = {"id": workspace, "enabled": True}
        entry |= {"usage_limits": limits} if limits else {}
        drawn.grants.append((f"{slug}/workspaces", {"workspaces": [entry]}))
        values: Json = {"id": f"{slug}/{workspace}", "integration_id": identity}
        values |= {"workspace_id": workspace, "enabled": True, "rate_limits": None}
        values["usage_limits"] = limits or None
        marked = {"workspace_id"} if "canary" in workspace else set()
        marked |= {"integration_id"} if "canary" in identity else set()
        marked |= {"usage_limits"} if limit["credit_limit"] == MARKED_LIMIT else set()
        _add_entry(drawn, owner, values, marked)
    for model in dice.sample(("gpt-5", "canary-model"), dice.choice((0, 0, 1, 2))):
        entry = {"slug": model, "enabled": model != "gpt-5"}
        entry |= {"is_custom": True, "base_model_slug": "gpt-5"} if model != "gpt-5" else {}
        drawn.grants.append((f"{slug}/models", {"models": [entry]}))
        values = {"id": f"{slug}/{model}", "integration_id": identity, "model_slug": model}
        values |= {"is_custom": False, "pricing_config": None, **entry}
        del values["slug"]
        marked = {"model_slug"} if "canary" in model else set()
        marked |= {"integration_id"} if "canary" in identity else set()
        _add_entry(drawn, owner, values, marked)


def _add_entry(drawn: DrawnState, owner: Shape, values: Json, marked: set[str]) -> None:
    part = "workspace" if "workspace_id" in values else "model"
    kind, name = f"portkey_integration_{part}_access", f"{owner.name}_e{len(drawn.grants)}"
    entry = Shape(owner.modules, kind, name, owner.index, values, frozenset(marked))
    entry.provider = owner.provider
    drawn.shapes.append(entry)


def _add_other(drawn: DrawnState, number: int) -> None:
    """Add a resource that a pull does not read."""
    dice = drawn.dice
    modules, index = _place(dice)
    values = {"id": "7", "slug": "int-0", "key": "sk-canary-other", "result": ["canary"]}
    kind, mode, provider = dice.choice(
        (
            ("portkey_integration", "data", PROVIDERS[0]),
            ("portkey_integration", "managed", "registry.terraform.io/example/portkey"),
            ("portkey_integration", "ephemeral", PROVIDERS[0]),
            ("random_password", "managed", "registry.terraform.io/hashicorp/random"),
            ("portkey_workspace", "managed", PROVIDERS[0]),
            ("portkey_virtual_key", "managed", PROVIDERS[0]),
        )
    )
    drawn.shapes.append(
        Shape(modules, kind, f"o{number}", index, values, mode=mode, provider=provider)
    )


# -- the two forms -----------------------------------------------------------------------


def shown(drawn: DrawnState, ids: Mapping[str, str]) -> Json:
    """Return the output of `terraform show -json`."""
    dice = drawn.dice
    root: Json = {"resources": [], "child_modules": []}
    modules: dict[tuple[tuple[str, object], ...], Json] = {(): root}
    for shape in drawn.shapes:
        module = _module_of(modules, shape.modules)
        resource = {
            "address": shape.address,
            "mode": shape.mode,
            "type": shape.type,
            "name": shape.name,
            "provider_name": shape.provider,
            "schema_version": 0,
            "values": _identified(shape.values, ids),
            "sensitive_values": _marks(dice, shape),
        }
        resource |= {} if shape.index is None else {"index": shape.index}
        resource |= {} if shape.deposed is None else {"deposed_key": shape.deposed}
        module["resources"].append(resource)
    outputs = {"key": {"sensitive": True, "type": "string", "value": "canary-output"}}
    version = dice.choice(("0.1", "0.2", "1.0", "1.7"))
    values = {"outputs": outputs, "root_module": root}
    return {"format_version": version, "terraform_version": "1.11.4", "values": values}


def _module_of(
    modules: dict[tuple[tuple[str, object], ...], Json], path: tuple[tuple[str, object], ...]
) -> Json:
    if path not in modules:
        parent = _module_of(modules, path[:-1])
        address = Shape(path, "", "", None, {}).module
        modules[path] = {"address": address, "resources": [], "child_modules": []}
        parent["child_modules"].append(modules[path])
    return modules[path]


def _marks(dice: Random, shape: Shape) -> object:
    if not shape.marked and dice.random() < 0.5:
        return dice.choice((False, None, {}))
    forms = (True, {"a": True}, [True], [{"credit_limit": True}, {}], [[False, {"a": [True]}]])
    marks: Json = {name: dice.choice(forms) for name in shape.marked}
    return {"slug": False, "secret_mappings": [], "name": False, **marks}


def stored(drawn: DrawnState, ids: Mapping[str, str]) -> Json:
    """Return a state file of version 4."""
    dice, resources = drawn.dice, []
    for shape in drawn.shapes:
        instance: Json = {
            "schema_version": 0,
            "attributes": _identified(shape.values, ids),
            "sensitive_attributes": [_path(dice, name) for name in sorted(shape.marked)],
            "private": "Y2FuYXJ5",
        }
        instance |= {} if shape.index is None else {"index_key": shape.index}
        instance |= {} if shape.deposed is None else {"deposed": shape.deposed}
        resource = {"mode": shape.mode, "type": shape.type, "name": shape.name}
        resource |= {"module": shape.module} if shape.modules else {}
        resource |= {"provider": f'provider["{shape.provider}"]', "instances": [instance]}
        resources.append(resource)
    return {
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": 3,
        "lineage": "canary",
        "outputs": {"key": {"value": "canary-output", "type": "string", "sensitive": True}},
        "resources": resources,
        "check_results": None,
    }


def _path(dice: Random, name: str) -> list[Json]:
    """Return the path of a mark; a part of a value can be marked."""
    first = {"type": "get_attr", "value": name}
    inner = {"type": "index", "value": {"value": 0, "type": "number"}}
    return dice.choice(([first], [first, inner]))


def _identified(values: Json, ids: Mapping[str, str]) -> Json:
    text = json.dumps(values)
    for slug, identity in ids.items():
        text = text.replace(f"<id of {slug}>", identity)
    found: Json = json.loads(text)
    return found


def written(dice: Random, document: Json) -> bytes:
    """Return a document as a tool writes it: indented or not, with a byte order mark, or CRLF."""
    text = json.dumps(document, indent=dice.choice((None, 2)), ensure_ascii=dice.random() < 0.5)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}") if dice.random() < 0.5 else text
    text += dice.choice(("", "\n"))
    text = text.replace("\n", "\r\n") if dice.random() < 0.2 else text
    return text.encode(dice.choice(("utf-8", "utf-8", "utf-8-sig")))
