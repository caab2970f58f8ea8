"""Is everything in place for a run: files, key, scopes, paging, clocks, ledger.

`reading` only reads. `probing` writes and removes throw-away integrations, where it is asked to.
The command: `reconciler.cli.commands.doctor`. The layout: `reconciler.views.reports`.
"""
