# Deny a budget of a workspace above a fixed amount.
package main

import rego.v1

largest_budget := 5000

deny contains {"msg": msg, "slug": action.slug} if {
	some action in input.actions
	some change in action.changes
	endswith(change.path, ".credit_limit")
	change.op != "remove"
	change.after > largest_budget
	msg := sprintf("%s: %s is above %d", [action.slug, change.path, largest_budget])
}
