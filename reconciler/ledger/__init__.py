"""Record of runs and last-applied state: intents, outcomes, pre-images, fingerprints.

Start at `store.open_ledger`. The ledger adds evidence; a correct result never depends on it. Only
this package uses SQLAlchemy. The part that a plan uses: `reconciler.domain.state`.
"""
