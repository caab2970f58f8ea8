"""Generated projects with two environments, whose overlays contain every kind of patch."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cli.project import Here

DIFFERS = (
    "configurations.openai_project",
    "workspaces[*].usage_limits",
    "tags.zone",
    "int-1: description",
    "int-2: models",
    "only-*: *",
)
WORKSPACES = ("ws-a", "ws-b", "ws-c", "ws-d")
MODELS = ("gpt-5", "gpt-5-mini", "o4")


def project(folder: Path, seed: int) -> Here:
    """Return a project with a base, and overlays for staging and production."""
    dice = random.Random(seed)
    made = Here(folder)
    differs = [entry for entry in DIFFERS if dice.random() < 0.5]
    targets = {
        name: {"base_url": "simulator:", "environment": name} for name in ("staging", "production")
    }
    made.write("reconcile.yaml", {"version": 1, "targets": targets, "differs": differs})
    base = {f"int-{number}": _integration(dice, f"int-{number}") for number in range(4)}
    base["only-here"] = _integration(dice, "only-here")
    for slug, fields in base.items():
        made.write(f"integrations/{slug}.yaml", fields)
    if isinstance(base["int-0"].get("workspaces", []), list):
        made.write("access/team.yaml", {"int-0": {"workspaces": [_workspace(dice, "ws-team")]}})
        base["int-0"]["workspaces"] = [*base["int-0"].get("workspaces", []), {"id": "ws-team"}]
    for name in targets:
        (made.files / "environments" / name).mkdir(parents=True)
        for part in range(dice.choice((1, 1, 2))):
            path = f"environments/{name}/{part}.yaml"
            patches = _patches(dice, base, name, part)
            text = "".join(_lines(dice, patches, path))
            # Some files are written by other systems, with a byte order mark or Windows line ends.
            made.write(path, dice.choice(("", "", "\ufeff")) + text)
            if dice.random() < 0.3:
                file = made.files / path
                file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    return made


def _integration(dice: random.Random, slug: str) -> dict[str, Any]:
    fields = _fields(dice)
    fields = {key: value for key, value in fields.items() if value is not None}
    return {
        "slug": slug,
        "name": slug.title(),
        "ai_provider_id": "openai",
        "key": "${env:SECRET_KEY}",
        **fields,
    }


def _fields(dice: random.Random) -> dict[str, Any]:
    """Return some fields with values that a base file may have."""
    found: dict[str, Any] = {}
    if dice.random() < 0.6:
        found["description"] = dice.choice(("one", "two # no comment", "", "no", "a: b"))
    if dice.random() < 0.4:
        found["tags"] = {
            key: dice.choice(("x", "y")) for key in dice.sample(("team", "zone", "cost"), 2)
        }
    if dice.random() < 0.5:
        found["configurations"] = {
            key: dice.choice(("one", "two"))
            for key in dice.sample(("openai_project", "openai_organization"), dice.choice((1, 2)))
        }
        if dice.random() < 0.3:
            found["configurations"]["vendor_field"] = dice.choice(({"a": [1]}, ["x"], "text", 3))
    if dice.random() < 0.6:
        chosen = dice.sample(WORKSPACES, dice.randrange(4))
        found["workspaces"] = [_workspace(dice, name) for name in chosen]
    if dice.random() < 0.5:
        found["allow_all_models"] = dice.random() < 0.5
        found["models"] = [
            {"slug": name, "enabled": dice.random() < 0.7}
            for name in dice.sample(MODELS, dice.randrange(3))
        ]
    if dice.random() < 0.3:
        found["lifecycle"] = {"protected": dice.random() < 0.5}
    return found


def _workspace(dice: random.Random, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": name, "enabled": dice.random() < 0.7}
    if dice.random() < 0.5:
        entry["usage_limits"] = [{"type": "cost", "credit_limit": dice.choice((5, 10))}]
    if dice.random() < 0.3:
        entry["rate_limits"] = [{"type": "requests", "unit": "rpm", "value": dice.choice((1, 2))}]
    return entry


def _patches(dice: random.Random, base: dict[str, Any], name: str, part: int) -> dict[str, Any]:
    patches: dict[str, Any] = {}
    for slug in dice.sample(sorted(base), dice.randrange(len(base) + 1)):
        is_withdrawn = slug == "int-3" and dice.random() < 0.4
        if slug == "only-here":
            is_withdrawn = name == "production"
        if not part:
            patches[slug] = None if is_withdrawn else _patch(dice, base[slug], part)
        elif slug not in {"int-3", "only-here"}:
            patches[slug] = _patch(dice, base[slug], part)
    return patches


def _patch(dice: random.Random, base: dict[str, Any], part: int) -> dict[str, Any]:
    patch = _fields(dice)
    for name in ("description", "tags", "configurations", "workspaces", "models"):
        if name in base and dice.random() < 0.15:
            patch[name] = None
    if part:
        return patch
    for name, key in (("workspaces", "id"), ("models", "slug")):
        there = base.get(name)
        if isinstance(patch.get(name), list) and there and dice.random() < 0.4:
            gone = {key: there[0][key], "$remove": True}
            patch[name] = [gone, *(e for e in patch[name] if e[key] != there[0][key])]
    return patch


def _lines(dice: random.Random, patches: dict[str, Any], path: str) -> Iterator[str]:
    """Return the lines of a file in mixed styles, with a comment above and after every part."""
    number = iter(range(10_000))
    yield f"# {path} {next(number)}\n"
    for slug, patch in patches.items():
        yield f"# above {slug} {next(number)}\n"
        if not patch:
            yield f"{slug}: {'null' if patch is None else '{}'} # behind {next(number)}\n"
            continue
        yield f"{slug}: # behind {next(number)}\n"
        for key, value in patch.items():
            yield f"  # above {key} {next(number)}\n"
            yield from _member(dice, key, value, number)


def _member(dice: random.Random, key: str, value: Any, number: Iterator[int]) -> Iterator[str]:
    def behind() -> str:
        return f" # behind {key} {next(number)}\n"

    if not isinstance(value, dict | list) or not value or dice.random() < 0.4:
        yield f"  {key}: {json.dumps(value)}{behind()}"
    elif isinstance(value, dict):
        yield f"  {key}:{behind()}"
        for name, item in value.items():
            yield f"    {name}: {json.dumps(item)}{behind()}"
    else:
        yield f"  {key}:{behind()}"
        for entry in value:
            if dice.random() < 0.4:
                yield f"    - {json.dumps(entry)}{behind()}"
                continue
            for position, (name, item) in enumerate(entry.items()):
                dash = "-" if not position else " "
                yield f'    {dash} "{name}": {json.dumps(item)}{behind()}'
