"""The nouns: integrations, secrets, policies, states, calls. No I/O, clock or environment."""
