"""Is everything in place for a run: files, key, scopes, paging, clocks, ledger.

`reading` only reads. `probing` writes and removes one throw-away integration, where it is asked to.
The command: `reconciler.cli.commands.doctor`. The words' layout: `reconciler.views.doctor`.
"""
