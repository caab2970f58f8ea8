"""The pinned catalogue: its formats, its digest, and its diagnostics for the models in files."""

import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.desired.catalogue_file import digest_of, parse_catalogue
from reconciler.desired.load import Loaded, check, load
from reconciler.diagnostics import Diagnostic

TODAY = date(2026, 11, 29)
CODES = {"model-unknown", "model-retiring", "model-retired"}


class Folder:
    """Folder of files with one target; a catalogue is pinned when it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pinned: dict[str, str] = {}

    def catalogue(self, document: Any, name: str = "catalogue.json") -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        (self.path / name).write_bytes(content)
        self.pinned = {"file": name, "digest": digest_of(content)}

    def write(self, name: str, document: Any) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document if isinstance(document, str) else json.dumps(document, indent=1))

    def integration(self, slug: str, provider: str = "openai", **fields: Any) -> None:
        head = {"slug": slug, "name": slug, "ai_provider_id": provider}
        self.write(f"integrations/{slug}.yaml", {**head, **fields})

    def load(self, today: date = TODAY, **more: Any) -> Loaded:
        target = {"base_url": "simulator:"}
        if (self.path / "environments").exists():
            target["environment"] = "here"
        config: dict[str, Any] = {"version": 1, "targets": {"here": target}}
        if self.pinned:
            config["catalogue"] = self.pinned
        self.write("reconcile.yaml", config)
        return load(self.path, target_name="here", today=today, **more)

    def found(self, today: date = TODAY, **more: Any) -> list[tuple[str, str]]:
        return [(d.code, d.summary) for d in self.load(today, **more).diagnostics]

    def codes(self, today: date = TODAY) -> list[str]:
        return [code for code, _ in self.found(today) if code in CODES]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def litellm(**models: str | None) -> dict[str, Any]:
    """Return a catalogue of OpenAI in LiteLLM's format, with the date of each model."""
    document: dict[str, Any] = {
        "sample_spec": {"litellm_provider": "one of many", "deprecation_date": "a date"}
    }
    for name, retires in models.items():
        entry: dict[str, Any] = {"litellm_provider": "openai", "input_cost_per_token": 1.5e-06}
        document[name.replace("_", "-")] = (
            entry if retires is None else {**entry, "deprecation_date": retires}
        )
    return document


def models(*slugs: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"slug": slug, "enabled": True, **fields} for slug in slugs]


PRICED = {"pricing_config": {"pay_as_you_go": {"request_token": {"price": 0.00025}}}}
SHAPES: dict[str, tuple[Any, str]] = {
    "litellm": (litellm(gpt_4="2026-12-06", gpt_5=None), "catalogue.json"),
    "portkey general": (
        {
            "name": "open-ai",
            "description": "",
            "default": {"params": []},
            "gpt-4": {"type": {"primary": "chat"}, "deprecation_date": "2026-12-06"},
            "gpt-5": {"params": []},
        },
        "any.json",
    ),
    "portkey pricing, named by its file": (
        {
            "default": PRICED,
            "gpt-4": {**PRICED, "deprecation_date": "2026-12-06"},
            "gpt-5": PRICED,
        },
        "openai.json",
    ),
    "portkey combined": (
        {
            "provider": "openai",
            "provider_name": "OpenAI",
            "default": {},
            "models": {"gpt-4": {"deprecation_date": "2026-12-06"}, "gpt-5": {"pricing": None}},
        },
        "any.json",
    ),
    "several providers of portkey": (
        {
            "openai": {"gpt-4": {**PRICED, "deprecation_date": "2026-12-06"}, "gpt-5": PRICED},
            "anthropic": {"name": "anthropic", "claude": {"params": []}},
        },
        "any.json",
    ),
    "list of portkey's combined files": (
        [
            {
                "provider": "openai",
                "models": {"gpt-4": {"deprecation_date": "2026-12-06"}, "gpt-5": {}},
            },
            {"provider": "anthropic", "models": {"claude": {}}},
        ],
        "any.json",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_both_shapes_are_read(folder: Folder, shape: str) -> None:
    document, name = SHAPES[shape]
    folder.catalogue(document, name)
    folder.integration("main", models=models("gpt-4", "gpt-5", "gpt-55"))
    folder.integration("other", "groq", models=models("whatever"))
    assert folder.found() == [
        ("model-retiring", "main: model `gpt-4` retires on 2026-12-06, in 7 days"),
        ("model-unknown", "main: the catalogue lists no model `gpt-55` of openai"),
    ]


def test_each_problem_is_reported_at_the_line_of_the_model(folder: Folder) -> None:
    folder.catalogue(litellm(gpt_4o="2026-11-29", gpt_5="2026-11-30"))
    folder.write(
        "integrations/main.yaml",
        "slug: main\nname: Main\nai_provider_id: openai\nmodels:\n"
        "  - {slug: gpt-4o, enabled: true}\n"
        "  - slug: gpt-5\n    enabled: true\n"
        "  - {slug: gtp-4o, enabled: true}\n",
    )
    places = [(d.code, d.at.line, d.at.column) for d in folder.load().diagnostics if d.at]
    assert places == [
        ("model-retired", 5, 12),
        ("model-retiring", 6, 11),
        ("model-unknown", 8, 12),
    ]
    hints = [d.hint for d in folder.load().diagnostics]
    assert hints[-1] == "did you mean `gpt-4o`?"


def test_a_model_of_an_overlay_is_reported_in_the_overlay(folder: Folder) -> None:
    folder.catalogue(litellm(gpt_4="2026-12-06"))
    folder.integration("main")
    folder.write(
        "environments/here/main.yaml", "main:\n  models:\n    - {slug: gpt-4, enabled: true}\n"
    )
    [found] = folder.load().diagnostics
    assert found.at is not None
    assert found.at.file.endswith("environments/here/main.yaml")
    assert found.at.line == 3


def test_without_a_catalogue_nothing_is_reported(folder: Folder) -> None:
    folder.integration("main", models=models("gpt-nonsense"))
    assert folder.found() == []


SILENT: list[tuple[str, str, dict[str, Any]]] = [
    ("a provider that it does not list", "anthropic", {"models": models("gpt-4", "x")}),
    ("a provider by its UUID", "1" * 8 + "-1111-1111-1111-" + "1" * 12, {"models": models("x")}),
    ("a disabled model", "openai", {"models": models("gpt-4", enabled=False)}),
    ("a custom model", "openai", {"models": models("mine", is_custom=True)}),
    ("a fine-tuned model", "openai", {"models": models("mine", is_finetune=True)}),
    ("a fine-tuned model by its name", "openai", {"models": models("ft:gpt-5:acme::a")}),
    (
        "a host of its own",
        "openai",
        {
            "configurations": {"custom_host": "https://models.example/v1"},
            "models": models("gpt-4", "x"),
        },
    ),
    (
        "a model with a host of its own",
        "openai",
        {"models": models("gpt-4", configurations={"custom_host": "https://models.example"})},
    ),
    ("a deployment on Azure", "azure-openai", {"models": models("my-deployment")}),
    (
        "a provisioned model",
        "bedrock",
        {"models": models("arn:aws:bedrock:eu-west-1:1:provisioned-model/x")},
    ),
    ("no model at all", "openai", {"models": []}),
]


@pytest.mark.parametrize(
    ("provider", "fields"), [case[1:] for case in SILENT], ids=[case[0] for case in SILENT]
)
def test_only_names_that_the_catalogue_can_know_are_reported(
    folder: Folder, provider: str, fields: dict[str, Any]
) -> None:
    document = litellm(gpt_4="2026-12-06", gpt_5=None)
    for other in ("azure", "bedrock"):
        document[f"{other}/known"] = {"litellm_provider": other}
    folder.catalogue(document)
    folder.integration("main", provider, **fields)
    assert folder.codes() == []


def test_a_deployment_is_checked_by_the_model_that_it_names(folder: Folder) -> None:
    def deployment(name: str, model: str) -> dict[str, Any]:
        return {
            "azure_deployment_name": name,
            "azure_model_slug": model,
            "azure_api_version": "2025-04-01-preview",
            "alias": f"alias-{name}",
        }

    folder.catalogue(
        {
            "azure/gpt-4": {"litellm_provider": "azure", "deprecation_date": "2026-12-06"},
            "azure/gpt-5": {"litellm_provider": "azure"},
        }
    )
    deployments = [deployment("a", "gpt-4"), deployment("b", "gpt-5"), deployment("c", "gtp-5")]
    folder.integration(
        "azure",
        "azure-openai",
        configurations={
            "azure_auth_mode": "default",
            "azure_resource_name": "example-eu",
            "azure_deployment_config": deployments,
        },
        models=models("alias-a", "alias-c"),
    )
    assert folder.codes() == ["model-retiring", "model-unknown"]


def test_a_custom_model_that_the_catalogue_lists_still_retires(folder: Folder) -> None:
    folder.catalogue(litellm(gpt_4="2026-12-06"))
    folder.integration("main", models=models("gpt-4", is_custom=True))
    assert folder.codes() == ["model-retiring"]


def test_a_date_that_cannot_be_read_is_a_warning_where_it_matters(folder: Folder) -> None:
    folder.catalogue(litellm(gpt_4="next year", gpt_3="whenever"))
    folder.integration("main", models=models("gpt-4"))
    assert [code for code, _ in folder.found()] == ["catalogue-date"]


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+14:00"])
def test_a_date_out_of_range_is_unreadable(folder: Folder, text: str) -> None:
    folder.catalogue(litellm(gpt_4=text))
    folder.integration("main", models=models("gpt-4"))
    assert [code for code, _ in folder.found()] == ["catalogue-date"]


@pytest.mark.slow
def test_names_are_suggested_only_while_few_were_compared(folder: Folder) -> None:
    document = {f"model-{n:05}": {"litellm_provider": "openai"} for n in range(20_000)}
    folder.catalogue(document)
    folder.integration("main", models=models(*(f"modell-{n}" for n in range(150))))
    hints = [found.hint for found in folder.load().diagnostics]
    assert len(hints) == 150
    assert hints[0].startswith("did you mean `model-")
    assert hints[-1].startswith("correct the name, or declare it")


TWICE = {
    "of one file": (b'{"gpt-4": {%s, "deprecation_date": "2026-12-06"}, "gpt-4": {%s}}', "error"),
    "of two dates": (
        b'{"gpt-4": {%s, "deprecation_date": "2026-12-06", "deprecation_date": ""}}',
        "error",
    ),
    "of two prices": (
        b'{"gpt-4": {%s, "price": 1}, "gpt-4": {%s, "price": {"a": 2}}, "gpt-5": {%s}}',
        "none",
    ),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_second_entry_does_not_hide_a_retirement(folder: Folder, name: str) -> None:
    content, expected = TWICE[name]
    folder.catalogue(content.replace(b"%s", b'"litellm_provider": "openai"'))
    folder.integration("main", models=models("gpt-4"))
    if expected == "error":
        [found] = folder.load().diagnostics
        assert found.code == "catalogue-unreadable"
        assert "has two different entries" in found.summary
    else:
        assert folder.codes() == []


@pytest.mark.parametrize("dates", [("2026-12-06", None), (None, "2026-12-06")])
def test_a_model_with_two_entries_retires_if_one_of_them_has_a_date(
    folder: Folder, dates: tuple[str | None, ...]
) -> None:
    parts = [
        {"provider": name, "models": {"gpt-4": {"type": {}, "deprecation_date": date}}}
        for name, date in zip(("openai", "open-ai"), dates, strict=True)
    ]
    folder.catalogue(parts)
    folder.integration("main", models=models("gpt-4"))
    assert folder.codes() == ["model-retiring"]


PROVIDERS = ("openai", "anthropic", "groq", "mistral-ai", "cohere")
RETIRING = frozenset(number for number in range(200) if number % 10 == number // 10 % 10)


def world(folder: Folder) -> dict[str, date]:
    """Write 200 models in 20 integrations, of which 20 retire; return their dates."""
    dates: dict[str, date] = {}
    document: dict[str, Any] = {}
    for number in range(200):
        name = f"model-{number:03d}"
        entry: dict[str, Any] = {"litellm_provider": PROVIDERS[number % 5]}
        if number in RETIRING:
            dates[name] = TODAY + timedelta(days=number)
            entry["deprecation_date"] = dates[name].isoformat()
        document[name] = entry
    folder.catalogue(document)
    for part in range(20):
        numbers = [n for n in range(200) if n % 20 == part]
        slugs = [f"model-{number:03d}" for number in numbers]
        folder.integration(f"part-{part:02d}", PROVIDERS[part % 5], models=models(*slugs))
    return dates


def named(diagnostics: tuple[Diagnostic, ...], code: str) -> set[str]:
    return {d.summary.split("`")[1] for d in diagnostics if d.code == code}


# Fast tests use the ends of the day; CI also uses hours in between.
ZONES = [
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("UTC", "Asia/Kathmandu")),
]


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def test_all_and_only_the_retiring_models_of_200_are_reported(folder: Folder, zone: str) -> None:
    dates = world(folder)
    for threshold in (90, 30, 7, 1, 0):
        for each in sorted(dates)[2:5]:
            for shift in (-1, 0, 1):
                today = dates[each] - timedelta(days=threshold + shift)
                found = folder.load(today).diagnostics
                soon = {n for n, day in dates.items() if today < day <= today + timedelta(days=90)}
                past = {n for n, day in dates.items() if day <= today}
                assert named(found, "model-retiring") == soon, (zone, today)
                assert named(found, "model-retired") == past
                assert named(found, "model-unknown") == set()


def test_days_left_are_counted_and_the_notice_period_can_be_longer(folder: Folder) -> None:
    world(folder)
    soon = [s for c, s in folder.found() if c == "model-retiring"]
    assert len(soon) == 8
    assert "part-11: model `model-011` retires on 2026-12-10, in 11 days" in soon
    longer = folder.load(retirement_days=120)
    assert len(named(longer.diagnostics, "model-retiring")) == 11
    shorter = folder.load(retirement_days=7)
    assert len(named(shorter.diagnostics, "model-retiring")) == 8
    assert longer.state is not None
    assert {f.days_left for f in longer.state.models if f.retires} == {
        number for number in RETIRING if number <= 120
    }


BROKEN: list[tuple[str, bytes, str]] = [
    ("no JSON", b"{", "is not JSON"),
    ("not UTF-8", b'{"a": "\xff"}', "is not JSON"),
    ("deeper than a parser goes", b"[" * 100_000, "is not JSON"),
    ("NaN", b'{"m": {"litellm_provider": "openai", "p": NaN}}', "is not JSON: it contains NaN"),
    ("a line", b'{"m":\n  x}', "is not JSON (line 2, column 3)"),
    ("a number", b"7", "is neither a file of"),
    ("an empty object", b"{}", "is neither a file of"),
    ("an empty list", b"[]", "lists no model"),
    ("another document", b'{"a": 1}', "is neither a file of"),
    ("a provider without models", b'{"provider": "openai", "models": {}}', "lists no model"),
    ("prices without a provider", b'{"m": {"pricing_config": {}}}', "does not name its provider"),
]


@pytest.mark.parametrize(
    ("content", "said"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_a_file_that_is_not_a_catalogue_is_an_error(
    folder: Folder, content: bytes, said: str
) -> None:
    folder.catalogue(content)
    folder.integration("main", models=models("x"))
    loaded = folder.load()
    [found] = loaded.diagnostics
    assert loaded.state is None
    assert found.code == "catalogue-unreadable"
    assert said in found.summary
    assert found.hint
    assert found.at is not None
    assert '"file"' in (folder.path / "reconcile.yaml").read_text().splitlines()[found.at.line - 1]


def test_content_with_another_digest_is_an_error(folder: Folder) -> None:
    folder.catalogue(litellm(gpt_4="2026-12-06"))
    folder.integration("main", models=models("gpt-4"))
    path = folder.path / "catalogue.json"
    path.write_text(path.read_text().replace("2026-12-06", "2036-12-06"))
    loaded = folder.load()
    [found] = loaded.diagnostics
    assert (loaded.state, found.code, found.severity.value) == (None, "catalogue-digest", "error")
    assert "reconcile catalogue update" in found.hint
    assert [d.code for d in check(folder.path, target_name=None, today=TODAY)] == [
        "catalogue-digest"
    ]


def test_a_missing_file_a_link_and_a_large_file_are_errors(folder: Folder) -> None:
    folder.catalogue(litellm(gpt_4=None))
    path = folder.path / "catalogue.json"
    content = path.read_bytes()
    outside = folder.path.parent / "outside.json"
    outside.write_bytes(content)
    path.unlink()
    assert [code for code, _ in folder.found()] == ["catalogue-unreadable"]
    path.symlink_to(outside)
    assert [code for code, _ in folder.found()] == ["catalogue-unreadable"]
    path.unlink()
    with path.open("wb") as stream:
        stream.truncate(16 * 1024 * 1024 + 1)
    assert "is larger than 16 MiB" in folder.found()[0][1]


def test_a_catalogue_can_be_larger_than_a_file_of_the_desired_state(folder: Folder) -> None:
    document = litellm(gpt_4="2026-12-06")
    document["padding"] = {"litellm_provider": "nobody", "text": "x" * 2 * 1024 * 1024}
    folder.catalogue(document)
    folder.integration("main", models=models("gpt-4"))
    assert folder.codes() == ["model-retiring"]


@pytest.mark.parametrize(
    ("pinned", "code", "said"),
    [
        ({"file": "../catalogue.json"}, "invalid-value", "in the folder of reconcile.yaml"),
        ({"file": "/etc/catalogue.json"}, "invalid-value", "in the folder of reconcile.yaml"),
        ({"file": "a/../../b.json"}, "invalid-value", "in the folder of reconcile.yaml"),
        ({"file": ".hidden.json"}, "invalid-value", "in the folder of reconcile.yaml"),
        ({"file": "catalogue.yaml"}, "invalid-value", "in the folder of reconcile.yaml"),
        ({"digest": "sha256:abc"}, "invalid-value", "64 hexadecimal digits"),
        ({"digest": "sha256:abc"}, "invalid-value", "`reconcile catalogue update URL|FILE`"),
        ({"digest": None}, "wrong-type", "must be a string"),
        ({"digset": "x"}, "unknown-field", "did you mean"),
        ({"file": ...}, "missing-field", "needs `file`"),
    ],
)
def test_an_invalid_setting_is_reported_at_its_line(
    folder: Folder, pinned: dict[str, Any], code: str, said: str
) -> None:
    folder.catalogue(litellm(gpt_4=None))
    given = {**folder.pinned, **pinned}
    folder.pinned = {key: value for key, value in given.items() if value is not ...}
    found = [d for d in folder.load().diagnostics if d.code == code]
    assert found
    assert said in f"{found[0].summary} {found[0].hint}"
    assert found[0].at is not None
    assert found[0].at.file.endswith("reconcile.yaml")


def test_prices_are_not_read(folder: Folder) -> None:
    huge = b'{"m": {"litellm_provider": "openai", "input_cost_per_token": ' + b"9" * 5000 + b"}}"
    assert set(parse_catalogue(huge, name="x.json")) == {"openai"}
