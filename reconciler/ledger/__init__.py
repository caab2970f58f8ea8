"""What was done and what was declared: runs, intents, outcomes, pre-images, fingerprints.

Start at `store.open_ledger`. The ledger informs; a correct result never needs it. This
package alone knows SQLAlchemy. What a plan learns from here is `reconciler.domain.last_applied`.
"""
