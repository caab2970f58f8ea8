# Warn about a workspace that gets access without a budget.
package main

import rego.v1

warn contains {"msg": msg, "slug": action.slug} if {
	some action in input.actions
	some change in action.changes
	regex.match(`^workspaces\[[^\]]+\]\.enabled$`, change.path)
	change.after == true
	entry := trim_suffix(change.path, ".enabled")
	not has_budget(action, entry)
	msg := sprintf("%s: %s gets access without a usage limit", [action.slug, entry])
}

has_budget(action, entry) if {
	some change in action.changes
	startswith(change.path, sprintf("%s.usage_limits", [entry]))
	change.op != "remove"
}
