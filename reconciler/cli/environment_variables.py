"""Reference of the environment variables, as `reconcile help environment` prints it.

A test compares the names with those that the code reads. Variables of options are not listed: click
derives them from the names of the command and the option.
"""

from collections.abc import Mapping
from types import MappingProxyType

VARIABLES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "API": (
            (
                "PORTKEY_API_KEY",
                "Usual name of the API key, as `api_key` in reconcile.yaml sets it",
            ),
            (
                "PORTKEY_BASE_URL",
                "URL of the API, overriding that of the target; ignored for a simulator",
            ),
            ("RECONCILE_ALLOWED_HOSTS", "Other hosts that may receive the key, comma-separated"),
            ("RECONCILE_CA_FILE", "File with the certificates of a private CA"),
            ("RECONCILE_PROXY", "URL of the proxy for API calls"),
        ),
        "Catalogue of models": (
            (
                "RECONCILE_ALLOWED_CATALOGUES",
                "Hosts other than configs.portkey.ai that `catalogue update` may read",
            ),
        ),
        "Secrets": (
            ("SECRET_*", "Usual names of secret values: `${env:SECRET_OPENAI_KEY}` in a file"),
            (
                "RECONCILE_ALLOWED_SECRETS",
                "Comma-separated patterns of the references that files may use",
            ),
        ),
        "Commands": (
            (
                "RECONCILE_ALLOWED_PROBES",
                "Comma-separated commands that a target may name as its probe",
            ),
            (
                "RECONCILE_ALLOWED_POLICIES",
                "Comma-separated commands that policies of reconcile.yaml may run",
            ),
            ("PATH, HOME", "Passed to such a command, with the `variables` of a probe"),
        ),
        "Ledger": (
            ("RECONCILE_LEDGER_URL", "URL of a PostgreSQL ledger that several machines share"),
            ("RECONCILE_LEDGER_PEPPER", "Key of the fingerprints of secrets in a shared ledger"),
        ),
        "Record of a run in the ledger, overriding the variables of CI": (
            ("RECONCILE_PULL_REQUEST", "Number of the pull request"),
            ("RECONCILE_AUTHOR", "Author of the change"),
            ("RECONCILE_APPROVER", "User who approved the run"),
            ("RECONCILE_ENVIRONMENT", "Environment of the deployment; `doctor` checks it"),
        ),
        "Adapter server": (
            ("RECONCILE_SERVE_TOKEN", "Token of `serve` with scope write, without --token-file"),
        ),
        "Output": (
            ("NO_COLOR", "Disable colours if it is not empty"),
            ("TERM", "`dumb` disables colours"),
            ("COLUMNS", "Width of the output, overriding that of the terminal"),
        ),
        "GitHub Actions": (
            ("GITHUB_ACTIONS, CI", "`true` on a runner; adapts hints and the ledger to a CI job"),
            ("GITHUB_TOKEN", "Token of the job, for `report`, `github` and `doctor`"),
            ("GITHUB_REPOSITORY", "Repository, as owner/name"),
            ("GITHUB_API_URL", "URL of the GitHub API"),
            ("GITHUB_EVENT_NAME, GITHUB_EVENT_PATH", "Event that started the job"),
            ("GITHUB_OUTPUT, GITHUB_STEP_SUMMARY", "Files for outputs and the job summary"),
            ("GITHUB_SHA, GITHUB_REF, GITHUB_REF_NAME", "Commit and branch of the job"),
            ("GITHUB_ACTOR, GITHUB_TRIGGERING_ACTOR", "Users who started the job"),
            ("GITHUB_SERVER_URL, GITHUB_RUN_ID, GITHUB_WORKFLOW_REF", "Links to the job"),
            ("RECONCILE_GITHUB_LOGIN", "Author of comments  [default: github-actions[bot]]"),
            ("RECONCILE_LEDGER_STATE", "State of the ledger that `report` names"),
            ("RECONCILE_RISKY_ENVIRONMENT", "Environment for risky changes that `doctor` checks"),
        ),
        "GitLab CI": (
            ("GITLAB_CI", "`true` on a runner; no fingerprint key is stored next to its ledger"),
            ("GITLAB_TOKEN", "Project access token, for `report` and `gitlab`"),
            ("CI_API_V4_URL, CI_PROJECT_ID, CI_PROJECT_URL", "URL of the GitLab API, and project"),
            ("CI_COMMIT_SHA, CI_COMMIT_AUTHOR", "Commit of the job, and its author"),
            ("CI_COMMIT_BRANCH", "Branch of the job, unset for a merge request"),
            ("CI_MERGE_REQUEST_IID, CI_PIPELINE_URL", "Merge request and pipeline"),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "Planned head, if results are merged first"),
            ("CI_ENVIRONMENT_NAME, GITLAB_USER_LOGIN", "Environment of the job, and its user"),
        ),
        "HashiCorp Vault": (
            ("VAULT_ADDR, VAULT_NAMESPACE, VAULT_CACERT", "Server, namespace and private CA"),
            ("VAULT_TOKEN", "Login with a token"),
            ("VAULT_ROLE_ID, VAULT_SECRET_ID", "Login with AppRole"),
            ("VAULT_ROLE, VAULT_JWT, VAULT_AUDIENCE", "Login with a JWT"),
            ("VAULT_AUTH_PATH", "Path of the auth method"),
            (
                "ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN",
                "Login with the JWT of a GitHub job",
            ),
        ),
        "AWS Secrets Manager": (
            ("AWS_REGION, AWS_DEFAULT_REGION", "Region; AWS_REGION takes precedence"),
            ("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN", "Credentials"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL", "URL of the service"),
        ),
        "sops (receives no other variables)": (
            (
                "SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD, SOPS_AGE_SSH_PRIVATE_KEY_FILE",
                "age keys",
            ),
            ("SOPS_GPG_EXEC, SOPS_DECRYPTION_ORDER, GNUPGHOME", "GnuPG, and the order of keys"),
            ("AWS_*, AZURE_*, GOOGLE_*, CLOUDSDK_*", "Passed only for a file of that key service"),
            ("PATH, LANG, TMPDIR", "Program, language and temporary files"),
        ),
        "Temporal": (
            ("TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE", "Default of --address and of --namespace"),
            ("TEMPORAL_API_KEY", "API key of the server"),
        ),
        "git (receives no other variables)": (
            (
                "PATH, HOME, XDG_CONFIG_HOME, TMPDIR, USER, LOGNAME",
                "Program, configuration, temporary files and user",
            ),
        ),
    }
)
"""Names and description of the variables, by the subject that they configure."""
