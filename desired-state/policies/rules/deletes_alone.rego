# Deny a delete in a plan with other changes, so that it is not overlooked.
package main

import rego.v1

deny contains {"msg": msg, "slug": action.slug} if {
	some action in input.actions
	action.action == "delete"
	some other in input.actions
	other.action != "delete"
	msg := sprintf("%s: delete it in a separate pull request", [action.slug])
}
