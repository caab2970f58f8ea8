# Deny access for every workspace at once: list the workspaces instead.
package main

import rego.v1

deny contains {"msg": msg, "slug": action.slug} if {
	some action in input.actions
	some change in action.changes
	change.path == "global_workspace_access.enabled"
	change.after == true
	msg := sprintf("%s: do not enable global_workspace_access; list the workspaces", [action.slug])
}
