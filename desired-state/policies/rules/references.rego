# Deny credentials from environment variables on production: use a secret manager.
package main

import rego.v1

deny contains {"msg": msg, "slug": action.slug} if {
	input.target.name == "production"
	some action in input.actions
	some change in action.changes
	startswith(object.get(change, "reference", ""), "env:")
	msg := sprintf("%s: %s must come from a secret manager", [action.slug, change.path])
}
