# Warn about a new integration without a description.
package main

import rego.v1

warn contains {"msg": msg, "slug": action.slug} if {
	some action in input.actions
	action.action == "create"
	not has_description(action)
	msg := sprintf("%s: state in `description` which team uses it", [action.slug])
}

has_description(action) if {
	some change in action.changes
	change.path == "description"
}
