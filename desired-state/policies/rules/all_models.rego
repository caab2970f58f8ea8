# Deny access to every model of a provider: new models would be allowed without a review.
package main

import rego.v1

deny contains {"msg": msg, "slug": action.slug} if {
	some action in input.actions
	some change in action.changes
	change.path == "allow_all_models"
	change.after == true
	msg := sprintf("%s: do not allow all models; list them", [action.slug])
}
