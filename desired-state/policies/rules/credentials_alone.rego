# Deny a plan that changes credentials of several providers at once.
package main

import rego.v1

deny contains msg if {
	changed := {action.slug |
		some action in input.actions
		action.action == "update"
		some change in action.changes
		change.risk == "credential"
		change.op != "resend"
	}
	count(changed) > 1
	msg := concat(" ", ["these change credentials in one plan:", concat(", ", sort(changed))])
}
