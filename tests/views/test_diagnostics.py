"""Diagnostics as text, JSON, annotations and SARIF: golden files, and escaping of file contents.

`python -m tests.views.test_diagnostics` rewrites the golden files; review their diff.
"""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from reconciler.desired.load import load
from reconciler.desired.source import MemorySource
from reconciler.diagnostics import Diagnostic, Excerpt, SourceLocation, error, notice, warning
from reconciler.views.diagnostics import as_annotations, as_json, as_sarif, as_text, count

GOLDEN = Path(__file__).parents[1] / "golden" / "diagnostics"

REPOSITORY = {
    "reconcile.yaml": """\
version: 1
default_target: production
targets:
  production:
    base_url: http://api.portkey.ai/v1
    api_key: pk-live-0123456789
    limits: {deletes: "3"}
""",
    "integrations/openai-main.yaml": """\
slug: openai-main
name: OpenAI
descripton: Customer traffic
ai_provider_id: opena
key: sk-live-0123456789
""",
    "integrations/azure.yaml": """\
slug: azure
name: Azure
ai_provider_id: azure-openai
configurations:
  azure_auth_mode: Entra
  azure_resource_nam: example
models:
  - {slug: gpt-5, enabled: yes}
""",
    "integrations/azure-again.yaml": "slug: azure\nname: Azure\nai_provider_id: openai\n",
    "integrations/half.yaml": "slug: half\n<<<<<<< HEAD\nname: A\n=======\nname: B\n>>>>>>> b\n",
    "integrations/json.yaml": '{"slug": "json", "key": "sk-1", "name": "J"}\n',
    "integrations/tab.yaml": "slug: tab\ntags:\n\tteam: search\n",
}


def found() -> tuple[Diagnostic, ...]:
    source = MemorySource({name: text.encode() for name, text in REPOSITORY.items()})
    return load(source, target_name=None, today=date(2026, 11, 23)).diagnostics


FORMS = {
    "problems.txt": as_text(found()),
    "problems-color.txt": as_text(found(), color=True),
    "problems.json": as_json(found()),
    "problems.github": as_annotations(found()),
    "problems.sarif": as_sarif(found(), version="0.1.0"),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_text_equals_the_golden_file(name: str) -> None:
    assert FORMS[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_no_form_shows_a_literal_secret() -> None:
    for path in GOLDEN.iterdir():
        assert "live-0123" not in path.read_text(encoding="utf-8")
        assert "sk-1" not in path.read_text(encoding="utf-8")


HOSTILE = error(
    "unknown-field",
    "`a\n::error::owned\x1b[31m\u202e` is not a field",
    hint="100% of a,b:c\r\n##[command]",
    at=SourceLocation("dir,with:colon/\x1b%0A::x.yaml", 3, 1),
)


def test_hostile_text_is_shown_escaped() -> None:
    for shown in (as_text([HOSTILE]), as_annotations([HOSTILE])):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert not any(line.startswith(("::", "##[")) for line in as_text([HOSTILE]).splitlines())


def test_an_annotation_is_one_command_with_escaped_properties() -> None:
    assert as_annotations([HOSTILE]) == (
        "::error file=dir%2Cwith%3Acolon/\\x1b%250A%3A%3Ax.yaml,line=3,col=1,title=unknown-field::"
        "`a\\n::error::owned\\x1b[31m\\u202e` is not a field"
        "%0Ahint: 100%25 of a,b:c\\r\\n##[command]\n"
    )


def test_carets_are_aligned_when_escaping_makes_text_longer() -> None:
    excerpt = Excerpt("a\x1bb: \u200bwrong", 5, 6)
    given = warning("invalid-value", "wrong", at=SourceLocation("a.yaml", 1, 6))
    lines = as_text([replace(given, excerpt=excerpt)]).splitlines()
    text, carets = lines[2].partition("│ ")[2], lines[3].partition("│ ")[2]
    assert text[len(carets) - carets.count("^") : len(carets)] == "\\u200bwrong"


def test_a_document_without_errors_is_valid() -> None:
    assert json.loads(as_json([warning("file-name", "x")]))["valid"] is True
    assert json.loads(as_json([error("file-name", "x")]))["valid"] is False
    assert json.loads(as_json([])) == {
        "format_version": "1",
        "kind": "validation",
        "valid": True,
        "diagnostics": [],
    }


def test_without_diagnostics_nothing_is_shown() -> None:
    assert as_text([]) == ""
    assert as_annotations([]) == ""
    assert count([]) == ""


def test_diagnostics_are_counted_by_severity() -> None:
    found = [error("a", "x"), warning("b", "x"), error("c", "x"), notice("d", "x")]
    assert count(found) == "2 errors, 1 warning, 1 notice"


# The parts of the SARIF 2.1.0 schema that are used here, as in the standard.
_MESSAGE = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {"text": {"type": "string"}},
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"enum": ["2.1.0"]},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "name": {"type": "string"},
                                                "shortDescription": _MESSAGE,
                                                "help": _MESSAGE,
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": -1},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {
                                    "type": "object",
                                    "required": ["text"],
                                    "properties": {"text": {"type": "string"}},
                                },
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "type": "object",
                                                        "properties": {
                                                            "uri": {
                                                                "type": "string",
                                                                "pattern": r"^[^\s\\]+$",
                                                            }
                                                        },
                                                    },
                                                    "region": {
                                                        "type": "object",
                                                        "properties": {
                                                            "startLine": {
                                                                "type": "integer",
                                                                "minimum": 1,
                                                            },
                                                            "startColumn": {
                                                                "type": "integer",
                                                                "minimum": 1,
                                                            },
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.mark.parametrize("diagnostics", [[], [HOSTILE], [error("no-target", "x")], found()])
def test_sarif_has_the_form_of_the_standard(diagnostics: list[Diagnostic]) -> None:
    log = json.loads(as_sarif(diagnostics, version="0.1.0"))
    jsonschema.validate(log, SARIF)
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    results = log["runs"][0]["results"]
    assert len(results) == len(diagnostics)
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in results)


if __name__ == "__main__":
    for name, text in FORMS.items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
