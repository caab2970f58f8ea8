"""Files of integrations with one error each, by a description of the error."""

OPENAI = "name: A\nai_provider_id: openai\n"
WORKSPACE = OPENAI + "workspaces:\n  - id: w\n    enabled: true\n"
BUDGET = WORKSPACE + "    usage_limits:\n      - type: cost\n"
MODEL = OPENAI + "models:\n  - slug: gpt-5\n    enabled: true\n"
SETTINGS = OPENAI + "configurations:\n"
MAPPING = OPENAI + "secret_mappings:\n  - target_field: key\n"
BEDROCK = "name: A\nai_provider_id: bedrock\nconfigurations:\n  aws_region: eu-central-1\n"
AZURE = "name: A\nai_provider_id: azure-openai\nconfigurations:\n"

SEEN = {
    # Types
    "a list for a string": OPENAI + "description: [a]\n",
    "a string for an object": OPENAI + "configurations: x\n",
    "a map of models": OPENAI + "models: {gpt-5: {enabled: true}}\n",
    "a list of names of models": OPENAI + "models:\n  - gpt-5\n",
    "a map of workspaces": OPENAI + "workspaces:\n  w: {enabled: true}\n",
    "a string for a boolean": OPENAI + 'models:\n  - slug: m\n    enabled: "yes"\n',
    "an object for a list of limits": WORKSPACE + "    usage_limits:\n      credit_limit: 1\n",
    "a fraction for an integer": BUDGET + "        credit_limit: 1.5\n",
    "a list of headers": SETTINGS + "  custom_headers: [a]\n",
    "a boolean for an object": OPENAI + "global_workspace_access: true\n",
    "a number for a path": OPENAI + "lifecycle:\n  ignore:\n    - 5\n",
    # Unknown fields, and known fields in the wrong place
    "an unknown field": OPENAI + "descripton: x\n",
    "an unknown field of a model": MODEL + "    enable: true\n",
    "an unknown option": OPENAI + "lifecycle:\n  protect: true\n",
    "an unknown multiplier": OPENAI + "pricing_adjustments:\n  multiplier:\n    tokens: 2\n",
    "a configuration field at the top": OPENAI + "openai_project: p\n",
    "a masked field": SETTINGS + "  openai_project: p\n  masked_key: s...t\n",
    # Required fields
    "no name": "ai_provider_id: openai\n",
    "no provider": "name: A\n",
    "a model without a slug": OPENAI + "models:\n  - enabled: true\n",
    "a model without a switch": OPENAI + "models:\n  - slug: m\n",
    "a workspace without a switch": OPENAI + "workspaces:\n  - id: w\n",
    "a mapping without a secret": MAPPING,
    "an ignored field without a path": OPENAI + "lifecycle:\n  ignore:\n    - reason: x\n",
    "no auth mode": BEDROCK,
    "no role for an assumed role": BEDROCK + "  aws_auth_type: assumedRole\n",
    "an empty role": BEDROCK + "  aws_auth_type: assumedRole\n  aws_role_arn:\n",
    "no configurations of Bedrock": "name: A\nai_provider_id: bedrock\nconfigurations:\n",
    "no deployment": AZURE
    + "  azure_auth_mode: default\n  azure_resource_name: r\n  azure_deployment_config: []\n",
    # Values
    "a space in a slug": "slug: a b\n" + OPENAI,
    "a dot in a slug": "slug: a.b\n" + OPENAI,
    "an empty name": "name: ''\nai_provider_id: openai\n",
    "a long name": f"name: {'n' * 256}\nai_provider_id: openai\n",
    "an unknown auth mode": AZURE + "  azure_auth_mode: magic\n",
    "an unknown unit": WORKSPACE + "    rate_limits:\n      - unit: rps\n",
    "an unknown format": MAPPING + "    secret_reference_id: r\n    value_format: yaml\n",
    "a mapping for the name": MAPPING.replace("key", "name") + "    secret_reference_id: r\n",
    "a budget of zero": BUDGET + "        credit_limit: 0\n",
    "two budgets": WORKSPACE + "    usage_limits: [{}, {}]\n",
    "two kinds of reset": BUDGET
    + "        periodic_reset: weekly\n        periodic_reset_days: 3\n",
    "a word for an instant": BUDGET + "        next_usage_reset_at: tomorrow\n",
    "a word for a date": OPENAI + "lifecycle:\n  ignore:\n    - path: name\n      until: soon\n",
    "a negative multiplier": OPENAI + "pricing_adjustments:\n  multiplier:\n    default: -1\n",
    "a URL for a region": BEDROCK.replace("eu-central-1", "e.example/x")
    + "  aws_auth_type: serviceRole\n",
    "a host without a scheme": SETTINGS + "  custom_host: e.example\n",
    "a password in a URL": SETTINGS + "  custom_host: https://u:p@e.example\n",
    "workspaces of a workspace's integration": OPENAI + "workspace_id: w\nworkspaces: []\n",
    # Secrets
    "a literal key": OPENAI + "key: sk-literal\n",
    "a literal in the configurations": BEDROCK
    + "  aws_auth_type: accessKey\n  aws_access_key_id: A\n  aws_secret_access_key: literal\n",
    "a reference without a scheme": OPENAI + "key: ${SECRET_A}\n",
    "a reference without its brace": OPENAI + "key: ${env:SECRET_A\n",
    "a reference in a description": OPENAI + "description: see ${env:SECRET_A}\n",
    # YAML
    "a key twice": OPENAI + "name: B\n",
    "a tab": SETTINGS + "\topenai_project: p\n",
    "an open bracket": OPENAI + "models: [\n",
}
"""Errors that an editor marks on the same line as `validate`."""

UNSEEN = {
    "a model twice (keys of different entries cannot be compared)": MODEL
    + "  - slug: gpt-5\n    enabled: false\n",
    "a workspace twice (the same)": WORKSPACE + "  - id: w\n    enabled: false\n",
    "a target of mappings twice (the same)": MAPPING
    + "    secret_reference_id: r\n  - target_field: key\n    secret_reference_id: s\n",
    "a value and a mapping (a target is a path in a string)": SETTINGS
    + "  aws_secret: ${env:SECRET_A}\nsecret_mappings:\n"
    + "  - target_field: configurations.aws_secret\n    secret_reference_id: r\n",
    "a metadata service (addresses have many notations)": SETTINGS
    + "  custom_host: http://169.254.169.254\n",
    "a path that is no field (depends on the rest of the file)": OPENAI
    + "lifecycle:\n  ignore:\n    - nothing\n",
    "a reserved reference (depends on the scheme)": OPENAI + "key: ${env:PORTKEY_API_KEY}\n",
    "a slug that another file declares": "slug: taken\n" + OPENAI,
}
"""Errors that JSON Schema cannot express, with the reason."""

STRICTER = {
    "a number for a string": OPENAI + "description: 1.5\n",
    "a number for a slug": "slug: 12\n" + OPENAI,
}
"""Values that `validate` reads as the strings that were written; other programs read numbers."""

OTHERS = {
    "reconcile.yaml": ("schemas/config.json", "targets:\n  a:\n    base_ur: x\n", 4),
    "../fleet.yaml": (
        "desired-state/schemas/fleet.json",
        "version: 1\nmembers:\n  - nam: a\n",
        4,
    ),
    "access/team.yaml": (
        "../schemas/access.json",
        "a:\n  workspaces:\n    - id: w\n      enabled: 1\n",
        5,
    ),
    "environments/production/limits.yaml": (
        "../../schemas/overlay.json",
        "a:\n  models:\n    - slug: m\n      enabled: 1\n",
        5,
    ),
}
"""Files of the other kinds: the path of the schema, the content, and the line of the error."""
