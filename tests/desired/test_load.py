"""Valid files load as declared, and no file makes the loader raise."""

from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.load import load
from reconciler.desired.source import MemorySource
from reconciler.desired.yaml_reader import read_yaml
from reconciler.diagnostics import SourceLocation
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import Ignored, Lifecycle
from reconciler.domain.tree import plain
from tests.desired.building import CONFIG, OPENAI, TODAY, declared, loaded, places

EXAMPLES = Path(__file__).parents[2] / "desired-state"


def test_the_examples_are_valid_without_a_warning() -> None:
    for target in ("simulator", "production"):
        result = load(EXAMPLES, target_name=target, today=TODAY)
        assert result.diagnostics == ()
        assert result.state is not None
        assert {"openai", "azure-openai", "bedrock", "vertex-ai"} == {
            d.fields["ai_provider_id"] for d in result.state.integrations.values()
        }


def test_every_documented_field_is_read_as_written() -> None:
    integration = declared(
        """\
slug: a
name: Production OpenAI
ai_provider_id: openai
description: Customer traffic
key: ${env:SECRET_OPENAI_KEY}
configurations: {openai_organization: org-1}
pricing_adjustments: {multiplier: {default: 0.8, additional_units: {web_search: 2}}}
tags: {team: search}
allow_all_models: false
models:
  - {slug: gpt-5, enabled: true}
  - {slug: my-tune, enabled: true, is_custom: true, base_model_slug: gpt-5}
global_workspace_access: {enabled: false}
workspaces:
  - {id: ws-team-a, enabled: true, usage_limits: [{type: cost, credit_limit: 500, periodic_reset: monthly}], rate_limits: null}
create_default_provider: false
default_provider_slug: own
lifecycle:
  protected: true
  ignore: [description, 'models[gpt-4.1].enabled', {path: configurations.openai_project, reason: set by finance, until: 2027-01-31}]
"""  # noqa: E501  the contract's own example
    )
    assert integration.fields == {
        "name": "Production OpenAI",
        "ai_provider_id": "openai",
        "description": "Customer traffic",
        "key": SecretRef("env", "SECRET_OPENAI_KEY"),
        "configurations": {"openai_organization": "org-1"},
        "pricing_adjustments": {
            "multiplier": {"default": 0.8, "additional_units": {"web_search": 2}}
        },
        "tags": {"team": "search"},
        "allow_all_models": False,
        "models": [
            {"slug": "gpt-5", "enabled": True},
            {
                "slug": "my-tune",
                "enabled": True,
                "is_custom": True,
                "base_model_slug": "gpt-5",
            },
        ],
        "global_workspace_access": {"enabled": False},
        "workspaces": [
            {
                "id": "ws-team-a",
                "enabled": True,
                "usage_limits": [
                    {"type": "cost", "credit_limit": 500, "periodic_reset": "monthly"}
                ],
                "rate_limits": None,
            }
        ],
        "create_default_provider": False,
        "default_provider_slug": "own",
    }
    assert integration.source == SourceLocation("desired-state/integrations/a.yaml", 1, 1)
    assert integration.lifecycle == Lifecycle(
        protected=True,
        ignore=(
            Ignored(("description",)),
            Ignored(("models", "gpt-4.1", "enabled")),
            Ignored(("configurations", "openai_project"), "set by finance", date(2027, 1, 31)),
        ),
    )


def test_an_omitted_field_and_a_declared_empty_one_are_different() -> None:
    assert declared(OPENAI).fields == {"name": "A", "ai_provider_id": "openai"}
    fields = declared(
        OPENAI + "description: ''\ntags: {}\nmodels: []\nconfigurations: null\n"
    ).fields
    assert fields == {
        "name": "A",
        "ai_provider_id": "openai",
        "description": "",
        "tags": {},
        "models": [],
        "configurations": None,
    }


def test_an_ignore_entry_is_valid_on_its_last_day() -> None:
    text = OPENAI + "lifecycle: {ignore: [{path: tags, until: 2026-11-23}]}\n"
    assert declared(text).lifecycle.ignore[0].until == TODAY


def test_several_integrations_can_share_a_file() -> None:
    result = loaded({"integrations/all.yaml": f"{OPENAI}---\n{OPENAI.replace(': a', ': b')}---\n"})
    assert result.state is not None
    assert result.diagnostics == ()
    assert [(s, d.source.line) for s, d in result.state.integrations.items()] == [
        ("a", 1),
        ("b", 5),
    ]


def test_problems_in_a_later_document_are_located_there() -> None:
    result = loaded({"integrations/all.yaml": f"{OPENAI}---\nslug: b\nname: B\n  \nnam: x\n"})
    assert ("unknown-field", "integrations/all.yaml", 8, 1) in places(result.diagnostics)


def test_a_bom_and_windows_line_ends_change_nothing() -> None:
    text = OPENAI + "descripton: x\n"
    unix = loaded({"integrations/a.yaml": text})
    windows = loaded({"integrations/a.yaml": b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()})
    assert unix.diagnostics == windows.diagnostics


def test_json_is_yaml() -> None:
    text = '{\n\t"slug": "a",\n\t"name": "A",\n\t"ai_provider_id": "openai"\n}\n'
    assert declared(text).fields == declared(OPENAI).fields


SLUGS = st.text(alphabet="abc-_09", min_size=1, max_size=8)
WORDS = st.text(
    alphabet=st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=12
)


@st.composite
def integrations(draw: st.DrawFn) -> dict[str, object]:
    models = st.fixed_dictionaries(
        {"slug": st.text(alphabet="gpt-45.:/", min_size=1), "enabled": st.booleans()},
        optional={"is_custom": st.booleans() | st.none(), "base_model_slug": WORDS},
    )
    limits = st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["cost", "tokens"]), "credit_limit": st.integers(1, 10**12)}
        ),
        max_size=1,
    )
    workspaces = st.fixed_dictionaries(
        {"id": SLUGS, "enabled": st.booleans()}, optional={"usage_limits": limits | st.none()}
    )
    return draw(
        st.fixed_dictionaries(
            {
                "slug": SLUGS,
                "name": WORDS.filter(bool),
                "ai_provider_id": st.sampled_from(["openai", "groq", "anthropic"]),
            },
            optional={
                "description": (WORDS | st.none()),
                "tags": st.dictionaries(WORDS.filter(lambda w: w.strip() != ""), WORDS, max_size=3),
                "allow_all_models": st.booleans(),
                "models": st.lists(models, max_size=4, unique_by=lambda m: m["slug"]),
                "workspaces": st.lists(workspaces, max_size=4, unique_by=lambda w: w["id"]),
                "pricing_adjustments": st.fixed_dictionaries(
                    {"multiplier": st.dictionaries(st.just("default"), st.floats(0, 9))}
                ),
            },
        )
    )


@pytest.mark.slow
@given(st.lists(integrations(), max_size=4, unique_by=lambda i: i["slug"]), st.randoms())
def test_the_order_of_files_does_not_change_what_is_declared(
    written: list[dict[str, object]], shuffle: object
) -> None:
    files = {
        f"integrations/{i['slug']}.yaml": yaml.safe_dump(i, allow_unicode=True, sort_keys=False)
        for i in written
    }
    names = list(files)
    shuffle.shuffle(names)  # type: ignore[attr-defined]  hypothesis names no type for it
    content = {"reconcile.yaml": CONFIG, **{n: files[n] for n in names}}
    result = load(
        MemorySource({n: t.encode() for n, t in content.items()}), target_name=None, today=TODAY
    )
    assert result.state is not None, result.diagnostics
    assert {s: plain(d.fields) for s, d in result.state.integrations.items()} == {
        i["slug"]: {k: v for k, v in i.items() if k != "slug"} for i in written
    }
    assert list(result.state.integrations) == sorted(result.state.integrations)


YAML_LIKE = st.text(alphabet="ab:{}[]-,'\"#&*!|>%@`?<\n\t \\~0é\u2028$", max_size=40)


@given(YAML_LIKE | st.text(max_size=30), YAML_LIKE)
def test_no_text_breaks_the_loader(text: str, overlay: str) -> None:
    content = {
        "reconcile.yaml": CONFIG,
        "integrations/a.yaml": text,
        "environments/production/x.yaml": overlay,
        "access/x.yaml": overlay,
    }
    source = MemorySource({n: t.encode("utf-8", "surrogatepass") for n, t in content.items()})
    result = load(source, target_name="production", today=TODAY)
    assert (result.state is None) == any(d.severity == "error" for d in result.diagnostics)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    reading = read_yaml(data)
    assert isinstance(reading.broken, bool)
