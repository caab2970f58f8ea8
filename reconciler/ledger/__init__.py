"""Record of runs and last-applied state: intents, outcomes, pre-images, fingerprints.

Start at `store.open_ledger`. The ledger adds evidence; a correct result never depends on it. Only
this package uses SQLAlchemy. What a plan takes from it: `reconciler.domain.state`.
"""
