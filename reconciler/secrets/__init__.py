"""From the name of a secret to its value: one small file for each scheme, and the allow-list.

Start at `resolve.resolve_all`. What a secret is: `reconciler.domain.secrets`. Whether one has
changed is decided in `reconciler.planning`; what is remembered of it, in `reconciler.ledger`.
"""
