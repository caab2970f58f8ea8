"""Resolution of secret references: one module for each store, and the allow-list.

Start at `registry.Secrets`. What a secret is: `reconciler.domain.secrets`. Whether one has
changed is decided in `reconciler.planning`; its fingerprint is stored in `reconciler.ledger`.
"""
