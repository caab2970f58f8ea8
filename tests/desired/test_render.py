"""Rendering shows merged integrations with locations, and no hidden value."""

import json

import yaml

from reconciler.desired.load import load_rendered
from reconciler.desired.render import as_json, as_yaml
from tests.desired.building import OPENAI, TODAY, files, integration

TEXT = (
    OPENAI
    + """\
key: ${env:SECRET_X}
description: "two\\nlines \\u202e"
configurations: {custom_headers: {X-Team: blue-canary}}
models: [{slug: gpt-5, enabled: true}]
tags: {}
workspaces: []
lifecycle: {ignore: [tags]}
"""
)


def test_yaml_shows_the_origin_of_each_field() -> None:
    documents, _ = load_rendered(
        files({"integrations/a.yaml": TEXT}), target_name=None, today=TODAY
    )
    assert as_yaml(documents) == (
        "slug: a                           # desired-state/integrations/a.yaml:1\n"
        "name: A                           # desired-state/integrations/a.yaml:2\n"
        "ai_provider_id: openai            # desired-state/integrations/a.yaml:3\n"
        'key: "${env:SECRET_X}"            # desired-state/integrations/a.yaml:4\n'
        'description: "two\\nlines \\u202e"  # desired-state/integrations/a.yaml:5\n'
        "configurations:\n"
        "  custom_headers:\n"
        '    X-Team: "[redacted]"          # desired-state/integrations/a.yaml:6\n'
        "models:\n"
        "  - slug: gpt-5                   # desired-state/integrations/a.yaml:7\n"
        "    enabled: true                 # desired-state/integrations/a.yaml:7\n"
        "tags: {}                          # desired-state/integrations/a.yaml:8\n"
        "workspaces: []                    # desired-state/integrations/a.yaml:9\n"
        "lifecycle:\n"
        "  ignore:\n"
        "    - tags                        # desired-state/integrations/a.yaml:10\n"
    )


def test_yaml_and_json_are_equal() -> None:
    source = files(
        {"integrations/a.yaml": TEXT, "integrations/b.yaml": OPENAI.replace(": a", ": b")}
    )
    documents, diagnostics = load_rendered(source, target_name=None, today=TODAY)
    assert diagnostics == ()
    document = json.loads(as_json(documents))
    assert document["kind"] == "render"
    assert [i["fields"] for i in document["integrations"]] == list(
        yaml.safe_load_all(as_yaml(documents))
    )
    assert document["integrations"][0]["origins"]["models[gpt-5].enabled"] == (
        "desired-state/integrations/a.yaml:7"
    )


def test_files_with_errors_are_not_rendered() -> None:
    source = files({"integrations/a.yaml": OPENAI + "nam: x\n"})
    documents, diagnostics = load_rendered(source, target_name=None, today=TODAY)
    assert documents == ()
    assert [d.code for d in diagnostics] == ["unknown-field"]


def test_a_file_with_a_thousand_errors_reports_some_and_is_refused() -> None:
    result = integration("---\nslg: a\n" * 1000)
    assert result.state is None
    assert 100 < len(result.diagnostics) < 300
