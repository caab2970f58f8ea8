"""Examples in the help of each command: a purpose and a command line.

Keys are the names below `reconcile`. A test parses every line with the options of its command.
"""

from collections.abc import Mapping
from types import MappingProxyType

EXAMPLES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "init": (
            ("Create the folder desired-state/ here", "reconcile init"),
            ("Also create workflows for GitHub", "reconcile init --with-workflows"),
        ),
        "doctor": (
            ("Check the key and the setup of a target", "reconcile --target production doctor"),
            (
                "Also create and remove temporary integrations",
                "reconcile --target production doctor --probe",
            ),
        ),
        "pull": (
            ("Write files for every integration", "reconcile --target production pull"),
            (
                "Write references to Vault",
                "reconcile --target production pull --secret-template '${vault:ai/{slug}#{field}}'",
            ),
            (
                "Take over from Terraform",
                "reconcile --target production pull --from-terraform state.json",
            ),
        ),
        "scaffold": (
            (
                "Start a new file",
                "reconcile scaffold anthropic > desired-state/integrations/anthropic.yaml",
            ),
            (
                "Choose how the provider authenticates",
                "reconcile scaffold bedrock --auth assumedRole --slug bedrock-eu",
            ),
        ),
        "completion": (
            (
                "Install the script for bash",
                "reconcile completion bash > ~/.local/share/bash-completion/completions/reconcile",
            ),
            (
                "Install the script for fish",
                "reconcile completion fish > ~/.config/fish/completions/reconcile.fish",
            ),
        ),
        "validate": (
            ("Check the files for every target", "reconcile validate"),
            ("Annotate a pull request", "reconcile validate --format github"),
        ),
        "fmt": (
            ("Rewrite the files", "reconcile fmt"),
            ("Only check; the exit code is 2 if a file would change", "reconcile fmt --check"),
        ),
        "plan": (
            ("Show the changes", "reconcile --target production plan"),
            (
                "Save a plan for review",
                "reconcile --target production plan --out plan.json",
            ),
            (
                "Compare with what Git declared at a commit, without a ledger",
                "reconcile --target production plan --base main~1 --detailed-exitcode",
            ),
        ),
        "apply": (
            (
                "Show the plan, ask for confirmation and apply",
                "reconcile --target production apply",
            ),
            (
                "Apply only what a saved plan contains",
                "reconcile --target production apply plan.json",
            ),
            (
                "Apply some integrations without asking for confirmation",
                "reconcile --target production apply --only 'openai-*' --yes",
            ),
        ),
        "drift": (
            ("Report what was changed in the API", "reconcile --target production drift"),
            (
                "Read only what changed, for frequent checks",
                "reconcile --target production drift --incremental --format json",
            ),
            ("Show who made each change", "reconcile --target production drift --who"),
        ),
        "catalogue": (
            (
                "Pin the models of a provider",
                "reconcile catalogue update https://configs.portkey.ai/pricing/openai.json",
            ),
            ("Pin the small catalogue of the simulator", "reconcile catalogue update simulator:"),
        ),
        "catalogue update": (
            (
                "Pin the models of a provider",
                "reconcile catalogue update https://configs.portkey.ai/pricing/openai.json",
            ),
            (
                "Pin LiteLLM's file, which has retirement dates",
                "reconcile catalogue update model_prices_and_context_window.json",
            ),
        ),
        "history": (
            (
                "Show the runs of a week, and check the hash chain",
                "reconcile --target production history --since 7d --verify",
            ),
            (
                "Show what one run changed",
                "reconcile --target production history 20260102T030405Z-1a2b3c4d",
            ),
            (
                "Show the history of an integration",
                "reconcile --target production history openai-production",
            ),
        ),
        "undo": (
            (
                "Save a plan that restores what a run changed",
                "reconcile --target production undo 20260102T030405Z-1a2b3c4d --out undo.json",
            ),
            (
                "Restore the files instead",
                "reconcile --target production undo 20260102T030405Z-1a2b3c4d --edit-files",
            ),
        ),
        "promote": (
            ("Show what would be edited", "reconcile promote staging production --check"),
            ("Promote one integration", "reconcile promote staging production openai-main"),
        ),
        "list": (
            ("List the integrations", "reconcile --target production list"),
            (
                "Print only their slugs",
                "reconcile --target production list --format json | jq -r '.integrations[].slug'",
            ),
        ),
        "get": (
            ("Print one integration", "reconcile --target production get openai-production"),
            (
                "Print it as YAML",
                "reconcile --target production get openai-production --format yaml",
            ),
            ("List what uses it", "reconcile --target production get openai-production --used-by"),
        ),
        "show": (
            ("Print a saved plan", "reconcile show plan.json"),
            ("Write it as an HTML page", "reconcile show plan.json --format html > plan.html"),
        ),
        "parity": (
            ("Compare two environments", "reconcile parity staging production"),
            (
                "Write a Markdown table, for a comment",
                "reconcile parity staging production --format markdown",
            ),
        ),
        "render": (
            ("Print what a target declares", "reconcile --target production render"),
            ("Print it as JSON", "reconcile --target production render --format json"),
        ),
        "explain": (
            ("Explain a field", "reconcile explain models.pricing_config"),
            ("Explain the code of a message", "reconcile explain credential-retarget"),
            ("List the configuration of a provider", "reconcile explain --provider bedrock"),
        ),
        "schema": (
            (
                "Save the schema that editors use",
                "reconcile schema > desired-state/schema.json",
            ),
            ("Print the schema of a plan", "reconcile schema --kind plan"),
        ),
        "report": (
            (
                "Comment on a pull request",
                "reconcile report github --plan plan.json --environment production",
            ),
            (
                "Update the issue about drift",
                "reconcile report github --drift drift.json --environment production",
            ),
        ),
        "report github": (
            (
                "Comment on a pull request",
                "reconcile report github --plan plan.json --environment production",
            ),
            (
                "Update the issue about drift",
                "reconcile report github --drift drift.json --environment production",
            ),
        ),
        "report gitlab": (
            (
                "Write the note on a merge request, and the counts for its widget",
                (
                    "reconcile report gitlab --plan plan.json --environment production "
                    "--terraform-report counts.json"
                ),
            ),
            (
                "Update the issue about drift",
                "reconcile report gitlab --drift drift.json --environment production",
            ),
            (
                "Update the issue about a fleet",
                "reconcile report gitlab --fleet-result fleet.json --environment all",
            ),
        ),
        "merge-results": (
            ("Merge the results of two shards", "reconcile merge-results one.json two.json"),
            (
                "Write the merged result as Markdown, for a job summary",
                "reconcile merge-results one.json two.json --format markdown",
            ),
        ),
        "fleet": (
            ("Show the changes of every member", "reconcile fleet plan"),
            ("Apply them to some members", "reconcile fleet apply --only 'eu-*'"),
        ),
        "fleet plan": (
            ("Show the changes of every member", "reconcile fleet plan"),
            (
                "Plan some members, with exit code 2 if there are changes",
                "reconcile fleet plan --only 'eu-*' --detailed-exitcode",
            ),
        ),
        "fleet apply": (
            ("Plan all members, ask for confirmation and apply", "reconcile fleet apply"),
            (
                "Wait in Temporal for an approval of each plan",
                "reconcile fleet apply --engine temporal --await-approval",
            ),
        ),
        "fleet drift": (
            ("Check every member", "reconcile fleet drift --format json"),
            (
                "Check every hour with Temporal",
                "reconcile fleet drift --engine temporal --schedule '0 * * * *'",
            ),
        ),
        "worker": (
            ("Run the members of fleet.yaml", "reconcile worker"),
            (
                "Connect to a server over TLS",
                "reconcile worker --address temporal.example.com:7233 --tls",
            ),
        ),
        "serve": (
            ("Serve a target on this machine", "reconcile --target production serve"),
            ("Allow GET requests only", "reconcile --target production serve --read-only"),
        ),
        "simulate": (
            ("Serve an empty organisation", "reconcile simulate"),
            (
                "Serve 500 integrations, slowly, on a free port",
                "reconcile simulate --port 0 --seed 500 --latency-ms 80 --rate-limit 50",
            ),
        ),
        "help": (
            ("Describe a command", "reconcile help fleet plan"),
            ("List the environment variables", "reconcile help environment"),
        ),
    }
)
"""Purpose and command line of the examples, by the name of the command."""
