"""Problems of reconcile.yaml are reported before anything runs."""

from datetime import timedelta
from decimal import Decimal

import pytest

from reconciler.desired.config import base_url_problem
from reconciler.desired.load import check, load_config, load_desired
from reconciler.domain.policy import Prune
from reconciler.domain.secrets import SecretRef
from tests.desired.building import CONFIG, OPENAI, TODAY, files, loaded, places

A = {"integrations/a.yaml": OPENAI}
OVERLAY: dict[str, str | bytes] = {"environments/production/a.yaml": "a: {name: B}\n"}


def one_target(fields: str) -> str:
    return f"version: 1\ndefault_target: p\ntargets:\n  p: {{{fields}}}\n"


def test_every_field_of_a_target_is_read() -> None:
    config, diagnostics = load_config(
        files(
            config=one_target(
                "base_url: 'https://x/v1', api_key: '${vault:a#b}', auth_header: authorization, "
                "environment: production, scope: {type: workspace, workspace_id: w, slugs: [a*]}, "
                "prune: none, limits: {deletes: 1, delete_ratio: 0.5, plan_age_hours: 1}"
            )
            + "deletions: [{slug: old, reason: done}]\n"
        )
    )
    assert not diagnostics
    assert config is not None
    target = config.targets["p"]
    assert (target.name, target.prune, target.environment) == ("p", Prune.NONE, "production")
    assert target.api_key == SecretRef("vault", "a#b")
    assert (target.limits.deletes, target.limits.delete_ratio) == (1, 0.5)
    assert target.scope.slugs == ("a*",)
    assert config.tombstones["old"].reason == "done"


@pytest.mark.parametrize(
    ("config", "code", "line", "column"),
    [
        ("", "missing-field", 1, 1),
        ("targets: {p: {base_url: 'simulator:'}}\n", "missing-field", 1, 1),
        ("version: 2\ntargets: {p: {base_url: 'simulator:'}}\n", "invalid-value", 1, 10),
        ("version: 1\ntargets: {}\n", "missing-field", 2, 10),
        ("version: 1\n", "missing-field", 1, 1),
        ("- version\n", "wrong-type", 1, 1),
        ("version: [\n", "syntax", 2, 1),
        ("version: 1\nversion: 1\n", "duplicate-key", 2, 1),
        (one_target("base_url: 'simulator:', prune: som"), "invalid-value", 4, 38),
        (one_target("base_url: 'simulator:', limits: {deletes: '3'}"), "wrong-type", 4, 49),
        (one_target("base_url: 'simulator:', limits: {delete: 3}"), "unknown-field", 4, 40),
        (one_target("base_url: 'simulator:', limits: {delete_ratio: 2}"), "invalid-value", 4, 54),
        (one_target("base_url: 'simulator:', name: q"), "unknown-field", 4, 31),
        (one_target("base_url: 'simulator:', environment: ../x"), "invalid-value", 4, 44),
        (one_target("base_url: 'https://x'"), "missing-field", 4, 3),
        (one_target("api_key: '${vault:a#b}'"), "missing-field", 4, 6),
        (one_target("base_url: 'https://x', api_key: pk-live"), "literal-secret", 4, 39),
        (
            one_target("base_url: 'https://x', api_key: '${env:SECRET_X}'"),
            "reference-forbidden",
            4,
            39,
        ),
        (one_target("base_url: 'https://x', api_key: '${file:/x}'"), "reference-forbidden", 4, 39),
        (
            one_target("base_url: 'http://x', api_key: '${env:PORTKEY_X}'"),
            "invalid-base-url",
            4,
            17,
        ),
        (one_target("base_url: '${env:X}'"), "reference-not-allowed", 4, 17),
        (CONFIG + "deletions: [{slug: a/b}]\n", "invalid-value", 6, 20),
        (CONFIG + "deletions: [{reason: x}]\n", "missing-field", 6, 13),
        (CONFIG.replace("default_target: s", "default_target: t"), "unknown-target", 2, 17),
    ],
)
def test_an_error_has_a_code_and_a_location(config: str, code: str, line: int, column: int) -> None:
    result = loaded(A, config=config)
    assert result.state is None
    assert (code, "reconcile.yaml", line, column) in places(result.diagnostics)
    assert all(found.hint for found in result.diagnostics)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.portkey.ai/v1",
        "https://gateway.example:8443/v1/",
        "http://127.0.0.1:8080/v1",
        "http://127.9.9.9/v1",
        "http://[::1]:8080/v1",
        "http://localhost/v1",
        "simulator:",
    ],
)
def test_a_good_base_url_has_no_problem(url: str) -> None:
    assert base_url_problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://api.portkey.ai/v1",
        "http://localhost.evil.example/v1",
        "http://127.0.0.1.evil.example/v1",
        "http://0.0.0.0/v1",
        "ftp://api.portkey.ai",
        "file:///etc/passwd",
        "api.portkey.ai/v1",
        "https://",
        "https:///v1",
        "https://joe:hunter2@api.portkey.ai/v1",
        "https://api.portkey.ai@evil.example/v1",
        "https://api.portkey.ai/v1#x",
        "https://api.portkey.ai/v1?x=1",
        "https://api.portkey.ai\\@evil.example",
        "https://api.portkey.ai/v1\n",
        "https://api.portkey.ai:port/v1",
        "https://[::1/v1",
        "simulator:elsewhere",
        "",
    ],
)
def test_a_base_url_that_could_mislead_is_refused_and_not_repeated(url: str) -> None:
    problem = base_url_problem(url)
    assert problem is not None
    assert "hunter2" not in problem


def test_a_target_is_chosen_by_name_or_by_default() -> None:
    by_default, by_name = loaded(A), loaded(A | OVERLAY, target="production")
    assert by_default.state is not None
    assert by_name.state is not None
    assert (by_default.state.target.name, by_name.state.target.name) == ("simulator", "production")


def test_an_unknown_or_missing_target_lists_the_existing_ones() -> None:
    unknown = loaded(A, target="produktion")
    none = loaded(A, config=CONFIG.replace("default_target: simulator\n", ""))
    assert [(d.code, d.hint) for d in (*unknown.diagnostics, *none.diagnostics)] == [
        ("unknown-target", "did you mean `production`?"),
        ("no-target", "use --target with one of `production`, `simulator`"),
    ]


def test_the_environments_url_replaces_the_targets_but_never_the_simulators() -> None:
    url = "http://127.0.0.1:9/v1"
    production = loaded(A | OVERLAY, target="production", base_url=url).state
    simulator = loaded(A, base_url=url).state
    assert production is not None
    assert simulator is not None
    assert (production.target.base_url, simulator.target.base_url) == (url, "simulator:")


@pytest.mark.parametrize("override", [None, "https://api.portkey.ai/v1/"])
def test_a_trailing_slash_of_a_url_does_not_make_another_target(override: str | None) -> None:
    config = one_target("base_url: 'https://api.portkey.ai/v1/', api_key: '${env:PORTKEY_X}'")
    state = loaded(config=config, base_url=override).state
    assert state is not None
    assert state.target.base_url == "https://api.portkey.ai/v1"


def test_the_environments_url_follows_the_same_rules() -> None:
    result = loaded(A, target="production", base_url="http://evil.example/")
    assert result.state is None
    assert "invalid-base-url" in [d.code for d in result.diagnostics]


def test_a_tombstone_of_a_declared_slug_is_an_error() -> None:
    config = CONFIG + "deletions: [{slug: a}, {slug: gone}]\n"
    result = loaded(A, config=config)
    assert places(result.diagnostics) == [("tombstoned-slug", "integrations/a.yaml", 1, 7)]


def test_without_a_target_every_environment_is_checked() -> None:
    source = files(A | {"environments/production/x.yaml": "a: {nam: x}\n"})
    assert [d.code for d in check(source, target_name=None, today=TODAY)] == ["unknown-field"]
    assert check(source, target_name="simulator", today=TODAY) == ()


def test_integrations_can_be_loaded_for_a_known_configuration() -> None:
    config, _ = load_config(files())
    assert config is not None
    target = config.targets["simulator"]
    state, diagnostics = load_desired(files(A, config="not: [read"), config, target, TODAY)
    assert not diagnostics
    assert state is not None
    assert list(state.integrations) == ["a"]


NO_LIMITS = """
.nan NaN .inf -.inf Infinity 1e400 1e999999999 1e-400 -1 -1e5 -5% 1e2% 50,5% 1,5 1:30 1_000
true yes ~ '6000' 0x10 0o17 010 +3 1. [] {} \u0665
"""


COUNTS = ("deletes", "replaces", "credential_changes", "access_removals", "used_removals")
RATIOS = ("delete_ratio", "budget_increase")


@pytest.mark.parametrize("written", [*NO_LIMITS.split(), "'50  %'", "' 50%'", "5 000"])
def test_a_limit_that_is_not_a_plain_number_is_refused_at_its_line(written: str) -> None:
    for name in (*COUNTS, *RATIOS, "budget_total", "plan_age_hours"):
        config = f"version: 1\ntargets:\n  p:\n    base_url: 'simulator:'\n    limits:\n      {name}: {written}\n"  # noqa: E501
        _, [found] = load_config(files(config=config))
        assert (found.at.line if found.at else None, found.hint != "") == (6, True), name


@pytest.mark.parametrize("written", ["1e3", "2.0", "50%", "99999999999999999999", "0.5"])
def test_a_limit_of_a_count_is_a_whole_number(written: str) -> None:
    for name in COUNTS:
        fields = f"base_url: 'simulator:', limits: {{{name}: {written}}}"
        _, [found] = load_config(files(config=one_target(fields)))
        assert (found.code, found.hint) == (
            "wrong-type",
            "write it in decimal digits, such as 500",
        )


@pytest.mark.parametrize("written", ["1.0000000000000000001", "2", "1e308", "9223372036854775808"])
def test_a_ratio_above_1_is_a_percentage(written: str) -> None:
    for name in RATIOS:
        fields = f"base_url: 'simulator:', limits: {{{name}: {written}}}"
        _, [found] = load_config(files(config=one_target(fields)))
        assert found.code == "invalid-value"


@pytest.mark.parametrize(
    "written",
    [
        "0",
        "-0.0",
        "0.1",
        "6000.00000000000000000001",
        "12345678901234567.89",
        "0.12345678901234567890123456789",
        "123456789012345678901234567890",
        "1e300",
    ],
)
def test_a_budget_keeps_all_digits_of_the_file(written: str) -> None:
    fields = f"base_url: 'simulator:', limits: {{budget_total: {written}}}"
    config, diagnostics = load_config(files(config=one_target(fields)))
    assert (config is not None, diagnostics) == (True, ())
    total = config.targets["p"].limits.budget_total if config else None
    assert (total, str(total).startswith("-")) == (Decimal(written), False)


def test_the_age_of_a_plan_is_a_duration() -> None:
    fields = "base_url: 'simulator:', limits: {plan_age_hours: 1000000000}"
    config, _ = load_config(files(config=one_target(fields)))
    assert config is not None
    assert timedelta(hours=config.targets["p"].limits.plan_age_hours).days > 41_000_000
    fields = "base_url: 'simulator:', limits: {plan_age_hours: 1e308}"
    _, [found] = load_config(files(config=one_target(fields)))
    assert (found.code, found.summary) == (
        "invalid-value",
        "`plan_age_hours` must be at most 1000000000",
    )
