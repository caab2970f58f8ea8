"""Values of `configurations` that the API refuses: modes, required fields, hosts, deployments."""

from tests.desired.refused import (
    API,
    AZURE,
    BACKEND,
    CHANGES,
    DEPLOYED,
    DEPLOYMENT,
    ERRORS,
    FOUNDRY,
    GATEWAY_160,
    HOSTS,
    LIVE,
    LLMS,
    ORACLE,
    RESOURCE,
    TERRAFORM,
    UNDATED,
    Cause,
    azure,
    host,
    openai,
    other,
)

CAUSES = [
    Cause("an auth mode outside its enum", ERRORS, azure("azure_auth_mode: x"), "invalid-value"),
    Cause(
        "custom_host alone",
        LIVE,
        openai("configurations: {custom_host: 'https://llm.example.com'}\n"),
        "custom-host-auth",
    ),
    Cause("a private host", HOSTS, host("https://10.0.0.1"), "custom-host-private"),
    Cause("a loopback host", HOSTS, host("https://localhost"), "custom-host-private"),
    Cause("a link-local host", HOSTS, host("https://169.254.1.1"), "custom-host-private"),
    Cause("a metadata host", HOSTS, host("http://169.254.169.254"), "custom-host-private"),
    Cause("an address in disguise", HOSTS, host("https://2130706433"), "custom-host-private"),
    Cause("a user in a URL", HOSTS, host("https://u:p@llm.example.com"), "invalid-value"),
    Cause("a URL without a scheme", HOSTS, host("llm.example.com"), "invalid-value"),
    Cause("a long URL", HOSTS, host("https://e.com/" + "a" * 2_048), "invalid-value"),
    Cause("a service's port", HOSTS, host("https://llm.example.com:22"), "invalid-value"),
    Cause("resource_name", CHANGES, azure("resource_name: r"), "unknown-configuration-field"),
    Cause(
        "deployment_id",
        CHANGES,
        azure(f"{AZURE}, deployment_id: d"),
        "unknown-configuration-field",
    ),
    Cause("api_version", CHANGES, azure(f"{AZURE}, api_version: v"), "unknown-configuration-field"),
    Cause(
        "Azure without a mode",
        CHANGES,
        azure(f"azure_resource_name: r, {DEPLOYMENT}"),
        "missing-field",
    ),
    Cause("a flat deployment", CHANGES, azure(f"{RESOURCE}, {DEPLOYED}"), "missing-field"),
    Cause(
        "a deployment without its model",
        CHANGES,
        azure(f"{AZURE}".replace("azure_model_slug: m, ", "")),
        "missing-field",
    ),
    Cause(
        "a deployment without an alias",
        f"{TERRAFORM}: README.md",
        azure(AZURE.replace("is_default: true", "is_default: false")),
        "missing-field",
    ),
    Cause("a long API version", API, azure(AZURE.replace(DEPLOYED, UNDATED)), "invalid-value"),
    Cause("no deployment", API, azure(f"{RESOURCE}, azure_deployment_config: []"), "missing-field"),
    Cause(
        "a URL for a resource",
        GATEWAY_160,
        azure(AZURE.replace("name: r", "name: 'https://r.openai.azure.com'")),
        "invalid-value",
    ),
    Cause(
        "the gateway's word for a mode",
        f"{LLMS}/azure-openai/authentication.mdx",
        azure(AZURE.replace("default,", "apiKey,")),
        "invalid-value",
    ),
    Cause("entra alone", API, azure(AZURE.replace("default,", "entra,")), "missing-field"),
    Cause(
        "Bedrock without a mode", API, other("bedrock", "aws_region: us-east-1"), "missing-field"
    ),
    Cause(
        "Bedrock without a region",
        API,
        other("bedrock", "aws_auth_type: serviceRole"),
        "missing-field",
    ),
    Cause(
        "accessKey alone",
        API,
        other("bedrock", "aws_auth_type: accessKey, aws_region: us-east-1"),
        "missing-field",
    ),
    Cause(
        "assumedRole alone",
        API,
        other("bedrock", "aws_auth_type: assumedRole, aws_region: us-east-1"),
        "missing-field",
    ),
    Cause(
        "a mode of another AWS provider",
        f"{LLMS}/claude-platform-aws/claude-platform-aws.mdx",
        other("claude-platform-aws", "aws_auth_type: apiKey, aws_region: us-east-1", key=True),
        "invalid-value",
    ),
    Cause(
        "a mode of another AWS provider still",
        f"{LLMS}/bedrock-mantle.mdx",
        other("bedrock-mantle", "aws_auth_type: accessKey, aws_region: us-east-1"),
        "invalid-value",
    ),
    Cause(
        "an alias", f"{TERRAFORM}: pull request 23", other("aws-bedrock", ""), "unknown-provider"
    ),
    Cause("Vertex without a mode", API, other("vertex-ai", "vertex_region: us"), "missing-field"),
    Cause(
        "basic without a project",
        API,
        other("vertex-ai", "vertex_auth_type: basic, vertex_region: us"),
        "missing-field",
    ),
    Cause(
        "serviceAccount alone",
        API,
        other("vertex-ai", "vertex_auth_type: serviceAccount, vertex_region: us"),
        "missing-field",
    ),
    Cause(
        "a service account as a literal",
        API,
        other(
            "vertex-ai",
            "vertex_auth_type: serviceAccount, vertex_region: us, "
            "vertex_service_account_json: '{}'",
        ),
        "literal-secret",
    ),
    Cause("Workers AI without an account", API, other("workers-ai", "", key=True), "missing-field"),
    Cause("Cortex without an account", API, other("cortex", "", key=True), "missing-field"),
    Cause("Oracle without its key", f"{LLMS}/oracle.mdx", other("oracle", ORACLE), "missing-field"),
    Cause(
        "Databricks without a workspace",
        f"{LLMS}/databricks.mdx",
        other("databricks", "", key=True),
        "missing-field",
    ),
    Cause(
        "BytePlus in a region it does not have",
        f"{LLMS}/byteplus.mdx",
        other("byteplus", "byteplus_region: us-east-1", key=True),
        "invalid-value",
    ),
    Cause(
        "a masked field", BACKEND, other("openai", "masked_key: s...t", key=True), "masked-field"
    ),
    Cause("configurations as a list", ERRORS, openai("configurations: []\n"), "wrong-type"),
    Cause(
        "a header with two values",
        f"{LLMS}/byollm.mdx",
        openai("configurations: {custom_headers: {x-team: [a, b]}}\n"),
        "wrong-type",
    ),
    Cause(
        "headers as a list",
        f"{LLMS}/byollm.mdx",
        openai("configurations: {custom_headers: [a]}\n"),
        "wrong-type",
    ),
    Cause(
        "a host of a model without a scheme",
        HOSTS,
        openai("models: [{slug: m, enabled: true, configurations: {custom_host: h.example}}]\n"),
        "invalid-value",
    ),
    Cause(
        "a metadata host of a model",
        HOSTS,
        openai(
            "models: [{slug: m, enabled: true, configurations: "
            "{custom_host: 'http://169.254.169.254'}}]\n"
        ),
        "custom-host-private",
    ),
    Cause("a fragment in a URL", HOSTS, host("https://llm.example.com/v1#a"), "invalid-value"),
    Cause(
        "a host in a rebinding domain",
        HOSTS,
        host("https://10.0.0.1.nip.io"),
        "custom-host-private",
    ),
    Cause("ftp", HOSTS, host("ftp://llm.example.com"), "invalid-value"),
    Cause("an unspecified address", HOSTS, host("https://0.0.0.0"), "custom-host-private"),
    Cause("IPv6 loopback", HOSTS, host("https://[::1]"), "custom-host-private"),
    Cause("a unique local address", HOSTS, host("https://[fd00::1]"), "custom-host-private"),
    Cause("a mapped address", HOSTS, host("https://[::ffff:10.0.0.1]"), "custom-host-private"),
    Cause(
        "a cluster's name", HOSTS, host("https://llm.ml.svc.cluster.local"), "custom-host-private"
    ),
    Cause(
        "Azure without a resource",
        API,
        azure(f"azure_auth_mode: default, {DEPLOYMENT}"),
        "missing-field",
    ),
    Cause(
        "a deployment without its name",
        API,
        azure(AZURE.replace("azure_deployment_name: d, ", "")),
        "missing-field",
    ),
    Cause(
        "a deployment without its API version",
        API,
        azure(AZURE.replace("azure_api_version: v, ", "")),
        "missing-field",
    ),
    Cause(
        "deployments as a mapping",
        API,
        azure(f"{RESOURCE}, azure_deployment_config: {{{DEPLOYED}}}"),
        "wrong-type",
    ),
    Cause(
        "entraFederated alone",
        BACKEND,
        azure(AZURE.replace("default,", "entraFederated,")),
        "missing-field",
    ),
    Cause(
        "workload alone", BACKEND, azure(AZURE.replace("default,", "workload,")), "missing-field"
    ),
    Cause(
        "a client secret as a literal",
        API,
        azure(
            AZURE.replace("default,", "entra,")
            + ", azure_entra_tenant_id: t, azure_entra_client_id: c, azure_entra_client_secret: s"
        ),
        "literal-secret",
    ),
    Cause(
        "Foundry without a mode",
        API,
        other("azure-ai", "azure_foundry_url: 'https://f.services.ai.azure.com'", key=True),
        "missing-field",
    ),
    Cause(
        "Foundry without a URL",
        API,
        other("azure-ai", "azure_auth_mode: default", key=True),
        "missing-field",
    ),
    Cause(
        "Foundry's URL as a name",
        f"{LLMS}/azure-foundry.mdx",
        other("azure-ai", "azure_auth_mode: default, azure_foundry_url: f", key=True),
        "invalid-value",
    ),
    Cause(
        "a long API version of Foundry",
        API,
        other(
            "azure-ai",
            f"{FOUNDRY}, azure_api_version: {'v' * 31}",
            key=True,
        ),
        "invalid-value",
    ),
    Cause(
        "Bedrock in an unknown mode",
        API,
        other("bedrock", "aws_auth_type: role, aws_region: us-east-1"),
        "invalid-value",
    ),
    Cause(
        "Bedrock's key mode without a key",
        BACKEND,
        other("bedrock", "aws_auth_type: apiKey, aws_region: us-east-1"),
        "missing-credential",
    ),
    Cause(
        "a secret access key as a literal",
        API,
        other(
            "bedrock",
            "aws_auth_type: accessKey, aws_region: us-east-1, "
            "aws_access_key_id: a, aws_secret_access_key: s",
        ),
        "literal-secret",
    ),
    Cause(
        "SageMaker without a mode",
        API,
        other("sagemaker", "aws_region: us-east-1"),
        "missing-field",
    ),
    Cause(
        "SageMaker without a region",
        API,
        other("sagemaker", "aws_auth_type: serviceRole"),
        "missing-field",
    ),
    Cause(
        "Mantle's role alone",
        f"{LLMS}/bedrock-mantle.mdx",
        other("bedrock-mantle", "aws_auth_type: assumedRole, aws_region: us-east-1"),
        "missing-field",
    ),
    Cause(
        "Claude Platform without a region",
        f"{LLMS}/claude-platform-aws/claude-platform-aws.mdx",
        other("claude-platform-aws", "aws_auth_type: serviceRole"),
        "missing-field",
    ),
    Cause(
        "Vertex without a region",
        API,
        other("vertex-ai", "vertex_auth_type: basic, vertex_project_id: p"),
        "missing-field",
    ),
    Cause(
        "Vertex in an unknown mode",
        API,
        other("vertex-ai", "vertex_auth_type: key, vertex_region: us"),
        "invalid-value",
    ),
    Cause(
        "workload without a project",
        BACKEND,
        other("vertex-ai", "vertex_auth_type: workload, vertex_region: us"),
        "missing-field",
    ),
    Cause(
        "a flag that is a text",
        API,
        other("azure-openai", f"{AZURE}, is_key_required: 'yes'", key=True),
        "wrong-type",
    ),
]
