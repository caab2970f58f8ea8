"""Reporting to GitHub: what a plan, a result or a drift report says, where its readers are.

    publish     all of it in order; read this first
    job         the Actions job that reports: repository, token, event, files for outputs
    documents   what is reported: a plan, a result, drift, or the failure to make one
    bodies      their text, headed by a marker
    comment     one comment per environment on a pull request
    issue       one drift issue per environment
    outputs     job summary, annotations, $GITHUB_OUTPUT
    approvals   the plans that were approved by merging (merged: by which requests; archive: what
                may be in a file)
    proposal    a pull request made of files
    client      the REST API (pacing: when a call is made again)

It has no say in what is planned or written: `reconciler.workflows`.
"""
