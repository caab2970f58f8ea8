"""Drift: how the API differs from the files, who changed what, and who is notified.

    report        the report of a plan, and its JSON in both directions (pure)
    incremental   which integrations need not be read again (pure)
    who           who made each difference, and its JSON in both directions (pure)
    attribution   matching of differences with records of the audit log (pure)
    audit_reading reading of the log for a report
    notify        messages to channels such as chat or mail

Rendering of a report: `reconciler.views`.
"""
