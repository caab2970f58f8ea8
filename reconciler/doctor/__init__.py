"""Checks of a setup: files, key, scopes, paging, clock, ledger.

    checks                   a check and a report of checks; the check of the ledger
    api_checks               checks of the API with GET alone
    probe                    answers to open questions, on temporary integrations (`doctor --probe`)
    temporary_integrations   the integrations of a probe, and their removal

The command: `reconciler.cli.commands.doctor`. Rendering: `reconciler.views.reports`.
"""
