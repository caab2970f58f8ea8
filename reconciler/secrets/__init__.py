"""Resolution of secret references: one module for each store, and the allow-list.

Start at `registry.Secrets`. `reconciler.domain.secrets` defines secrets, `reconciler.planning`
decides whether one has changed, and `reconciler.ledger` stores its fingerprint.
"""
