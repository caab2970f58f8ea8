"""Watching: is the API still as declared, and if not, who moved?

    detect        a plan becomes a report (pure)
    incremental   what need not be read again (pure)
    report        the report as a value, and its JSON
    notify        a message to channels of the user's choice

How a report looks: `reconciler.views`.
"""
