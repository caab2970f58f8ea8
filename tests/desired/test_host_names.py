"""No field for a host, or a part of one, can be used to inject another host.

The fields are read from the schema, so that new providers are tested as well.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.domain.providers import PROVIDERS
from reconciler.domain.schema import FieldSchema, integration_schema
from reconciler.domain.tree import Path as FieldPath
from tests.desired.building import CONFIG
from tests.desired.validating import diagnostics_by_slug

INTO_A_NAME = [
    "evil.example/#",
    "evil.example/",
    "evil.example/%23",
    "a.b@evil",
    "user:pass@evil.example",
    "x?y",
    "x#y",
    "x\\y",
    "x:8443",
    "x;y",
    "x&y",
    "[::1]",
    "..",
    "x..y",
    ".x",
    "x.",
    "x y",
    " x",
    "x ",
    "x\ty",
    "x\ny",
    "x\n",
    "x\r\nHost: evil.example",
    "x\u0000",
    "x\u007f",
    "x\u00a0y",
    "x\u200by",
    "x\u2028y",
    "x\u00ady",
    "evil\u3002example",
    "evil\uff0eexample",
    "x\u2044y",
    "x\uff0fy",
    "x\uff20y",
    "\u0435u-central-1",
    "\uff45u-central-1",
    "eu-central-\u0661",
    "xn--\u00e4",
    "%2fevil",
    "evil%2eexample",
    "${x}",
    "evil.example/${",
    "https://evil.example",
]
INTO_A_URL = [
    "https://a.b@evil.example",
    "https://user:pass@evil.example",
    "https://evil.example/v1#/models",
    "https://good.example\\@evil.example",
    "https://good.example\\.evil.example",
    "https://good.example:443@evil.example",
    "https://x;y",
    "https://x&y",
    "https://..",
    "https://x..y",
    "https://x y.example",
    "https://evil.example/ v1",
    " https://evil.example",
    "https://evil.example\n",
    "https://evil.example\r\nHost: other.example",
    "https://evil.example/\tv1",
    "https://evil.example\u0000",
    "https://evil\u3002example",
    "https://evil.example\u2044v1",
    "https://\u0435xample.com",
    "https://e\u200bxample.com",
    "https://%2fevil",
    "https://evil%2eexample",
    "//evil.example",
    "evil.example/#",
    "file:///etc/passwd",
    "https:evil.example",
    "https:///evil.example",
    "${x}",
    "https://good.example/${x}#",
    "https://${x}",
]
RIGHT = ["eu-central-1", "westeurope", "my_account-1"]


def host_fields() -> Iterator[tuple[str, FieldPath, FieldSchema]]:
    for provider in sorted(PROVIDERS):
        for path, field in integration_schema(provider).walk():
            if field.facts.host or field.facts.endpoint:
                yield provider, path, field


def document(slug: str, provider: str, path: FieldPath, value: str) -> dict[str, Any]:
    written: dict[str, Any] = {"slug": slug, "name": "A", "ai_provider_id": provider}
    configurations = {path[-1]: value}
    if path[0] == "models":
        model = {"slug": "m", "enabled": True, "configurations": configurations}
        return written | {"models": [model]}
    return written | {"configurations": configurations}


def problems_in(folder: Path, *, urls: bool, values: list[str]) -> dict[str, set[tuple[str, str]]]:
    """Write each value to each field; return severities and codes by field and value."""
    (folder / "integrations").mkdir()
    (folder / "reconcile.yaml").write_text(CONFIG)
    cases = {}
    for provider, path, field in host_fields():
        if field.facts.url is not urls:
            continue
        for value in values:
            slug = f"case-{len(cases)}"
            cases[slug] = f"{provider} {'.'.join(path)} {value!r}", path[-1]
            text = json.dumps(document(slug, provider, path, value))
            (folder / "integrations" / f"{slug}.yaml").write_text(text)
    found = diagnostics_by_slug(folder)
    return {
        name: {(d["severity"], d["code"]) for d in found[slug] if f"`{field}`" in d["summary"]}
        for slug, (name, field) in cases.items()
    }


@pytest.mark.parametrize(
    ("urls", "values"),
    [(False, INTO_A_NAME), pytest.param(True, INTO_A_URL, marks=pytest.mark.slow)],
)
def test_another_host_cannot_be_injected_into_a_field(
    tmp_path: Path, urls: bool, values: list[str]
) -> None:
    found = problems_in(tmp_path, urls=urls, values=values)
    assert len(found) > 100
    unseen = [name for name, told in found.items() if "error" not in {s for s, _ in told}]
    assert unseen == []


def test_an_invalid_name_has_only_the_error_about_its_form(tmp_path: Path) -> None:
    found = problems_in(tmp_path, urls=False, values=["x\u200by", "x;y", "%2fevil"])
    names = {
        name: told
        for name, told in found.items()
        if "byteplus_region" not in name and "azure_deployment_type" not in name
    }
    legacy = ("warning", "legacy-field")
    assert {frozenset(told - {legacy}) for told in names.values()} == {
        frozenset({("error", "unexpected-form")})
    }


def test_ordinary_names_are_accepted(tmp_path: Path) -> None:
    found = problems_in(tmp_path, urls=False, values=RIGHT)
    wrong = {name for name, told in found.items() if ("error", "unexpected-form") in told}
    assert wrong == set()
