"""The examples of the guide (desired-state/README.md) are valid."""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from textwrap import dedent, indent

import pytest

from tests.desired.building import loaded

GUIDE = Path(__file__).parents[2] / "desired-state/README.md"
FENCE = re.compile(r"^( *)```yaml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
INTEGRATION = (
    "slug: {}\nname: A\nai_provider_id: openai\nworkspaces: [{{id: ws-trial, enabled: true}}]\n"
)
API = "base_url: https://api.portkey.ai/v1\napi_key: ${env:PORTKEY_API_KEY}\n"
CATALOGUE = '{"gpt-5": {"litellm_provider": "openai", "mode": "chat"}}'


def examples() -> Iterator[object]:
    """Return the YAML blocks of the guide, each with its line."""
    text = GUIDE.read_text(encoding="utf-8")
    for block in FENCE.finditer(text):
        line = text[: block.start()].count("\n") + 1
        yield pytest.param(dedent(block[2]), id=f"line {line}")


def configuration(example: str) -> str:
    """Return a complete configuration around an example of any part of it."""
    head = "version: 1\n"
    if example.startswith("targets:\n"):
        named = "targets:\n  production:\n"
        whole = example.replace(named, named + indent(API, "    "), 1)
        # A promotion names a second target.
        staging = "  staging: {base_url: 'simulator:'}\n"
        return head + whole.replace("targets:\n", "targets:\n" + staging, 1)
    target = indent(API, "    ")
    if example.startswith("probe:"):
        target += indent(example, "    ")
        example = ""
    return f"{head}targets:\n  production:\n{target}    environment: production\n{example}"


@pytest.mark.parametrize("example", list(examples()))
def test_each_example_is_valid(example: str) -> None:
    content = {
        f"integrations/{slug}.yaml": INTEGRATION.format(slug)
        for slug in ("openai-main", "openai-production", "openai-experiments")
    }
    config, overlay = "", ""
    if example.startswith("# environments/"):
        overlay = example
    elif example.startswith("# integrations/"):
        content["integrations/openai-main.yaml"] += example
    else:
        config = example.replace("sha256:…", f"sha256:{sha256(CATALOGUE.encode()).hexdigest()}")
    content["environments/production/openai.yaml"] = overlay
    settings = configuration(config)
    content["catalogue.json"] = CATALOGUE
    found = loaded(content, config=settings, target="production").diagnostics
    assert [f"{d.code}: {d.summary}" for d in found if d.code != "stray-file"] == []
