"""Values of the domain: integrations, secrets, policies, states, calls. No I/O and no clock."""
