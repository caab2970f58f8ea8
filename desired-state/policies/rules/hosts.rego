# Deny a custom host outside of the company's domain: it receives the credential.
package main

import rego.v1

deny contains {"msg": msg, "slug": action.slug} if {
	some action in input.actions
	some change in action.changes
	endswith(change.path, "custom_host")
	change.op != "remove"
	not own_host(change.after)
	msg := sprintf("%s: %s is outside *.example.com", [action.slug, change.path])
}

own_host(url) if regex.match(`^https://([a-z0-9-]+\.)*example\.com(:443)?(/.*)?$`, url)
