"""Values of other fields that the API refuses: names, mappings, prices, models, access."""

from tests.desired.refused import (
    API,
    BACKEND,
    ERRORS,
    LIMITS,
    LIVE,
    SECRETS,
    TERRAFORM,
    Cause,
    budget,
    mapping,
    openai,
    rate,
)

CAUSES = [
    Cause("no name", API, "ai_provider_id: openai\n", "missing-field"),
    Cause("no ai_provider_id", API, "name: A\n", "missing-field"),
    Cause("a number for a text", ERRORS, openai("description: [1]\n"), "wrong-type"),
    Cause("no credential at all", LIVE, "name: A\nai_provider_id: x-ai\n", "missing-credential"),
    Cause("a slug with a space", API, "slug: a b\n" + openai(), "invalid-value"),
    Cause("a long slug", BACKEND, f"slug: {'a' * 256}\n" + openai(), "invalid-value"),
    Cause("a long name", BACKEND, f"name: {'n' * 256}\nai_provider_id: openai\n", "invalid-value"),
    Cause(
        "a default provider's slug",
        API,
        openai("create_default_provider: true\ndefault_provider_slug: a b\n"),
        "invalid-value",
    ),
    Cause(
        "a target mapped twice",
        SECRETS,
        openai("secret_mappings: [{target_field: key, secret_reference_id: r}, ").replace(
            "key: ${env:SECRET_A}\n", ""
        )
        + "{target_field: key, secret_reference_id: s}]\n",
        "duplicate-entry",
    ),
    Cause(
        "a target that cannot be mapped",
        SECRETS,
        mapping("target_field: name, secret_reference_id: r"),
        "invalid-value",
    ),
    Cause(
        "a value_format outside its enum",
        API,
        mapping("target_field: configurations.x, secret_reference_id: r, value_format: yaml"),
        "invalid-value",
    ),
    Cause(
        "an unknown multiplier",
        API,
        openai("pricing_adjustments: {multiplier: {tokens: 2}}\n"),
        "unknown-field",
    ),
    Cause(
        "a negative multiplier",
        API,
        openai("pricing_adjustments: {multiplier: {default: -1}}\n"),
        "invalid-value",
    ),
    Cause(
        "a price that is not static",
        API,
        openai("models: [{slug: m, enabled: true, pricing_config: {type: dynamic}}]\n"),
        "invalid-value",
    ),
    Cause("two budgets", API, budget("}, {"), "invalid-value"),
    Cause("two rates", API, rate("[{}, {}]"), "invalid-value"),
    Cause("a budget of zero", API, budget("credit_limit: 0"), "invalid-value"),
    Cause("a budget in fractions", API, budget("credit_limit: 1.5"), "wrong-type"),
    Cause("a threshold of zero", API, budget("alert_threshold: 0"), "invalid-value"),
    Cause("few tokens", LIMITS, budget("type: tokens, credit_limit: 99"), "unexpected-form"),
    Cause(
        "two kinds of reset",
        API,
        budget("periodic_reset: weekly, periodic_reset_days: 3"),
        "conflicting-fields",
    ),
    Cause("a reset after 366 days", BACKEND, budget("periodic_reset_days: 366"), "invalid-value"),
    Cause("no instant", API, budget("next_usage_reset_at: banana"), "invalid-value"),
    Cause(
        "no year", API, budget("next_usage_reset_at: '0001-01-01T00:00:00+14:00'"), "invalid-value"
    ),
    Cause("an unknown unit", BACKEND, rate("[{unit: rps}]"), "invalid-value"),
    Cause("an unknown kind of budget", BACKEND, budget("type: euros"), "invalid-value"),
    Cause("an unknown reset", API, budget("periodic_reset: daily"), "invalid-value"),
    Cause("a model without a slug", API, openai("models: [{enabled: true}]\n"), "missing-field"),
    Cause("a model without enabled", API, openai("models: [{slug: m}]\n"), "missing-field"),
    Cause(
        "a workspace without an id", API, openai("workspaces: [{enabled: true}]\n"), "missing-field"
    ),
    Cause("a workspace without enabled", API, openai("workspaces: [{id: w}]\n"), "missing-field"),
    Cause(
        "workspaces of a workspace's integration",
        API,
        openai("workspace_id: w\nworkspaces: []\n"),
        "workspaces-not-allowed",
    ),
    Cause("an unknown field", ERRORS, openai("descripton: d\n"), "unknown-field"),
    Cause("an empty name", API, "name: ''\nai_provider_id: openai\n", "invalid-value"),
    Cause("an empty slug", API, "slug: ''\n" + openai(), "invalid-value"),
    Cause("a literal flag as a text", ERRORS, openai("allow_all_models: 'no'\n"), "wrong-type"),
    Cause(
        "a key as a literal",
        API,
        "name: A\nai_provider_id: openai\nkey: sk-abc\n",
        "literal-secret",
    ),
    Cause(
        "a default provider's long slug",
        API,
        openai(f"create_default_provider: true\ndefault_provider_slug: {'a' * 256}\n"),
        "invalid-value",
    ),
    Cause("a mapping without its target", API, mapping("secret_reference_id: r"), "missing-field"),
    Cause(
        "a mapping without its reference",
        API,
        mapping("target_field: configurations.x"),
        "missing-field",
    ),
    Cause(
        "a mapping with an empty reference",
        API,
        mapping("target_field: configurations.x, secret_reference_id: ''"),
        "invalid-value",
    ),
    Cause(
        "a mapping of a nested field",
        f"{TERRAFORM}: docs/resources/integration.md",
        mapping("target_field: configurations.a.b, secret_reference_id: r"),
        "invalid-value",
    ),
    Cause(
        "an unknown member of pricing_adjustments",
        API,
        openai("pricing_adjustments: {factor: 2}\n"),
        "unknown-field",
    ),
    Cause(
        "a multiplier that is a text",
        API,
        openai("pricing_adjustments: {multiplier: {default: '2'}}\n"),
        "wrong-type",
    ),
    Cause(
        "an unknown multiplier of images",
        API,
        openai("pricing_adjustments: {multiplier: {image: {hd: 2}}}\n"),
        "unknown-field",
    ),
    Cause("tags as a list", BACKEND, openai("tags: [a]\n"), "wrong-type"),
    Cause(
        "a price that is a text",
        API,
        openai(
            "models: [{slug: m, enabled: true, pricing_config: "
            "{type: static, pay_as_you_go: {request_token: {price: a}}}}]\n"
        ),
        "wrong-type",
    ),
    Cause(
        "a model's flag as a text",
        API,
        openai("models: [{slug: m, enabled: true, is_custom: 'yes'}]\n"),
        "wrong-type",
    ),
    Cause("models as a mapping", API, openai("models: {m: true}\n"), "wrong-type"),
    Cause(
        "global access without enabled",
        API,
        openai("global_workspace_access: {}\n"),
        "missing-field",
    ),
    Cause(
        "a rate in fractions", API, rate("[{type: requests, unit: rpm, value: 1.5}]"), "wrong-type"
    ),
    Cause("an unknown kind of rate", API, rate("[{type: euros}]"), "invalid-value"),
    Cause(
        "a budget that is a mapping",
        API,
        rate("null, usage_limits: {credit_limit: 5}"),
        "wrong-type",
    ),
    Cause("a reset after no day", API, budget("periodic_reset_days: 0"), "invalid-value"),
    Cause("an unknown member of a budget", API, budget("limit: 5"), "unknown-field"),
    Cause(
        "a default provider's slug of a workspace",
        API,
        openai(
            "workspaces: [{id: w, enabled: true, create_default_provider: true, "
            "default_provider_slug: a b}]\n"
        ),
        "invalid-value",
    ),
    Cause(
        "a slug of a default provider that exists",
        API,
        openai("create_default_provider: true\ndefault_provider_slug: taken\n"),
        None,
    ),
    Cause(
        "a secret reference that does not exist",
        SECRETS,
        openai().replace(
            "key: ${env:SECRET_A}\n",
            "secret_mappings: [{target_field: key, secret_reference_id: none}]\n",
        ),
        None,
    ),
    Cause("an empty list that clears a budget", LIVE, rate("null, usage_limits: []"), None),
]
