# Deny new integrations of a provider that is not in the list of reviewed providers.
package main

import rego.v1

reviewed_providers := {"anthropic", "azure-openai", "bedrock", "openai", "vertex-ai"}

deny contains {"msg": msg, "slug": action.slug} if {
	some action in input.actions
	some change in action.changes
	change.path == "ai_provider_id"
	change.op != "remove"
	not change.after in reviewed_providers
	msg := sprintf("%s: provider %v is not reviewed", [action.slug, change.after])
}
